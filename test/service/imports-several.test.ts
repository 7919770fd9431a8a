import { randomBytes, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { deleteImportedKeyMaterial, getParametersForImport, importKeyMaterial } from '../../src/api/imports.js'
import { describeKey } from '../../src/api/keys.js'
import { replicateKey } from '../../src/api/multi-region.js'
import { enableKeyRotation, getKeyRotationStatus, listKeyRotations, rotateKeyOnDemand } from '../../src/api/rotation.js'
import type { Input } from '../../src/api/shape.js'
import type { KmsError } from '../../src/domain/errors.js'
import { backingKey } from '../../src/domain/material.js'
import { expireImportedMaterial } from '../../src/jobs/expire-material.js'
import { performer } from '../../src/service/perform.js'
import { reconcile } from '../../src/service/reconcile.js'
import type { Services } from '../../src/service/services.js'
import { importInto, newExternalKey } from '../support/importing.js'
import { Interruption, replacing } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { administrator, call, operationOf, region, storedKey } from '../support/services.js'
import { wrapped } from '../support/wrapped.js'

const elsewhere = 'us-east-1'
const plaintext = Buffer.from('secret')
const asNew = { asked: { ImportType: 'NEW_KEY_MATERIAL' } } as const
/** Far more than any operation has. */
const stepsMax = 100

describe('several imported materials of a key', function () {
  this.timeout(60_000)
  const on = serviceSuite()

  const seal = async (KeyId: string, at = region) =>
    (await call(on.services, encrypt, { KeyId, Plaintext: Uint8Array.from(plaintext) }, undefined, at)).CiphertextBlob ?? new Uint8Array()
  const open = async (CiphertextBlob: Uint8Array, at = region) =>
    Buffer.from((await call(on.services, decrypt, { CiphertextBlob }, undefined, at)).Plaintext ?? [])
  const rotate = (KeyId: string) => call(on.services, rotateKeyOnDemand, { KeyId })
  const stateOf = async (KeyId: string, at = region) =>
    (await call(on.services, describeKey, { KeyId }, undefined, at)).KeyMetadata?.KeyState
  const listed = async (KeyId: string, asked: Partial<Input<typeof listKeyRotations>> = {}, at = region) =>
    (await call(on.services, listKeyRotations, { KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL', ...asked }, undefined, at)).Rotations ?? []
  const states = async (KeyId: string, at = region) =>
    (await listed(KeyId, {}, at)).map(({ KeyMaterialState, ImportState }) => `${KeyMaterialState} ${ImportState}`)

  it('are rotated on demand, and all that ever were current are needed', async () => {
    const [KeyId, secrets] = [await newExternalKey(on.services), [randomBytes(32), randomBytes(32)] as const]
    const asked = { KeyMaterialDescription: 'the first' }
    const { KeyMaterialId: first = '' } = await importInto(on.services, KeyId, secrets[0], { asked })
    const old = await seal(KeyId)
    await refused(rotate(KeyId), 'KMSInvalidStateException')
    const { KeyMaterialId: second = '' } = await importInto(on.services, KeyId, secrets[1], asNew)
    expect(await states(KeyId)).to.deep.equal(['CURRENT IMPORTED', 'PENDING_ROTATION IMPORTED'])
    const { message } = await refused(importInto(on.services, KeyId, randomBytes(32), asNew), 'KMSInvalidStateException')
    expect(message).to.match(/^New key material \(id: [0-9a-f]{64}\) cannot be imported into KMS key arn:.*, because another key material /)
    await refused(importInto(on.services, KeyId, secrets[1], asNew), 'IncorrectKeyMaterialException')

    await rotate(KeyId)
    expect(await states(KeyId)).to.deep.equal(['NON_CURRENT IMPORTED', 'CURRENT IMPORTED'])
    const [rotation] = await listed(KeyId, { IncludeKeyMaterial: 'ROTATIONS_ONLY' })
    expect(rotation).to.deep.include({ KeyMaterialId: second, RotationType: 'ON_DEMAND', RotationDate: new Date(on.clock.now()) })
    expect(await open(old)).to.deep.equal(plaintext)
    const fresh = await seal(KeyId)

    await call(on.services, deleteImportedKeyMaterial, { KeyId, KeyMaterialId: first })
    expect(await states(KeyId)).to.deep.equal(['NON_CURRENT PENDING_IMPORT', 'CURRENT IMPORTED'])
    expect(await stateOf(KeyId)).to.equal('PendingImport')
    await refused(open(fresh), 'KMSInvalidStateException')
    await refused(importInto(on.services, KeyId, secrets[0], { asked: { KeyMaterialId: second } }), 'IncorrectKeyMaterialException')
    await importInto(on.services, KeyId, secrets[0], { asked: { KeyMaterialId: first } })
    expect(await stateOf(KeyId)).to.equal('Enabled')
    expect((await listed(KeyId))[0]).to.include({ KeyMaterialDescription: 'the first', ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' })
    expect([await open(old), await open(fresh)]).to.deep.equal([plaintext, plaintext])
  })

  it('may be taken away while they wait, without harm, and something else comes in their place', async () => {
    const KeyId = await newExternalKey(on.services)
    await importInto(on.services, KeyId, randomBytes(32))
    const given = randomBytes(32)
    const { KeyMaterialId } = await importInto(on.services, KeyId, given, asNew)
    await call(on.services, deleteImportedKeyMaterial, { KeyId, ...KeyMaterialId && { KeyMaterialId } })
    expect([await stateOf(KeyId), await on.hsm.find(backingKey(KeyId, 2, 'gcm'))]).to.deep.equal(['Enabled', undefined])
    await refused(rotate(KeyId), 'KMSInvalidStateException')
    expect(await importInto(on.services, KeyId, given)).to.deep.include({ KeyMaterialId })
    await call(on.services, deleteImportedKeyMaterial, { KeyId, ...KeyMaterialId && { KeyMaterialId } })
    await importInto(on.services, KeyId, randomBytes(32), asNew)
    await rotate(KeyId)
    expect(await states(KeyId)).to.deep.equal(['NON_CURRENT IMPORTED', 'CURRENT IMPORTED'])
    expect(await open(await seal(KeyId))).to.deep.equal(plaintext)
  })

  it('are told apart as new and existing', async () => {
    const [KeyId, first] = [await newExternalKey(on.services), randomBytes(32)]
    const asExisting = { asked: { ImportType: 'EXISTING_KEY_MATERIAL' } } as const
    await refused(importInto(on.services, KeyId, first, asExisting), 'IncorrectKeyMaterialException')
    await refused(importInto(on.services, KeyId, first, { asked: { KeyMaterialId: 'a'.repeat(64) } }), 'ValidationException')
    await importInto(on.services, KeyId, first, asNew)
    await refused(importInto(on.services, KeyId, first, asNew), 'IncorrectKeyMaterialException')
    await refused(importInto(on.services, KeyId, randomBytes(32)), 'IncorrectKeyMaterialException')
    await refused(call(on.services, deleteImportedKeyMaterial, { KeyId, KeyMaterialId: 'a'.repeat(64) }), 'NotFoundException')
  })

  it('rotate only when they are told to', async () => {
    const KeyId = await newExternalKey(on.services)
    await refused(call(on.services, enableKeyRotation, { KeyId }), 'UnsupportedOperationException')
    await refused(call(on.services, getKeyRotationStatus, { KeyId }), 'UnsupportedOperationException')
    await refused(rotate(KeyId), 'KMSInvalidStateException')
    await importInto(on.services, KeyId, randomBytes(32))
    expect(await call(on.services, getKeyRotationStatus, { KeyId })).to.include({ KeyRotationEnabled: false })
  })

  it('of a multi-Region key are imported into every region, the primary first', async () => {
    const [KeyId, secrets] = [await newExternalKey(on.services, { MultiRegion: true }), [randomBytes(32), randomBytes(32)] as const]
    await importInto(on.services, KeyId, secrets[0])
    const blob = await seal(KeyId)
    await call(on.services, replicateKey, { KeyId, ReplicaRegion: elsewhere })
    expect(await stateOf(KeyId, elsewhere)).to.equal('PendingImport')
    await refused(importInto(on.services, KeyId, secrets[1], { at: elsewhere }), 'IncorrectKeyMaterialException')
    await importInto(on.services, KeyId, secrets[0], { at: elsewhere })
    expect(await open(blob, elsewhere)).to.deep.equal(plaintext)

    await refused(importInto(on.services, KeyId, secrets[1], { at: elsewhere, ...asNew }), 'UnsupportedOperationException')
    await importInto(on.services, KeyId, secrets[1], asNew)
    expect((await states(KeyId))[1]).to.equal('PENDING_MULTI_REGION_IMPORT_AND_ROTATION IMPORTED')
    await refused(rotate(KeyId), 'KMSInvalidStateException')
    await importInto(on.services, KeyId, secrets[1], { at: elsewhere })
    expect((await states(KeyId))[1]).to.equal('PENDING_ROTATION IMPORTED')
    await rotate(KeyId)
    expect(await states(KeyId, elsewhere)).to.deep.equal(['NON_CURRENT IMPORTED', 'CURRENT IMPORTED'])
    expect(await open(await seal(KeyId, elsewhere))).to.deep.equal(plaintext)

    // One token holds it for both: what one region gives up the other still has.
    await call(on.services, deleteImportedKeyMaterial, { KeyId })
    expect([await stateOf(KeyId), await stateOf(KeyId, elsewhere)]).to.deep.equal(['PendingImport', 'Enabled'])
    const fresh = await seal(KeyId, elsewhere)
    expect(await open(fresh, elsewhere)).to.deep.equal(plaintext)
    await importInto(on.services, KeyId, secrets[1])
    expect(await open(fresh)).to.deep.equal(plaintext)
  })

  for (const { title, act } of [
    { title: 'first import', act: (by: Services, KeyId: string, secret: Uint8Array) => importInto(by, KeyId, secret) },
    {
      title: 'deletion', act: async (by: Services, KeyId: string, secret: Uint8Array) => {
        await importInto(on.services, KeyId, secret)
        await call(by, deleteImportedKeyMaterial, { KeyId })
      },
    },
    {
      title: 'import of what was deleted', act: async (by: Services, KeyId: string, secret: Uint8Array) => {
        await importInto(on.services, KeyId, secret)
        await call(on.services, deleteImportedKeyMaterial, { KeyId })
        await importInto(by, KeyId, secret)
      },
    },
  ]) {
    it(`are whole or not there at all when a ${title} is killed at any step`, async () => {
      for (let steps = 0; ; steps++) {
        const [KeyId, secret] = [await newExternalKey(on.services), randomBytes(32)]
        const interruption = new Interruption(steps)
        const killed = on.newServices({
          hsm: interruption.over(on.hsm, 'hsm'), store: { ...on.store, keys: interruption.over(on.store.keys, 'keys') },
        })
        await act(killed, KeyId, secret).catch((error: unknown) => {
          if (!interruption.hit) throw error
        })
        on.restart()
        await reconcile(on.services, 'next', true)
        await expireImportedMaterial(on.services, 'next')
        expect(await on.store.keys.unsettled(10)).to.deep.equal([])
        const { versions } = await storedKey(on.store, KeyId)
        const [isReady, found] = [versions.get(1)?.state === 'ready', await on.hsm.find({ ...backingKey(KeyId, 1, 'gcm'), imported: true })]
        expect(found !== undefined).to.equal(isReady)
        expect(await stateOf(KeyId)).to.equal(isReady ? 'Enabled' : 'PendingImport')
        await importInto(on.services, KeyId, secret)
        expect(await open(await seal(KeyId))).to.deep.equal(plaintext)
        if (!interruption.hit) return
        if (steps > stepsMax) throw new Error('it never ends')
      }
    })
  }

  it('are never those of a key that takes one, also where that is taken away during an import of another', async () => {
    for (let reads = 0; ; reads++) {
      const KeyId = await newExternalKey(on.services, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })
      await importInto(on.services, KeyId, randomBytes(32))
      let left = reads
      const keys = replacing(on.store.keys, {
        async get(at, keyId) {
          const view = await on.store.keys.get(at, keyId)
          const going = [...view?.versions.values() ?? []].map(version => ({ ...version, state: 'destroying' as const }))
          if (view && left-- === 0) await on.store.keys.update(view.key, going)
          return view
        },
      })
      const racing = on.newServices({ store: { ...on.store, keys } })
      const code = await importInto(racing, KeyId, randomBytes(32)).then(() => 'accepted', ({ code: refusal }: KmsError) => refusal)
      expect(['IncorrectKeyMaterialException', 'KMSInvalidStateException'], `read ${reads}`).to.include(code)
      expect((await storedKey(on.store, KeyId)).versions.size).to.equal(1)
      if (left >= 0) return
    }
  })

  it('give the retry of a call the answer of the first try', async () => {
    const KeyId = await newExternalKey(on.services)
    const invocationId = randomUUID()
    async function attempt(EncryptedKeyMaterial: Uint8Array, token: Uint8Array) {
      const operation = operationOf(importKeyMaterial)
      const rest = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE', ImportType: 'NEW_KEY_MATERIAL' }
      const input = { KeyId, ImportToken: token, EncryptedKeyMaterial, ...rest }
      const origin = { requestId: randomUUID(), sourceIp: '127.0.0.1', userAgent: 'test', secureTransport: false, invocationId }
      const front = { authenticate: () => ({ caller: administrator, region }), operation: () => operation, input: () => input }
      return (await performer(on.services)(origin, front)).output
    }
    const { PublicKey = new Uint8Array(), ImportToken = new Uint8Array() } = await call(on.services, getParametersForImport, {
      KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048',
    })
    const given = wrapped(PublicKey, 'RSAES_OAEP_SHA_256', randomBytes(32))
    const first = await attempt(given, ImportToken)
    expect(first).to.have.property('KeyMaterialId')
    expect(await attempt(given, ImportToken)).to.deep.equal(first)
    expect(await states(KeyId)).to.deep.equal(['CURRENT IMPORTED'])
  })
})
