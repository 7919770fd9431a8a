import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { deleteImportedKeyMaterial, getParametersForImport, importKeyMaterial } from '../../src/api/imports.js'
import { cancelKeyDeletion, describeKey, disableKey, enableKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { generateMac } from '../../src/api/macs.js'
import { backingKey } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { importInto, newExternalKey } from '../support/importing.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, newKey, openTestHsm, storedKey } from '../support/services.js'
import { wrapped } from '../support/wrapped.js'

const plaintext = Buffer.from('secret')

describe('imported key material', function () {
  // Making a wrapping key takes a while now and then.
  this.timeout(60_000)
  const on = serviceSuite()

  const describeIt = async (KeyId: string) => (await call(on.services, describeKey, { KeyId })).KeyMetadata
  const stateOf = async (KeyId: string) => (await describeIt(KeyId))?.KeyState
  const parametersOf = (KeyId: string, asked = {}) => call(on.services, getParametersForImport, {
    KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048', ...asked,
  })
  const seal = async (KeyId: string) =>
    (await call(on.services, encrypt, { KeyId, Plaintext: Uint8Array.from(plaintext) })).CiphertextBlob ?? new Uint8Array()
  const open = async (CiphertextBlob: Uint8Array) => Buffer.from((await call(on.services, decrypt, { CiphertextBlob })).Plaintext ?? [])

  it('makes an EXTERNAL key usable, and evidence and record say that it came from outside', async () => {
    const KeyId = await newExternalKey(on.services)
    expect(await stateOf(KeyId)).to.equal('PendingImport')
    await refused(seal(KeyId), 'KMSInvalidStateException')
    const { KeyMaterialId } = await importInto(on.services, KeyId, randomBytes(32))
    expect(KeyMaterialId).to.match(/^[0-9a-f]{64}$/)
    expect(await describeIt(KeyId)).to.deep.include({
      KeyState: 'Enabled', Enabled: true, Origin: 'EXTERNAL', CurrentKeyMaterialId: KeyMaterialId,
      ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
    })
    expect(await open(await seal(KeyId))).to.deep.equal(plaintext)
    const version = (await storedKey(on.store, KeyId)).versions.get(1)
    expect(version?.evidence[0]?.attributes).to.include({ local: false, sensitive: true, extractable: false })
    expect(version?.import).to.deep.equal({ way: 'process' })
    const record = on.audit.events.find(({ eventName }) => eventName === 'ImportKeyMaterial')
    expect(record?.additionalEventData).to.deep.include({ importWay: 'process' })
  })

  it('is judged as imported, and not as made inside, when it is first used after a restart', async () => {
    const KeyId = await newExternalKey(on.services)
    await importInto(on.services, KeyId, randomBytes(32))
    const CiphertextBlob = await seal(KeyId)
    const restarted = await openTestHsm()
    try {
      await call(on.newServices({ hsm: restarted }), decrypt, { CiphertextBlob })
      const error = await restarted.find(backingKey(KeyId, 1, 'gcm')).then(() => undefined, (failure: unknown) => failure)
      expect(error).to.have.property('kind', 'evidence')
    } finally {
      await restarted.close()
    }
  })

  describe('parameters', () => {
    it('are a public key, a token and 24 hours', async () => {
      const KeyId = await newExternalKey(on.services)
      const parameters = await parametersOf(KeyId)
      expect(parameters.ParametersValidTo?.getTime()).to.equal(on.clock.now() + dayMs)
      expect(parameters.ImportToken).to.have.length.lessThan(6145)
      expect((await parametersOf(KeyId)).PublicKey).to.deep.equal(parameters.PublicKey)
    })

    it('are refused for a key of another origin, and for wrappings that are not to be had', async () => {
      const { key: { keyId } } = await newKey(on.services)
      await refused(parametersOf(keyId), 'UnsupportedOperationException')
      const KeyId = await newExternalKey(on.services)
      for (const WrappingAlgorithm of ['RSAES_PKCS1_V1_5', 'SM2PKE']) {
        await refused(parametersOf(KeyId, { WrappingAlgorithm }), 'UnsupportedOperationException')
      }
      await refused(parametersOf(KeyId, { WrappingKeySpec: 'SM2' }), 'UnsupportedOperationException')
      const rsa = await newExternalKey(on.services, { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' })
      await refused(parametersOf(rsa), 'ValidationException')
      const p521 = await newExternalKey(on.services, { KeySpec: 'ECC_NIST_P521', KeyUsage: 'SIGN_VERIFY' })
      await refused(parametersOf(p521), 'ValidationException')
      await parametersOf(p521, { WrappingKeySpec: 'RSA_3072' })
    })

    it('are for one key, unchanged, and for a day', async () => {
      const [KeyId, other] = [await newExternalKey(on.services), await newExternalKey(on.services)]
      const { ImportToken = new Uint8Array(), PublicKey = new Uint8Array() } = await parametersOf(KeyId)
      const EncryptedKeyMaterial = wrapped(PublicKey, 'RSAES_OAEP_SHA_256', randomBytes(32))
      const give = (to: string, token: Uint8Array) => call(on.services, importKeyMaterial, {
        KeyId: to, ImportToken: token, EncryptedKeyMaterial, ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
      })
      await refused(give(other, ImportToken), 'InvalidImportTokenException')
      for (const at of [0, 1, 5, 6, 10, 15, 20, 25, ImportToken.length - 1]) {
        const bad = Uint8Array.from(ImportToken, (byte, index) => index === at ? byte ^ 1 : byte)
        await refused(give(KeyId, bad), 'InvalidImportTokenException')
      }
      await refused(give(KeyId, ImportToken.subarray(1)), 'InvalidImportTokenException')
      on.clock.advance(dayMs)
      await refused(give(KeyId, ImportToken), 'ExpiredImportTokenException')
      on.clock.advance(-1)
      await give(KeyId, ImportToken)
    })
  })

  it('is refused when it cannot be unwrapped, or is not what it must be', async () => {
    const KeyId = await newExternalKey(on.services)
    const unreadable = { EncryptedKeyMaterial: randomBytes(256) }
    await refused(importInto(on.services, KeyId, randomBytes(32), { asked: unreadable }), 'InvalidCiphertextException')
    await refused(importInto(on.services, KeyId, randomBytes(31)), 'IncorrectKeyMaterialException')
    const rsa = await newExternalKey(on.services, { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' })
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'der', type: 'pkcs8' })
    await refused(importInto(on.services, rsa, ec, { algorithm: 'RSA_AES_KEY_WRAP_SHA_256' }), 'IncorrectKeyMaterialException')
    expect(await stateOf(KeyId)).to.equal('PendingImport')
    expect((await storedKey(on.store, KeyId)).versions.size).to.equal(0)
  })

  it('is of an HMAC key what the client has', async () => {
    const KeyId = await newExternalKey(on.services, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })
    const secret = randomBytes(40)
    expect(await importInto(on.services, KeyId, secret)).to.not.have.property('KeyMaterialId')
    const { Mac } = await call(on.services, generateMac, { KeyId, Message: Buffer.from('text'), MacAlgorithm: 'HMAC_SHA_256' })
    expect(Buffer.from(Mac ?? [])).to.deep.equal(createHmac('sha256', secret).update('text').digest())
    await refused(importInto(on.services, KeyId, randomBytes(40)), 'IncorrectKeyMaterialException')
    await refused(importInto(on.services, KeyId, secret, { asked: { ImportType: 'EXISTING_KEY_MATERIAL' } }), 'ValidationException')
    await importInto(on.services, KeyId, secret)
  })

  it('may be deleted, and only the same comes back, as the same', async () => {
    const [KeyId, secret] = [await newExternalKey(on.services), randomBytes(32)]
    const { KeyMaterialId } = await importInto(on.services, KeyId, secret)
    const blob = await seal(KeyId)
    expect(await call(on.services, deleteImportedKeyMaterial, { KeyId })).to.deep.include({ KeyMaterialId })
    const described = await describeIt(KeyId)
    expect(described).to.include({ KeyState: 'PendingImport', CurrentKeyMaterialId: KeyMaterialId })
    expect(described).to.not.have.property('ExpirationModel')
    expect(await on.hsm.find(backingKey(KeyId, 1, 'gcm'))).to.equal(undefined)
    await refused(open(blob), 'KMSInvalidStateException')
    await refused(call(on.services, enableKey, { KeyId }), 'KMSInvalidStateException')
    await refused(importInto(on.services, KeyId, randomBytes(32)), 'IncorrectKeyMaterialException')
    expect(await importInto(on.services, KeyId, secret)).to.deep.include({ KeyMaterialId })
    expect(await open(blob)).to.deep.equal(plaintext)
    await call(on.services, deleteImportedKeyMaterial, { KeyId })
    await call(on.services, deleteImportedKeyMaterial, { KeyId })
    expect(await stateOf(KeyId)).to.equal('PendingImport')
  })

  it('that is missing does not let a key out of its deletion enabled', async () => {
    const [KeyId, secret] = [await newExternalKey(on.services), randomBytes(32)]
    await importInto(on.services, KeyId, secret)
    await call(on.services, scheduleKeyDeletion, { KeyId })
    await call(on.services, deleteImportedKeyMaterial, { KeyId })
    expect(await stateOf(KeyId)).to.equal('PendingDeletion')
    await refused(importInto(on.services, KeyId, secret), 'KMSInvalidStateException')
    await call(on.services, cancelKeyDeletion, { KeyId })
    expect(await stateOf(KeyId)).to.equal('PendingImport')
    await importInto(on.services, KeyId, secret)
    expect(await stateOf(KeyId)).to.equal('Enabled')
  })

  it('leaves a disabled key disabled, if it was there already', async () => {
    const [KeyId, secret] = [await newExternalKey(on.services), randomBytes(32)]
    await importInto(on.services, KeyId, secret)
    await call(on.services, disableKey, { KeyId })
    await importInto(on.services, KeyId, secret, { asked: { KeyMaterialDescription: 'the same' } })
    expect(await stateOf(KeyId)).to.equal('Disabled')
  })
})
