import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { importKeyMaterial } from '../../src/api/imports.js'
import { encrypt } from '../../src/api/encryption.js'
import type { KeySpec } from '../../src/domain/key-spec.js'
import { importInto, newExternalKey } from '../support/importing.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, storedKey } from '../support/services.js'

const curve = (name: string) => generateKeyPairSync('ec', { namedCurve: name }).privateKey
const pkcs8 = (name: string) => curve(name).export({ format: 'der', type: 'pkcs8' })

describe('what is said of an import that is refused', function () {
  this.timeout(60_000)
  const on = serviceSuite()

  async function messageOf(KeySpec: KeySpec, material: Uint8Array): Promise<string> {
    const { services } = on
    const KeyId = await newExternalKey(services, { KeySpec, KeyUsage: 'SIGN_VERIFY' })
    return (await refused(importInto(services, KeyId, material), 'IncorrectKeyMaterialException')).message
  }

  it('is which rule the key material breaks', async () => {
    const notPkcs8 = 'The key material is not PKCS#8 in DER, or not of the right type of key.'
    expect(await messageOf('ECC_NIST_P256', curve('P-256').export({ format: 'der', type: 'sec1' }))).to.equal(notPkcs8)
    const pem = Buffer.from(curve('P-256').export({ format: 'pem', type: 'sec1' })).subarray(0, 150)
    expect(await messageOf('ECC_NIST_P256', pem)).to.equal(notPkcs8)
    expect(await messageOf('ECC_NIST_P384', pkcs8('P-256'))).to.equal('The key material is on another curve.')
  })

  it('is that it is other material than before', async () => {
    const { services } = on
    const KeyId = await newExternalKey(services)
    await importInto(services, KeyId, randomBytes(32))
    const { message } = await refused(importInto(services, KeyId, randomBytes(32)), 'IncorrectKeyMaterialException')
    expect(message).to.equal('The key material is not what the KMS key had before.')
  })

  it('is nothing of a ciphertext that does not open', async () => {
    const { services } = on
    const KeyId = await newExternalKey(services)
    const asked = { EncryptedKeyMaterial: randomBytes(256) }
    expect((await refused(importInto(services, KeyId, randomBytes(32), { asked }), 'InvalidCiphertextException')).message).to.equal('')
  })

  it('is that a token is not one of this key', async () => {
    const { services } = on
    const KeyId = await newExternalKey(services)
    const asked = { KeyId, ImportToken: randomBytes(100), EncryptedKeyMaterial: randomBytes(256) }
    const expiry = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' } as const
    const { message } = await refused(call(services, importKeyMaterial, { ...asked, ...expiry }), 'InvalidImportTokenException')
    expect(message).to.equal('The import token is damaged, or that of another KMS key.')
  })

  it('is what to do when imported material may not encrypt any more, and not to try again', async () => {
    const services = on.newServices({ sealsPerVersionMax: 16 })
    const KeyId = await newExternalKey(services)
    await importInto(services, KeyId, randomBytes(32))
    const seal = () => call(services, encrypt, { KeyId, Plaintext: randomBytes(8) })
    for (let at = 0; at < 16; at++) await seal()
    const { message } = await refused(seal(), 'KMSInvalidStateException')
    expect(message).to.contain((await storedKey(on.store, KeyId)).key.arn).and.to.contain('NEW_KEY_MATERIAL')
  })
})
