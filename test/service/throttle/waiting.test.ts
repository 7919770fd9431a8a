import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { revokeSessions } from '../../../src/api/iam/roles.js'
import { putInlinePolicy } from '../../../src/api/iam/policies.js'
import { deleteUser } from '../../../src/api/iam/users.js'
import { describeKey } from '../../../src/api/keys.js'
import { generateRandom } from '../../../src/api/random.js'
import { administratorAccess } from '../../../src/domain/policy/managed-policies.js'
import type { Caller } from '../../../src/domain/caller.js'
import { KmsError } from '../../../src/domain/errors.js'
import { performer } from '../../../src/service/perform.js'
import type { Services } from '../../../src/service/services.js'
import { Sessions } from '../../../src/service/sts/sessions.js'
import { otherAccountId } from '../../support/callers.js'
import { replacing } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { newRole, sampleRole } from '../../support/roles.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call, newKey, operationOf, region } from '../../support/services.js'
import { callerOf, foreignAdministrator } from '../iam/support.js'

const hourMs = 3_600_000
const origin = { requestId: 'waiting', sourceIp: '192.0.2.1', userAgent: 'test', secureTransport: false }
const mayDescribe = JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'kms:DescribeKey', Resource: '*' } })

describe('a call that waits for its turn', () => {
  const on = serviceSuite()
  let services: Services
  let KeyId: string
  /** Lets the call end that has the one turn of the account. */
  let release: () => void
  let authenticated: number

  beforeEach(async () => {
    KeyId = (await newKey(on.services)).key.keyId
    const released = new Promise<void>(resolve => { release = resolve })
    const random: typeof on.hsm.random = async bytes => {
      await released
      return on.hsm.random(bytes)
    }
    services = {
      ...on.newServices({ admission: { places: { atWorkPerAccountMax: 1 } } }), hsm: replacing(on.hsm, { random }),
    }
    authenticated = 0
  })

  /** DescribeKey, as who that is by the time that it is asked. */
  const describing = (caller: () => Promise<Caller>) => performer(services)(origin, {
    async authenticate() {
      authenticated++
      return { caller: await caller(), region }
    },
    operation: () => operationOf(describeKey),
    input: () => ({ KeyId }),
  })

  /** Changes something between the moment that the caller was known and its turn. */
  async function waited(caller: () => Promise<Caller>, meanwhile: () => Promise<unknown>): Promise<() => Promise<unknown>> {
    const first = call(services, generateRandom, { NumberOfBytes: 1 })
    const waiting = describing(caller)
    waiting.catch(() => {})
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    expect(authenticated, 'it waits, and is known').to.equal(1)
    await meanwhile()
    release()
    await first
    return () => waiting
  }

  const bob = `arn:aws:iam::${accountId}:user/bob`
  async function asBob(): Promise<Caller> {
    if (!(await services.identities.principal(bob))) throw new KmsError('UnrecognizedClientException')
    return callerOf(services, bob)
  }

  it('is refused when its user was deleted meanwhile', async () => {
    const waiting = await waited(asBob, () => call(services, deleteUser, { UserName: 'bob' }))
    await refused(waiting(), 'UnrecognizedClientException')
    expect(authenticated).to.equal(2)
  })

  it('is refused when what let it was taken away meanwhile', async () => {
    await call(services, putInlinePolicy, { UserName: 'bob', PolicyName: 'own', PolicyDocument: mayDescribe })
    const waiting = await waited(asBob, () =>
      call(services, putInlinePolicy, { UserName: 'bob', PolicyName: 'own', PolicyDocument: mayDescribe.replace('Allow', 'Deny') }))
    await refused(waiting(), 'AccessDeniedException')
  })

  it('is refused when the sessions of its role were revoked meanwhile', async () => {
    await newRole(services, 'worker', { attachedPolicies: [administratorAccess.arn] })
    const { sts: { sessionTokens: tokens }, identities, clock, store: { credentials: accessKeys } } = services
    const sessions = new Sessions({ tokens, identities, accessKeys, clock })
    const { accessKeyId, sessionToken } = await tokens.seal({
      kind: 'role', accountId, name: 'worker', id: sampleRole('worker').id, sessionName: 'me', issuedAt: clock.now(),
      expiresAt: clock.now() + hourMs,
    })
    on.clock.advance(1_000)
    const session = async () => {
      const credential = await sessions.lookup(accessKeyId, sessionToken)
      if (!credential) throw new KmsError('UnrecognizedClientException')
      return credential.caller
    }
    const waiting = await waited(session, () => call(services, revokeSessions, { RoleName: 'worker' }))
    await refused(waiting(), 'ExpiredTokenException')
    expect(authenticated).to.equal(2)
  })

  it('is who it was, and is not asked again, when only another account has changed', async () => {
    await call(services, putInlinePolicy, { UserName: 'bob', PolicyName: 'own', PolicyDocument: mayDescribe })
    const waiting = await waited(asBob, () => call(services, putInlinePolicy, {
      UserName: 'nobody', PolicyName: 'own', PolicyDocument: mayDescribe, AccountId: otherAccountId,
    }, foreignAdministrator))
    await waiting()
    expect(authenticated).to.equal(1)
  })
})
