import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { describeKey, disableKey } from '../../src/api/keys.js'
import { listKeyRotations, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { backingKey, wrappingKey } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { expireImportedMaterial, removeWrappingKeys } from '../../src/jobs/expire-material.js'
import { dayOf } from '../../src/service/imports/wrapping-keys.js'
import { importInto, newExternalKey } from '../support/importing.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, region, storedKey } from '../support/services.js'

const plaintext = Buffer.from('secret')

describe('imported material that expires', function () {
  this.timeout(60_000)
  const on = serviceSuite()

  const inDays = (days: number) => new Date(on.clock.now() + days * dayMs)
  const expiring = (days: number) => ({ asked: { ValidTo: inDays(days) } })
  const describeIt = async (KeyId: string) => (await call(on.services, describeKey, { KeyId })).KeyMetadata
  const seal = async (KeyId: string) =>
    (await call(on.services, encrypt, { KeyId, Plaintext: Uint8Array.from(plaintext) })).CiphertextBlob ?? new Uint8Array()
  const open = async (CiphertextBlob: Uint8Array) => Buffer.from((await call(on.services, decrypt, { CiphertextBlob })).Plaintext ?? [])
  const objectOf = (KeyId: string, version = 1) => on.hsm.find({ ...backingKey(KeyId, version, 'gcm'), imported: true })
  const run = () => expireImportedMaterial(on.services, 'this')

  it('says until when, and is gone for every use from then on, before the job has come by', async () => {
    const KeyId = await newExternalKey(on.services)
    await importInto(on.services, KeyId, randomBytes(32), expiring(2))
    expect(await describeIt(KeyId)).to.deep.include({ ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: inDays(2) })
    const blob = await seal(KeyId)
    on.clock.advance(2 * dayMs - 1)
    expect(await open(blob)).to.deep.equal(plaintext)
    on.clock.advance(1)
    await refused(open(blob), 'KMSInvalidStateException')
    await refused(call(on.services, disableKey, { KeyId }), 'KMSInvalidStateException')
    expect(await describeIt(KeyId)).to.include({ KeyState: 'PendingImport' }).and.to.not.have.property('ValidTo')
  })

  it('is destroyed by the job, once, and not before its time', async () => {
    const [KeyId, secret] = [await newExternalKey(on.services), randomBytes(32)]
    const { KeyMaterialId } = await importInto(on.services, KeyId, secret, expiring(2))
    const blob = await seal(KeyId)
    on.clock.advance(2 * dayMs - 1)
    expect(await run()).to.equal(0)
    on.clock.advance(1)
    expect(await run()).to.equal(1)
    expect(await run()).to.equal(0)
    expect([await objectOf(KeyId), (await storedKey(on.store, KeyId)).key.state]).to.deep.equal([undefined, 'PendingImport'])
    const records = on.audit.events.filter(({ eventName }) => eventName === 'DeleteExpiredKeyMaterial')
    expect(records.map(({ additionalEventData }) => additionalEventData)).to.deep.equal([
      { keyVersions: [{ keyVersion: 1, keyMaterialId: KeyMaterialId }] },
    ])
    await importInto(on.services, KeyId, secret)
    expect(await open(blob)).to.deep.equal(plaintext)
    on.clock.advance(400 * dayMs)
    expect(await run()).to.equal(0)
  })

  it('lives longer, or for ever, when it is imported again in time, and afterwards', async () => {
    const [KeyId, secret] = [await newExternalKey(on.services), randomBytes(32)]
    await importInto(on.services, KeyId, secret, expiring(2))
    const blob = await seal(KeyId)
    on.clock.advance(dayMs)
    await importInto(on.services, KeyId, secret, expiring(3))
    on.clock.advance(2 * dayMs)
    expect(await open(blob)).to.deep.equal(plaintext)
    on.clock.advance(dayMs)
    await refused(open(blob), 'KMSInvalidStateException')
    await importInto(on.services, KeyId, secret)
    expect(await open(blob)).to.deep.equal(plaintext)
    expect(await describeIt(KeyId)).to.include({ ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' })
  })

  it('while it waits for its rotation goes without harm', async () => {
    const KeyId = await newExternalKey(on.services)
    await importInto(on.services, KeyId, randomBytes(32))
    await importInto(on.services, KeyId, randomBytes(32), { asked: { ImportType: 'NEW_KEY_MATERIAL', ValidTo: inDays(1) } })
    on.clock.advance(dayMs)
    await refused(call(on.services, rotateKeyOnDemand, { KeyId }), 'KMSInvalidStateException')
    const { Rotations } = await call(on.services, listKeyRotations, { KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })
    expect(Rotations?.[1]).to.include({ KeyMaterialState: 'PENDING_ROTATION', ImportState: 'PENDING_IMPORT' })
    expect(await run()).to.equal(1)
    expect([(await describeIt(KeyId))?.KeyState, await objectOf(KeyId, 2)]).to.deep.equal(['Enabled', undefined])
  })

  it('is asked for in the right words', async () => {
    const [KeyId, secret] = [await newExternalKey(on.services), randomBytes(32)]
    const give = (asked: object) => importInto(on.services, KeyId, secret, { asked })
    const { message } = await refused(give({ ExpirationModel: 'KEY_MATERIAL_EXPIRES' }), 'ValidationException')
    expect(message).to.equal('A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES')
    await refused(give({ ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE', ValidTo: inDays(1) }), 'ValidationException')
    await refused(give({ ValidTo: inDays(0) }), 'ValidationException')
    await refused(give({ ValidTo: inDays(366) }), 'ValidationException')
    await give({ ValidTo: inDays(365) })
    // What AWS takes where nothing is said.
    await refused(give({ ExpirationModel: undefined }), 'ValidationException')
  })

  it('comes under a wrapping key that is destroyed when no token can name it any more', async () => {
    // A day that no other test of this process has.
    on.clock.advance(1_000 * dayMs)
    const removeOld = removeWrappingKeys(on.services)
    const first = wrappingKey(2048, dayOf(on.clock.now()))
    const KeyId = await newExternalKey(on.services)
    await importInto(on.services, KeyId, randomBytes(32))
    for (const days of [0, 1]) {
      on.clock.advance(days * dayMs)
      await removeOld()
      expect(await on.hsm.find(first)).to.not.equal(undefined)
    }
    on.clock.advance(dayMs)
    await removeOld()
    expect(await on.hsm.find(first)).to.equal(undefined)
    expect((await storedKey(on.store, KeyId)).key.region).to.equal(region)
  })
})
