import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { createCustomKeyStore } from '../../src/api/key-stores.js'
import { createGrant, listGrants, revokeGrant } from '../../src/api/grants.js'
import { cancelKeyDeletion, describeKey, disableKey, enableKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import type { Contract, Input, Output } from '../../src/api/shape.js'
import type { Caller } from '../../src/domain/caller.js'
import { KmsError } from '../../src/domain/errors.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import { dayMs } from '../../src/domain/rotation.js'
import { invocationName } from '../../src/service/invocations.js'
import { onKey, type Operation } from '../../src/service/operation.js'
import { performer } from '../../src/service/perform.js'
import type { Services } from '../../src/service/services.js'
import { replacing } from '../support/interruption.js'
import { RecordedLog } from '../support/recorded.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, administrator, call, newKey, nobody, operationOf, region } from '../support/services.js'

const id = '8f3f1a52-0000-4000-8000-000000000001'

describe('the retry of a call', () => {
  const on = serviceSuite()
  let key: UsableKey

  beforeEach(async () => { key = await newKey(on.services) })

  interface Try {
    readonly invocationId?: string
    readonly caller?: Caller
    readonly by?: Services
    readonly operation?: Operation
  }

  async function attempt<C extends Contract>(contract: C, input: NoInfer<Partial<Input<C>>>, of: Try = {}): Promise<Output<C>> {
    const { invocationId = id, caller = administrator, by = on.services, operation = operationOf(contract) } = of
    const origin = {
      requestId: randomUUID(), sourceIp: '127.0.0.1', userAgent: 'test', secureTransport: false, ...invocationId !== '' && { invocationId },
    }
    const { output } = await performer(by)(origin, {
      authenticate: () => ({ caller, region }), operation: () => operation, input: () => ({ ...input }),
    })
    return output as Output<C>
  }

  const grantInput = (): Partial<Input<typeof createGrant>> => ({
    KeyId: key.key.keyId, GranteePrincipal: accountId, Operations: ['Decrypt'],
    Constraints: { EncryptionContextSubset: { a: '1', b: '2' } },
  })
  const grants = async () => (await call(on.services, listGrants, { KeyId: key.key.keyId })).Grants ?? []
  const lastEvent = () => on.audit.events.at(-1)

  it('gets the answer of the first try, and has no effect', async () => {
    const first = await attempt(createGrant, grantInput())
    expect(await attempt(createGrant, grantInput())).to.deep.equal(first)
    expect(await grants()).to.have.length(1)
  })

  it('gets it from another process, too, and with the pairs of a map in another order', async () => {
    const first = await attempt(createGrant, grantInput())
    const by = on.newServices({ store: await on.second() })
    const Constraints = { EncryptionContextSubset: { b: '2', a: '1' } }
    expect(await attempt(createGrant, { ...grantInput(), Constraints }, { by })).to.deep.equal(first)
  })

  it('is in the audit log as a call of its own, that names the first', async () => {
    await attempt(createGrant, grantInput())
    const first = lastEvent()
    await attempt(createGrant, grantInput())
    expect(lastEvent()).to.deep.include({
      eventName: 'CreateGrant', responseElements: first?.responseElements,
    })
    expect(lastEvent()?.additionalEventData).to.deep.include({ retryOf: first?.requestID })
    expect(lastEvent()?.eventID).to.not.equal(first?.eventID)
  })

  it('says what has become of the key since', async () => {
    const KeyId = key.key.keyId
    expect(await attempt(scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })).to.include({ KeyState: 'PendingDeletion' })
    await call(on.services, cancelKeyDeletion, { KeyId })
    const again = await attempt(scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
    expect(again).to.include({ KeyState: 'Disabled' }).and.not.have.property('DeletionDate')
    expect((await call(on.services, describeKey, { KeyId })).KeyMetadata?.KeyState).to.equal('Disabled')
  })

  it('is none without an id, or with one that is no id', async () => {
    for (const invocationId of ['', 'with space', 'x'.repeat(129), 'é', 'a\tb']) {
      await attempt(createGrant, grantInput(), { invocationId })
      await attempt(createGrant, grantInput(), { invocationId })
    }
    expect(await grants()).to.have.length(10)
  })

  it('takes any visible id of up to 128 characters', async () => {
    const invocationId = '!'.repeat(128)
    const first = await attempt(createGrant, grantInput(), { invocationId })
    expect(await attempt(createGrant, grantInput(), { invocationId })).to.deep.equal(first)
  })

  it('is none with another content, and then is what is remembered', async () => {
    await attempt(createGrant, grantInput())
    const other = await attempt(createGrant, { ...grantInput(), Operations: ['Encrypt'] })
    expect(await grants()).to.have.length(2)
    expect(await attempt(createGrant, { ...grantInput(), Operations: ['Encrypt'] })).to.deep.equal(other)
    expect(await grants()).to.have.length(2)
  })

  it('is none by another caller', async () => {
    await attempt(createGrant, grantInput())
    await attempt(createGrant, grantInput(), { caller: { ...administrator, arn: `${administrator.arn}2` } })
    expect(await grants()).to.have.length(2)
  })

  it('is refused to who may not do it any more', async () => {
    await attempt(createGrant, grantInput())
    await refused(attempt(createGrant, grantInput(), { caller: { ...nobody, arn: administrator.arn } }), 'AccessDeniedException')
  })

  it('is none a day later, when it is forgotten', async () => {
    await attempt(createGrant, grantInput())
    on.clock.advance(dayMs - 1)
    await on.services.invocations.forgetOld()
    await attempt(createGrant, grantInput())
    expect(await grants()).to.have.length(1)
    on.clock.advance(1)
    await attempt(createGrant, grantInput())
    expect(await grants()).to.have.length(2)
    on.clock.advance(dayMs + 1)
    expect(await on.services.invocations.forgetOld()).to.equal(1)
  })

  it('succeeds although the first try changed the state of the key', async () => {
    await attempt(createGrant, grantInput())
    await call(on.services, scheduleKeyDeletion, { KeyId: key.key.keyId, PendingWindowInDays: 7 })
    expect((await attempt(createGrant, grantInput())).GrantId).to.be.a('string')
    await refused(attempt(createGrant, grantInput(), { invocationId: 'another' }), 'KMSInvalidStateException')
  })

  it('succeeds although the first try took away what it names', async () => {
    const { GrantId = '' } = await attempt(createGrant, grantInput())
    const revoke = { KeyId: key.key.keyId, GrantId }
    await attempt(revokeGrant, revoke, { invocationId: 'revoke' })
    await attempt(revokeGrant, revoke, { invocationId: 'revoke' })
    await refused(attempt(revokeGrant, revoke, { invocationId: 'another' }), 'NotFoundException')
  })

  it('of a call that was refused is judged anew', async () => {
    await call(on.services, disableKey, { KeyId: key.key.keyId })
    for (const _ of [1, 2]) await refused(attempt(createGrant, grantInput()), 'DisabledException')
    await call(on.services, enableKey, { KeyId: key.key.keyId })
    await attempt(createGrant, grantInput())
    expect(lastEvent()?.additionalEventData?.retryOf).to.equal(undefined)
    expect(await grants()).to.have.length(1)
  })

  it('of a DryRun is another DryRun', async () => {
    for (const _ of [1, 2]) await refused(attempt(createGrant, { ...grantInput(), DryRun: true }), 'DryRunOperationException')
  })

  it('does not stop a call that cannot be remembered, and that is logged', async () => {
    const log = new RecordedLog()
    const invocations = replacing(on.store.invocations, { put: () => Promise.reject(new RangeError('no space left')) })
    const by = on.newServices({ store: replacing(on.store, { invocations }), log })
    expect((await attempt(createGrant, grantInput(), { by })).GrantId).to.be.a('string')
    expect(log.entries.map(({ level }) => level)).to.deep.equal(['error'])
  })

  describe('while the first try is running', () => {
    /** An operation whose runs end when the test says so. */
    function slow() {
      const runs: { end(outcome: string): void, fail(error: Error): void }[] = []
      let changed = () => {}
      const operation = onKey(describeKey, {
        state: 'read',
        key: input => input.KeyId,
        run: () => new Promise((resolve, reject) => {
          runs.push({ end: Description => resolve({ KeyMetadata: { KeyId: 'made', Description } }), fail: reject })
          changed()
        }),
        retry: {
          outcome: ({ KeyMetadata }) => KeyMetadata?.Description ?? '',
          answer: async Description => ({ KeyMetadata: { KeyId: 'again', Description } }),
        },
      })
      /** Resolves when so many have begun. */
      async function begun(count: number): Promise<void> {
        while (runs.length < count) await new Promise<void>(resolve => { changed = resolve })
      }
      return { operation, runs, begun }
    }
    const turns = async () => { for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve)) }
    const input = () => ({ KeyId: key.key.keyId })

    it('waits for it and gets its answer', async () => {
      const { operation, runs, begun } = slow()
      const tries = [attempt(describeKey, input(), { operation }), attempt(describeKey, input(), { operation })]
      await begun(1)
      await turns()
      expect(runs).to.have.length(1)
      runs[0]?.end('first')
      const answers = await Promise.all(tries)
      expect(answers.map(({ KeyMetadata }) => [KeyMetadata?.KeyId, KeyMetadata?.Description])).to.have.deep.members([
        ['made', 'first'], ['again', 'first'],
      ])
    })

    it('runs itself when that fails', async () => {
      const { operation, runs, begun } = slow()
      const tries = [1, 2, 3].map(() => attempt(describeKey, input(), { operation }))
      const failed = Promise.allSettled(tries)
      await begun(1)
      await turns()
      runs[0]?.fail(new KmsError('DependencyTimeoutException'))
      await begun(2)
      await turns()
      expect(runs).to.have.length(2)
      runs[1]?.end('second')
      const outcomes = (await failed).map(({ status }) => status).sort()
      expect(outcomes).to.deep.equal(['fulfilled', 'fulfilled', 'rejected'])
    })

    it('does not wait for a call with another content', async () => {
      const { operation, runs, begun } = slow()
      const tries = [
        attempt(describeKey, input(), { operation }), attempt(describeKey, { ...input(), GrantTokens: [] }, { operation }),
      ]
      await begun(2)
      for (const [at, run] of runs.entries()) run.end(String(at))
      await Promise.all(tries)
    })
  })
})

describe('the name of an invocation', () => {
  const operation = 'CreateCustomKeyStore'
  const store = (input: object) => invocationName(id, { caller: 'a', region, operation }, createCustomKeyStore.input, input)

  it('depends on every member', () => {
    const inputs = [
      { CustomKeyStoreName: 'a' }, { CustomKeyStoreName: 'b' }, { CustomKeyStoreName: 'a', CustomKeyStoreType: 'AWS_CLOUDHSM' },
      { CustomKeyStoreName: '', CloudHsmClusterId: 'a' }, {}, { XksProxyAuthenticationCredential: {} },
    ]
    expect(new Set(inputs.map(input => store(input)?.inputHash)).size).to.equal(inputs.length)
  })

  it('tells nothing of what is sensitive', () => {
    const named = store({ CustomKeyStoreName: 'a' })
    expect(store({ CustomKeyStoreName: 'a', KeyStorePassword: 'secret' })).to.deep.equal(named)
    expect(store({ XksProxyAuthenticationCredential: { AccessKeyId: 'a', RawSecretAccessKey: 'b' } }))
      .to.deep.equal(store({ XksProxyAuthenticationCredential: {} }))
  })
})
