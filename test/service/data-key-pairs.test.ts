import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, getCurves, randomBytes, sign, verify } from 'node:crypto'
import { ml_kem768 as mlKem768 } from '@noble/post-quantum/ml-kem.js'
import { expect } from 'chai'
import {
  generateDataKey, generateDataKeyPair, generateDataKeyPairWithoutPlaintext, generateDataKeyWithoutPlaintext,
} from '../../src/api/data-keys.js'
import { decrypt } from '../../src/api/encryption.js'
import { disableKey } from '../../src/api/keys.js'
import { DerReader, contextTag } from '../../src/domain/der.js'
import { newKeyId } from '../../src/domain/key-id.js'
import { backingKey } from '../../src/domain/material.js'
import { publicKeyOf as publicHalfOf } from '../../src/service/key-pairs/key-pair.js'
import type { KeyPairSpec } from '../../src/service/key-pairs/key-pairs.js'
import { newKeyOf, openssl } from '../support/keys-by-spec.js'
import { refused } from '../support/refusal.js'
import { sharedServiceSuite } from '../support/service-suite.js'
import { call, newKey } from '../support/services.js'

const EncryptionContext = { purpose: 'test' }
const text = Buffer.from('some text')

const rsa: readonly KeyPairSpec[] = ['RSA_2048', 'RSA_3072', 'RSA_4096']
const ec: Readonly<Partial<Record<KeyPairSpec, string>>> = {
  ECC_NIST_P256: 'prime256v1', ECC_NIST_P384: 'secp384r1', ECC_NIST_P521: 'secp521r1', ECC_SECG_P256K1: 'secp256k1',
}
const mlKem: Readonly<Partial<Record<KeyPairSpec, number>>> = { ML_KEM_512: 800, ML_KEM_768: 1184, ML_KEM_1024: 1568 }

const privateKeyOf = (bytes: Uint8Array) => createPrivateKey({ key: Buffer.from(bytes), format: 'der', type: 'pkcs8' })
const publicKeyOf = (bytes: Uint8Array) => createPublicKey({ key: Buffer.from(bytes), format: 'der', type: 'spki' })

describe('GenerateDataKeyPair', () => {
  const on = sharedServiceSuite()
  let KeyId: string

  before(async () => { KeyId = (await newKey(on.services)).key.arn })

  it('does not take an error that the PKCS#11 library has left in OpenSSL for one of its own', async () => {
    const material = backingKey(newKeyId(randomBytes(16)), 1, 'rsa-2048-sign')
    await on.hsm.createMaterial(material)
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const known = privateKey.export({ format: 'der', type: 'pkcs8' })
    expect(await on.hsm.verify(material, 'RSASSA_PKCS1_V1_5_SHA_256', randomBytes(32), randomBytes(256))).to.equal(false)
    expect(publicHalfOf(known)).to.deep.equal(publicKey.export({ format: 'der', type: 'spki' }))
    await on.hsm.destroyMaterial(material)
  })

  /** The pair, after the private half was found again in the ciphertext, with and without plaintext. */
  async function pairOf(KeyPairSpec: KeyPairSpec) {
    const answer = await call(on.services, generateDataKeyPair, { KeyId, KeyPairSpec, EncryptionContext })
    const { PrivateKeyPlaintext = new Uint8Array(), PublicKey = new Uint8Array(), PrivateKeyCiphertextBlob = new Uint8Array() } = answer
    expect(answer).to.include({ KeyId, KeyPairSpec })
    expect(answer.KeyMaterialId).to.match(/^[0-9a-f]{64}$/)
    expect(await opens(PrivateKeyCiphertextBlob)).to.deep.equal(Buffer.from(PrivateKeyPlaintext))
    return { privateKey: Buffer.from(PrivateKeyPlaintext), publicKey: Buffer.from(PublicKey) }
  }
  async function opens(CiphertextBlob: Uint8Array): Promise<Buffer> {
    const { Plaintext = new Uint8Array() } = await call(on.services, decrypt, { CiphertextBlob, EncryptionContext })
    return Buffer.from(Plaintext)
  }

  for (const spec of rsa) {
    it(`makes ${spec} pairs that OpenSSL takes whole`, async function () {
      this.timeout(120_000)
      const { privateKey, publicKey } = await pairOf(spec)
      const [own, other] = [privateKeyOf(privateKey), publicKeyOf(publicKey)]
      expect(own.asymmetricKeyDetails).to.deep.equal({ modulusLength: Number(spec.slice(4)), publicExponent: 65537n })
      expect(verify('sha256', text, other, sign('sha256', text, own))).to.equal(true)
      expect(own.export({ format: 'der', type: 'pkcs8' })).to.deep.equal(privateKey)
      expect(other.export({ format: 'der', type: 'spki' })).to.deep.equal(publicKey)
      expect(openssl(['rsa', '-inform', 'DER', '-in', '{key}', '-check', '-noout'], { key: privateKey })).to.match(/RSA key ok/)
    })
  }

  for (const [spec, namedCurve] of Object.entries(ec) as [KeyPairSpec, string][]) {
    it(`makes ${spec} pairs that OpenSSL takes whole`, async () => {
      const { privateKey, publicKey } = await pairOf(spec)
      const [own, other] = [privateKeyOf(privateKey), publicKeyOf(publicKey)]
      expect(own.asymmetricKeyDetails).to.deep.equal({ namedCurve })
      expect(verify('sha256', text, other, sign('sha256', text, own))).to.equal(true)
      const stranger = generateKeyPairSync('ec', { namedCurve })
      expect(diffieHellman({ privateKey: own, publicKey: stranger.publicKey })).to.deep.equal(
        diffieHellman({ privateKey: stranger.privateKey, publicKey: other }),
      )
      // With the public point, as OpenSSL itself writes it.
      expect(own.export({ format: 'der', type: 'pkcs8' })).to.deep.equal(privateKey)
      expect(openssl(['pkey', '-inform', 'DER', '-in', '{key}', '-check', '-noout'], { key: privateKey })).to.match(/valid/)
    })
  }

  it('makes ECC_NIST_EDWARDS25519 pairs that OpenSSL takes whole', async () => {
    const { privateKey, publicKey } = await pairOf('ECC_NIST_EDWARDS25519')
    const [own, other] = [privateKeyOf(privateKey), publicKeyOf(publicKey)]
    expect(verify(null, text, other, sign(null, text, own))).to.equal(true)
    expect(own.export({ format: 'der', type: 'pkcs8' })).to.deep.equal(privateKey)
    expect(openssl(['pkey', '-inform', 'DER', '-in', '{key}', '-noout', '-text'], { key: privateKey })).to.match(/ED25519 Private-Key/)
  })

  it('makes SM2 pairs where OpenSSL has the curve, and says so where it has not', async () => {
    if (getCurves().includes('SM2')) {
      const { privateKey, publicKey } = await pairOf('SM2')
      expect(createPublicKey(privateKeyOf(privateKey)).export({ format: 'der', type: 'spki' })).to.deep.equal(publicKey)
      expect(openssl(['pkey', '-inform', 'DER', '-in', '{key}', '-check', '-noout'], { key: privateKey })).to.match(/valid/)
    } else {
      await refused(pairOf('SM2'), 'UnsupportedOperationException')
    }
  })

  for (const [spec, bytes] of Object.entries(mlKem) as [KeyPairSpec, number][]) {
    it(`makes ${spec} pairs`, async () => {
      const { privateKey, publicKey } = await pairOf(spec)
      const seed = seedOf(privateKey)
      expect(seed).to.have.length(64)
      expect(bitsOf(publicKey)).to.have.length(bytes)
      expect(algorithmOf(privateKey)).to.equal(algorithmOf(publicKey))
    })
  }

  it('makes ML_KEM pairs of which one half opens what the other encapsulated', async () => {
    const { privateKey, publicKey } = await pairOf('ML_KEM_768')
    const { cipherText, sharedSecret } = mlKem768.encapsulate(bitsOf(publicKey))
    expect(mlKem768.decapsulate(cipherText, mlKem768.keygen(seedOf(privateKey)).secretKey)).to.deep.equal(sharedSecret)
  })

  it('never makes the same pair again', async () => {
    const pairs = await Promise.all(Array.from({ length: 20 }, () => pairOf('ECC_NIST_P256')))
    expect(new Set(pairs.map(({ privateKey }) => privateKey.toString('hex'))).size).to.equal(20)
  })

  it('without plaintext gives the ciphertext alone', async () => {
    const given = { KeyId, KeyPairSpec: 'ECC_NIST_P256', EncryptionContext } as const
    const answer = await call(on.services, generateDataKeyPairWithoutPlaintext, given)
    expect(Object.keys(answer).sort()).to.deep.equal(['KeyId', 'KeyMaterialId', 'KeyPairSpec', 'PrivateKeyCiphertextBlob', 'PublicKey'])
    const own = privateKeyOf(await opens(answer.PrivateKeyCiphertextBlob ?? new Uint8Array()))
    expect(createPublicKey(own).export({ format: 'der', type: 'spki' })).to.deep.equal(Buffer.from(answer.PublicKey ?? []))
    expect(on.audit.events.at(-2)).to.include({ eventName: 'GenerateDataKeyPairWithoutPlaintext', readOnly: true, responseElements: null })
  })

  it('binds the private half to its encryption context', async () => {
    const given = { KeyId, KeyPairSpec: 'ECC_NIST_P256', EncryptionContext } as const
    const { PrivateKeyCiphertextBlob: CiphertextBlob = new Uint8Array() } = await call(on.services, generateDataKeyPair, given)
    await refused(call(on.services, decrypt, { CiphertextBlob }), 'InvalidCiphertextException')
  })

  it('refuses keys that are not symmetric, and a disabled one', async () => {
    const hmac = await newKeyOf(on.services, 'HMAC_256', 'GENERATE_VERIFY_MAC')
    const wrong = await refused(
      call(on.services, generateDataKeyPair, { KeyId: hmac, KeyPairSpec: 'ECC_NIST_P256' }), 'InvalidKeyUsageException',
    )
    expect(wrong.message).to.equal(`${hmac} key usage is GENERATE_VERIFY_MAC which is not valid for GenerateDataKeyPair.`)
    const rsaKey = await newKeyOf(on.services, 'RSA_2048', 'ENCRYPT_DECRYPT')
    for (const contract of [generateDataKey, generateDataKeyWithoutPlaintext]) {
      const refusal = await refused(call(on.services, contract, { KeyId: rsaKey, KeySpec: 'AES_256' }), 'InvalidKeyUsageException')
      expect(refusal.message).to.equal(`${rsaKey} key spec is RSA_2048 which is not valid for ${contract.name}.`)
    }
    const { key } = await newKey(on.services)
    await call(on.services, disableKey, { KeyId: key.arn })
    await refused(
      call(on.services, generateDataKeyPairWithoutPlaintext, { KeyId: key.arn, KeyPairSpec: 'RSA_4096' }), 'DisabledException',
    )
  })

  it('makes nothing in a dry run', async () => {
    for (const contract of [generateDataKeyPair, generateDataKeyPairWithoutPlaintext]) {
      await refused(call(on.services, contract, { KeyId, KeyPairSpec: 'RSA_4096', DryRun: true }), 'DryRunOperationException')
    }
  })
})

function seedOf(privateKey: Uint8Array): Uint8Array {
  const info = DerReader.only(privateKey)
  info.smallNumber()
  info.enter()
  const seed = new DerReader(info.octetString()).read(contextTag(0, 'primitive'))
  info.end()
  return seed
}

function bitsOf(publicKey: Uint8Array): Uint8Array {
  const info = DerReader.only(publicKey)
  info.enter()
  return info.bitString()
}

function algorithmOf(key: Uint8Array): string {
  const info = DerReader.only(key)
  if (info.tag === 2) info.smallNumber()
  return info.enter().oid()
}
