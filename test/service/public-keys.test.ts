import { createPublicKey } from 'node:crypto'
import { expect } from 'chai'
import { disableKey, getPublicKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import type { KeySpec, KeyUsage } from '../../src/domain/key-spec.js'
import { newKeyOf, openssl } from '../support/keys-by-spec.js'
import { refused } from '../support/refusal.js'
import { sharedServiceSuite } from '../support/service-suite.js'
import { call, newKey } from '../support/services.js'

const rsa = (bits: number) => ({ asymmetricKeyType: 'rsa', modulusLength: bits, publicExponent: 65537n })
const ec = (namedCurve: string) => ({ asymmetricKeyType: 'ec', namedCurve })
const oaep = { EncryptionAlgorithms: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] }
const ecdh = { KeyAgreementAlgorithms: ['ECDH'] }

const cases: readonly (readonly [KeySpec, KeyUsage, object, object])[] = [
  ['RSA_2048', 'ENCRYPT_DECRYPT', rsa(2048), oaep],
  ['RSA_3072', 'SIGN_VERIFY', rsa(3072), {
    SigningAlgorithms: [
      'RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_384', 'RSASSA_PKCS1_V1_5_SHA_512',
      'RSASSA_PSS_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512',
    ],
  }],
  ['ECC_NIST_P256', 'SIGN_VERIFY', ec('prime256v1'), { SigningAlgorithms: ['ECDSA_SHA_256'] }],
  ['ECC_NIST_P384', 'KEY_AGREEMENT', ec('secp384r1'), ecdh],
  ['ECC_NIST_P521', 'KEY_AGREEMENT', ec('secp521r1'), ecdh],
  ['ECC_SECG_P256K1', 'SIGN_VERIFY', ec('secp256k1'), { SigningAlgorithms: ['ECDSA_SHA_256'] }],
  ['ECC_NIST_EDWARDS25519', 'SIGN_VERIFY', { asymmetricKeyType: 'ed25519' }, {
    SigningAlgorithms: ['ED25519_PH_SHA_512', 'ED25519_SHA_512'],
  }],
]

describe('GetPublicKey', () => {
  const on = sharedServiceSuite()

  for (const [KeySpec, KeyUsage, facts, lists] of cases) {
    it(`of ${KeySpec} for ${KeyUsage}`, async function () {
      this.timeout(120_000)
      const KeyId = await newKeyOf(on.services, KeySpec, KeyUsage)
      const { PublicKey = new Uint8Array(), ...rest } = await call(on.services, getPublicKey, { KeyId })
      expect(rest).to.deep.equal({ KeyId, KeySpec, CustomerMasterKeySpec: KeySpec, KeyUsage, ...lists })
      const key = createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' })
      expect({ asymmetricKeyType: key.asymmetricKeyType, ...key.asymmetricKeyDetails }).to.deep.equal(facts)
      // No byte more or less than OpenSSL would write.
      expect(Buffer.from(PublicKey)).to.deep.equal(key.export({ format: 'der', type: 'spki' }))
      expect(openssl(['pkey', '-pubin', '-inform', 'DER', '-in', '{key}', '-noout', '-text'], { key: PublicKey })).to.match(/pub:|Modulus/)
    })
  }

  it('works on a disabled key, and not on one that is pending deletion', async () => {
    const KeyId = await newKeyOf(on.services, 'ECC_NIST_P256', 'SIGN_VERIFY')
    await call(on.services, disableKey, { KeyId })
    await call(on.services, getPublicKey, { KeyId })
    await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
    const refusal = await refused(call(on.services, getPublicKey, { KeyId }), 'KMSInvalidStateException')
    expect(refusal.message).to.equal(`${KeyId} is pending deletion.`)
  })

  it('refuses keys that have no public half', async () => {
    const { key } = await newKey(on.services)
    await refused(call(on.services, getPublicKey, { KeyId: key.arn }), 'UnsupportedOperationException')
    const hmac = await newKeyOf(on.services, 'HMAC_256', 'GENERATE_VERIFY_MAC')
    await refused(call(on.services, getPublicKey, { KeyId: hmac }), 'UnsupportedOperationException')
  })

  it('says of a key that waits for its material that it does', async () => {
    const KeyId = await newKeyOf(on.services, 'ECC_NIST_P256', 'SIGN_VERIFY', { Origin: 'EXTERNAL' })
    const refusal = await refused(call(on.services, getPublicKey, { KeyId }), 'KMSInvalidStateException')
    expect(refusal.message).to.equal(`${KeyId} is pending import.`)
  })
})
