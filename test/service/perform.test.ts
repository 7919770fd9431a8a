import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createAlias } from '../../src/api/aliases.js'
import { generateDataKey } from '../../src/api/data-keys.js'
import { decrypt, encrypt, reEncrypt } from '../../src/api/encryption.js'
import { createKey, describeKey, disableKey, enableKey, listKeys } from '../../src/api/keys.js'
import { generateRandom } from '../../src/api/random.js'
import { getCallerIdentity } from '../../src/api/sts.js'
import { openAuditLog } from '../../src/adapters/audit-files/audit-log.js'
import type { AuditEvent } from '../../src/domain/audit-chain.js'
import { decodeCiphertextBlob, encodeCiphertextBlob } from '../../src/domain/ciphertext-blob.js'
import { KmsError } from '../../src/domain/errors.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import { rootMaterial } from '../../src/domain/material.js'
import { HsmError } from '../../src/ports/hsm.js'
import { performer, type Front } from '../../src/service/perform.js'
import { MovedClock } from '../support/clock.js'
import { onEveryCall, replacing } from '../support/interruption.js'
import { RecordedAudit, RecordedLog } from '../support/recorded.js'
import { refused, rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, administrator, call, newKey, nobody, operationOf, region, storedKey } from '../support/services.js'

const origin = { requestId: 'request-1', sourceIp: '192.0.2.1', userAgent: 'test', secureTransport: false }
const unknownKey = '1234abcd-12ab-44cd-96ef-1234567890ab'
const plaintext = Buffer.from('secret')

describe('perform', () => {
  const on = serviceSuite()
  let key: UsableKey

  beforeEach(async () => {
    key = await newKey(on.services)
    on.audit.events.length = 0
  })

  const lastEvent = (): AuditEvent | undefined => on.audit.events.at(-1)
  const arnOf = (keyId: string, accountOf = accountId) => `arn:aws:kms:${region}:${accountOf}:key/${keyId}`

  describe('the order of its steps', () => {
    /** What is wrong with a call, in the order in which it must be told. */
    const faults = [
      'UnrecognizedClientException', 'UnknownOperationException', 'SerializationException', 'ValidationException', 'NotFoundException',
      'AccessDeniedException', 'DisabledException', 'KeyUnavailableException',
    ] as const
    type Fault = typeof faults[number]

    function frontWith(wrong: ReadonlySet<Fault>): Front {
      const failIf = (fault: Fault) => { if (wrong.has(fault)) throw new KmsError(fault) }
      return {
        authenticate() {
          failIf('UnrecognizedClientException')
          return { caller: wrong.has('AccessDeniedException') && !wrong.has('NotFoundException') ? nobody : administrator, region }
        },
        operation() {
          failIf('UnknownOperationException')
          return operationOf(generateDataKey)
        },
        input() {
          failIf('SerializationException')
          const KeyId = wrong.has('NotFoundException') ? unknownKey : key.key.keyId
          return wrong.has('ValidationException') ? { KeyId } : { KeyId, KeySpec: 'AES_256' }
        },
      }
    }

    for (const [at, first] of faults.entries()) {
      it(`tells ${first} before ${faults.slice(at + 1).join(', ') || 'it answers'}`, async () => {
        const wrong = new Set<Fault>(faults.slice(at))
        if (wrong.has('DisabledException')) await call(on.services, disableKey, { KeyId: key.key.keyId })
        const broken = replacing(on.hsm, { seal: () => Promise.reject(new HsmError('lost', 'no cable')) })
        const perform = performer(on.newServices({ hsm: broken }))
        await refused(perform(origin, frontWith(wrong)), first)
      })
    }

    it('asks neither store nor HSM before it knows who calls', async () => {
      const touched: string[] = []
      const note = (method: string) => void touched.push(method)
      const watched = on.newServices({ hsm: onEveryCall(on.hsm, note), store: { ...on.store, keys: onEveryCall(on.store.keys, note) } })
      const front = frontWith(new Set(['UnrecognizedClientException']))
      await refused(performer(watched)(origin, front), 'UnrecognizedClientException')
      await refused(call(watched, generateDataKey, { KeyId: key.key.keyId }), 'ValidationException')
      expect(touched).to.deep.equal([])
    })
  })

  it('lets nobody do anything unsigned, but what has another way to know who calls', async () => {
    const front: Front = {
      service: 'sts',
      authenticate: () => ({ caller: undefined, region }),
      operation: () => operationOf(getCallerIdentity),
      input: () => ({}),
    }
    await refused(performer(on.services)(origin, front), 'MissingAuthenticationTokenException')
    expect(lastEvent()).to.deep.include({
      eventSource: 'sts.amazonaws.com', errorCode: 'MissingAuthenticationTokenException', awsRegion: region, userIdentity: undefined,
    })
  })

  describe('permission', () => {
    it('is refused to who is not the administrator, in the words of AWS KMS', async () => {
      const { message } = await refused(call(on.services, describeKey, { KeyId: key.key.keyId }, nobody), 'AccessDeniedException')
      expect(message).to.equal(`User: ${nobody.arn} is not authorized to perform: kms:DescribeKey on resource: ${key.key.arn} `
        + 'because no identity-based policy allows the kms:DescribeKey action')
    })

    it('is asked for operations without a key', async () => {
      const { message } = await refused(call(on.services, listKeys, {}, nobody), 'AccessDeniedException')
      expect(message).to.equal(`User: ${nobody.arn} is not authorized to perform: kms:ListKeys because no identity-based policy allows `
        + 'the kms:ListKeys action')
      await refused(call(on.services, createKey, {}, nobody), 'AccessDeniedException')
      await refused(call(on.services, generateRandom, { NumberOfBytes: 1 }, nobody), 'AccessDeniedException')
    })

    it('is asked for both keys of ReEncrypt', async () => {
      const { CiphertextBlob: blob } = await call(on.services, encrypt, { KeyId: key.key.keyId, Plaintext: plaintext.subarray() })
      const input = { ...blob && { CiphertextBlob: blob }, DestinationKeyId: key.key.keyId }
      const { message } = await refused(call(on.services, reEncrypt, input, nobody), 'AccessDeniedException')
      expect(message).to.contain('kms:ReEncryptFrom')
    })

    it('comes before whether a key or an alias is there at all', async () => {
      await call(on.services, createAlias, { AliasName: 'alias/a', TargetKeyId: key.key.keyId })
      const told = new Set<string>()
      for (const KeyId of [key.key.keyId, unknownKey, 'alias/a', 'alias/b']) {
        const { message } = await refused(call(on.services, describeKey, { KeyId }, nobody), 'AccessDeniedException')
        told.add(message.replace(/on resource: \S+ /, ''))
      }
      expect(told.size).to.equal(1)
    })

    it('comes before whether the key of a ciphertext is there', async () => {
      const { CiphertextBlob: blob } = await call(on.services, encrypt, { KeyId: key.key.keyId, Plaintext: Buffer.from('secret') })
      const decoded = decodeCiphertextBlob(blob ?? new Uint8Array())
      if (!blob || !decoded) throw new Error('not a ciphertext')
      const ofUnknownKey = encodeCiphertextBlob({ ...decoded, keyId: unknownKey }, decoded)
      await refused(call(on.services, decrypt, { CiphertextBlob: blob }, nobody), 'AccessDeniedException')
      await refused(call(on.services, decrypt, { CiphertextBlob: ofUnknownKey }, nobody), 'AccessDeniedException')
      // It may be that of another account, of which nobody here is told whether it exists.
      const { message } = await refused(call(on.services, decrypt, { CiphertextBlob: ofUnknownKey }), 'AccessDeniedException')
      expect(message).to.equal(`User: ${administrator.arn} is not authorized to perform: kms:Decrypt on the resource associated with this `
        + 'ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based '
        + 'policy explicitly denies access')
    })

    it('leaves what was refused as it was', async () => {
      await refused(call(on.services, disableKey, { KeyId: key.key.keyId }, nobody), 'AccessDeniedException')
      expect((await call(on.services, describeKey, { KeyId: key.key.keyId })).KeyMetadata?.KeyState).to.equal('Enabled')
    })
  })

  describe('keys', () => {
    it('of another account are neither confirmed nor denied', async () => {
      const other = '444455556666'
      for (const keyId of [unknownKey, key.key.keyId]) {
        const { message } = await refused(call(on.services, describeKey, { KeyId: arnOf(keyId, other) }), 'AccessDeniedException')
        expect(message).to.equal(`User: ${administrator.arn} is not authorized to perform: kms:DescribeKey on this resource because the `
          + 'resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly '
          + 'denies access')
      }
    })

    it('that are missing are named as ARNs', async () => {
      const { message } = await refused(call(on.services, describeKey, { KeyId: unknownKey }), 'NotFoundException')
      expect(message).to.equal(`Key '${arnOf(unknownKey)}' does not exist`)
    })

    it('are found by id, ARN, alias name and alias ARN where the operation takes aliases', async () => {
      await call(on.services, createAlias, { AliasName: 'alias/a', TargetKeyId: key.key.keyId })
      for (const KeyId of [key.key.keyId, key.key.arn, 'alias/a', `arn:aws:kms:${region}:${accountId}:alias/a`]) {
        expect((await call(on.services, describeKey, { KeyId })).KeyMetadata?.Arn).to.equal(key.key.arn)
      }
    })

    it('are not found by alias where the operation takes none', async () => {
      await call(on.services, createAlias, { AliasName: 'alias/a', TargetKeyId: key.key.keyId })
      const { message } = await refused(call(on.services, disableKey, { KeyId: 'alias/a' }), 'NotFoundException')
      expect(message).to.equal("Invalid keyId 'alias/a'")
    })

    it('of an alias that is missing are not found', async () => {
      const { message } = await refused(call(on.services, describeKey, { KeyId: 'alias/a' }), 'NotFoundException')
      expect(message).to.equal(`Alias arn:aws:kms:${region}:${accountId}:alias/a is not found.`)
    })
  })

  describe('DryRun', () => {
    const input = () => ({ KeyId: key.key.keyId, KeySpec: 'AES_256', DryRun: true } as const)

    it('of a call that would succeed is refused in the words of AWS KMS, and recorded', async () => {
      const { message } = await refused(call(on.services, generateDataKey, input()), 'DryRunOperationException')
      expect(message).to.equal('The request would have succeeded, but the DryRun option is set.')
      expect(lastEvent()?.errorCode).to.equal('DryRunOperationException')
    })

    it('of a call that would fail is refused for the same reason', async () => {
      await refused(call(on.services, generateDataKey, input(), nobody), 'AccessDeniedException')
      await call(on.services, disableKey, { KeyId: key.key.keyId })
      await refused(call(on.services, generateDataKey, input()), 'DisabledException')
    })

    it('of Decrypt tries the ciphertext', async () => {
      const { CiphertextBlob: blob } = await call(on.services, encrypt, { KeyId: key.key.keyId, Plaintext: Buffer.from('secret') })
      if (!blob) throw new Error('no ciphertext')
      await refused(call(on.services, decrypt, { CiphertextBlob: blob, DryRun: true }), 'DryRunOperationException')
      await refused(
        call(on.services, decrypt, { CiphertextBlob: blob, EncryptionContext: { a: 'b' }, DryRun: true }), 'InvalidCiphertextException')
    })

    it('seals nothing', async () => {
      const calls: string[] = []
      const watched = on.newServices({ hsm: onEveryCall(on.hsm, method => void calls.push(method)) })
      await refused(call(watched, generateDataKey, input()), 'DryRunOperationException')
      expect(calls.filter(method => method !== 'mac')).to.deep.equal([])
      expect(await on.store.keys.sealsReserved(region, key.key.keyId, 1)).to.equal(0)
    })
  })

  it('refuses grant tokens that were not made here', () =>
    refused(call(on.services, describeKey, { KeyId: key.key.keyId, GrantTokens: ['a'] }), 'InvalidGrantTokenException'))

  describe('the audit record', () => {
    it('is written for every call, refusals included', async () => {
      await call(on.services, generateDataKey, { KeyId: key.key.keyId, KeySpec: 'AES_256' })
      const resources = [{ ARN: key.key.arn, type: 'AWS::KMS::Key', accountId }]
      expect(lastEvent()).to.deep.include({ eventName: 'GenerateDataKey', resources })
      expect(lastEvent()).to.have.property('errorCode', undefined)
      await refused(call(on.services, enableKey, { KeyId: key.key.keyId }, nobody), 'AccessDeniedException')
      expect(lastEvent()).to.deep.include({ eventName: 'EnableKey', errorCode: 'AccessDeniedException' })
      await refused(performer(on.services)(origin, {
        authenticate() { throw new KmsError('MissingAuthenticationTokenException') },
        operation: () => operationOf(listKeys),
        input: () => ({}),
      }), 'MissingAuthenticationTokenException')
      expect(lastEvent()).to.deep.include({ eventName: 'Unknown', errorCode: 'MissingAuthenticationTokenException' })
      expect(on.audit.events).to.have.length(3)
    })

    it('says which version of the key did the work', async () => {
      const { KeyMaterialId: keyMaterialId } = await call(on.services, generateDataKey, { KeyId: key.key.keyId, KeySpec: 'AES_256' })
      expect(lastEvent()?.additionalEventData).to.deep.include({ keyVersions: [{ keyArn: key.key.arn, keyVersion: 1, keyMaterialId }] })
    })

    it('holds no text of an internal fault', async () => {
      const broken = replacing(on.hsm, { random: () => Promise.reject(new RangeError('something internal')) })
      const perform = on.newServices({ hsm: broken })
      const { message } = await refused(call(perform, generateRandom, { NumberOfBytes: 1 }), 'KMSInternalException')
      expect(message).to.equal('')
      expect(JSON.stringify(lastEvent())).to.not.contain('something internal')
    })

    it('is on its way to disk before anybody gets an answer', async () => {
      let release = () => {}
      const written = new Promise<void>(resolve => { release = resolve })
      const slow = replacing<RecordedAudit>(on.audit, { append: () => written })
      const waiting = on.newServices({ audit: slow })
      const settled: string[] = []
      const calls = [
        call(waiting, describeKey, { KeyId: key.key.keyId }).then(() => settled.push('answer')),
        call(waiting, describeKey, { KeyId: unknownKey }).catch(() => settled.push('refusal')),
      ]
      for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
      expect(settled).to.deep.equal([])
      release()
      await Promise.all(calls)
      expect(settled).to.have.members(['answer', 'refusal'])
    })

    it('that cannot be written means that nobody gets an answer', async () => {
      const full = replacing<RecordedAudit>(on.audit, { append: () => Promise.reject(new RangeError('no space left')) })
      const muted = on.newServices({ audit: full })
      await rejected(call(muted, generateDataKey, { KeyId: key.key.keyId, KeySpec: 'AES_256' }), RangeError)
      await rejected(call(muted, describeKey, { KeyId: unknownKey }), RangeError)
    })

    it('that will not be written keeps the call from having any effect', async () => {
      const dead = new RecordedAudit()
      dead.isHealthy = false
      const muted = on.newServices({ audit: dead })
      await refused(call(muted, disableKey, { KeyId: key.key.keyId }), 'KMSInternalException')
      expect((await storedKey(on.store, key.key.keyId)).key.state).to.equal('Enabled')
    })

    it('is in the file when the answer comes', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'claviger-perform-'))
      const root = rootMaterial('audit', 1)
      const files = await openAuditLog({
        directory, sign: digest => on.hsm.sign(root, 'ECDSA_SHA_256', digest), publicKey: await on.hsm.publicKey(root), rootVersion: 1,
        checkpoints: on.store.checkpoints, instance: 'test', clock: new MovedClock(), log: new RecordedLog(),
      })
      try {
        await call(on.newServices({ audit: files }), describeKey, { KeyId: key.key.keyId })
        const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.jsonl'))
        expect(names.map(name => readFileSync(join(directory, name), 'utf8')).join('')).to.contain('"eventName":"DescribeKey"')
      } finally {
        await files.close()
        rmSync(directory, { recursive: true })
      }
    })
  })
})
