import { createHash, createHmac, createPrivateKey, generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { EncryptionAlgorithmSpec, KeySpec, MacAlgorithmSpec, SigningAlgorithmSpec } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { importedKey } from '../support/import-material.js'
import { suite } from './suite.js'

/**
 * Published vectors, with their source and licence in the files of test/vectors/interop. Their keys come in by ImportKeyMaterial, so each
 * of them also shows that the material that was imported is the material that works.
 */
interface Vectors<V> { readonly origin: string, readonly from: string, readonly vectors: readonly V[] }

function read<T extends Vectors<unknown>>(name: string): T {
  return JSON.parse(readFileSync(`test/vectors/interop/${name}.json`, 'utf8')) as T
}

const bytes = (hex: string) => Buffer.from(hex, 'hex')
const base64url = (hex: string) => bytes(hex).toString('base64url')
const pkcs8 = (jwk: JsonWebKey) => createPrivateKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'pkcs8' })
/** Takes private keys of every size. */
const wrapped = { algorithm: 'RSA_AES_KEY_WRAP_SHA_256' } as const
const hex = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString('hex')

const curves: Readonly<Record<string, { readonly crv: string, readonly bytes: number }>> = {
  ECC_NIST_P256: { crv: 'P-256', bytes: 32 }, ECC_NIST_P384: { crv: 'P-384', bytes: 48 }, ECC_NIST_P521: { crv: 'P-521', bytes: 66 },
  ECC_SECG_P256K1: { crv: 'secp256k1', bytes: 32 },
}

/** Coordinates without the zeros that some vectors leave out, or have too many of. */
function coordinate(spec: string, value: string): string {
  const length = (curves[spec]?.bytes ?? 0) * 2
  return value.padStart(length, '0').slice(-length)
}

interface EcKey { readonly keySpec: string, readonly privateKey: string, readonly publicX: string, readonly publicY: string }

function ecPrivateKey({ keySpec, privateKey, publicX, publicY }: EcKey): Buffer {
  const part = (value: string) => base64url(coordinate(keySpec, value))
  return pkcs8({ kty: 'EC', crv: curves[keySpec]?.crv ?? '', d: part(privateKey), x: part(publicX), y: part(publicY) })
}

describe('published vectors', () => {
  const on = suite()

  describe('HMAC', () => {
    interface Vector { readonly algorithm: string, readonly key: string, readonly message: string, readonly mac: string }
    const { vectors } = read<Vectors<Vector>>('hmac')
    for (const [at, { algorithm, key, message, mac }] of vectors.entries()) {
      it(`${algorithm}, vector ${at + 1}`, async () => {
        const { material, spec } = hmacMaterial(algorithm, bytes(key))
        const KeyId = await importedKey(on.kms, material, { KeySpec: spec, KeyUsage: 'GENERATE_VERIFY_MAC' })
        const input = { KeyId, MacAlgorithm: algorithm as MacAlgorithmSpec, Message: bytes(message) }
        const { Mac: made } = await on.kms.generateMac(input)
        // One vector of each hash is cut off after 128 bits.
        expect(hex(made).startsWith(mac)).to.equal(true)
        expect((await on.kms.verifyMac({ ...input, Mac: made })).MacValid).to.equal(true)
      })
    }
  })

  describe('AES-KWP', () => {
    interface Vector { readonly wrappingKey: string, readonly material: string, readonly wrapped: string }
    for (const [at, { wrappingKey, material, wrapped }] of read<Vectors<Vector>>('aes-kwp').vectors.entries()) {
      it(`unwraps vector ${at + 1}`, async () => {
        const kwp = { key: bytes(wrappingKey), wrapped: bytes(wrapped) }
        const spec = { KeySpec: 'HMAC_224', KeyUsage: 'GENERATE_VERIFY_MAC' } as const
        const KeyId = await importedKey(on.kms, bytes(material), spec, { algorithm: 'RSA_AES_KEY_WRAP_SHA_256', kwp })
        const { Mac: mac } = await on.kms.generateMac({ KeyId, MacAlgorithm: 'HMAC_SHA_224', Message: Buffer.from('which key is it') })
        expect(hex(mac)).to.equal(createHmac('sha224', bytes(material)).update('which key is it').digest('hex'))
      })
    }
  })

  describe('ECDH', () => {
    type Vector = EcKey & { readonly result: string, readonly peerX: string, readonly peerY: string, readonly sharedSecret: string }
    for (const [at, vector] of read<Vectors<Vector>>('ecdh').vectors.entries()) {
      it(`${vector.keySpec}, vector ${at + 1}: ${vector.result}`, async () => {
        const { keySpec } = vector
        const KeyId = await importedKey(on.kms, ecPrivateKey(vector), { KeySpec: keySpec as KeySpec, KeyUsage: 'KEY_AGREEMENT' }, wrapped)
        const peer = spki(keySpec, coordinate(keySpec, vector.peerX), coordinate(keySpec, vector.peerY))
        const call = on.kms.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey: peer })
        if (vector.result === 'valid') expect(hex((await call).SharedSecret)).to.equal(coordinate(keySpec, vector.sharedSecret))
        else expect((await refusal(call)).code).to.equal('ValidationException')
      })
    }
  })

  describe('ECDSA', () => {
    type Vector = EcKey & { readonly algorithm: string, readonly message: string, readonly r: string, readonly s: string }
    for (const [at, vector] of read<Vectors<Vector>>('ecdsa').vectors.entries()) {
      it(`${vector.keySpec}, vector ${at + 1}`, async () => {
        const { keySpec, algorithm } = vector
        const KeyId = await importedKey(on.kms, ecPrivateKey(vector), { KeySpec: keySpec as KeySpec, KeyUsage: 'SIGN_VERIFY' }, wrapped)
        const input = { KeyId, SigningAlgorithm: algorithm as SigningAlgorithmSpec, Message: bytes(vector.message) }
        const number = (value: string) => integer(bytes(coordinate(keySpec, value)))
        const Signature = sequence(number(vector.r), number(vector.s))
        expect((await on.kms.verify({ ...input, Signature })).SignatureValid).to.equal(true)
        const hash = algorithm.replace('ECDSA_SHA_', 'sha')
        const Message = createHash(hash).update(bytes(vector.message)).digest()
        expect((await on.kms.verify({ ...input, Message, MessageType: 'DIGEST', Signature })).SignatureValid).to.equal(true)
        const other = { ...input, Message: Buffer.concat([bytes(vector.message), Buffer.alloc(1)]) }
        expect((await refusal(on.kms.verify({ ...other, Signature }))).code).to.equal('KMSInvalidSignatureException')
      })
    }
  })

  describe('Ed25519', () => {
    interface Vector { readonly privateKey: string, readonly publicKey: string, readonly message: string, readonly signature: string }
    for (const [at, { privateKey, publicKey, message, signature }] of read<Vectors<Vector>>('ed25519').vectors.entries()) {
      it(`signs and verifies vector ${at + 1}`, async () => {
        const key = pkcs8({ kty: 'OKP', crv: 'Ed25519', d: base64url(privateKey), x: base64url(publicKey) })
        const KeyId = await importedKey(on.kms, key, { KeySpec: 'ECC_NIST_EDWARDS25519', KeyUsage: 'SIGN_VERIFY' })
        const input = { KeyId, SigningAlgorithm: 'ED25519_SHA_512', Message: bytes(message) } as const
        expect((await on.kms.verify({ ...input, Signature: bytes(signature) })).SignatureValid).to.equal(true)
        expect(hex((await on.kms.sign(input)).Signature)).to.equal(signature)
      })
    }
  })

  describe('RSA-OAEP', () => {
    interface Vector {
      readonly keySpec: string, readonly algorithm: string, readonly key: string, readonly message: string, readonly ciphertext: string
    }
    type Keys = Readonly<Record<string, Readonly<Record<string, string>>>>
    const { keys, vectors } = read<Vectors<Vector> & { readonly keys: Keys }>('rsa-oaep')
    for (const [at, { keySpec, algorithm, key: name, message, ciphertext }] of vectors.entries()) {
      it(`${algorithm}, vector ${at + 1}`, async () => {
        const key = keys[name] ?? {}
        const part = (member: string) => base64url(key[member] ?? '')
        const material = pkcs8({
          kty: 'RSA', n: part('modulus'), e: part('publicExponent'), d: part('privateExponent'), p: part('prime1'), q: part('prime2'),
          dp: part('exponent1'), dq: part('exponent2'), qi: part('coefficient'),
        })
        const KeyId = await importedKey(
          on.kms, material, { KeySpec: keySpec as KeySpec, KeyUsage: 'ENCRYPT_DECRYPT' }, { algorithm: 'RSA_AES_KEY_WRAP_SHA_1' },
        )
        const EncryptionAlgorithm = algorithm as EncryptionAlgorithmSpec
        const { Plaintext: opened } = await on.kms.decrypt({ KeyId, EncryptionAlgorithm, CiphertextBlob: bytes(ciphertext) })
        expect(hex(opened)).to.equal(message)
        const damaged = bytes(ciphertext)
        damaged[100] = (damaged[100] ?? 0) ^ 1
        const call = on.kms.decrypt({ KeyId, EncryptionAlgorithm, CiphertextBlob: damaged })
        expect(await refusal(call)).to.deep.equal({ code: 'InvalidCiphertextException', message: '' })
      })
    }
  })
})

/**
 * A key that ImportKeyMaterial takes and that gives the same MAC: shorter ones are filled with zeros, and one longer than a block is hashed
 * (RFC 2104, section 2).
 */
function hmacMaterial(algorithm: string, key: Buffer): { readonly material: Buffer, readonly spec: KeySpec } {
  const bits = Number(algorithm.slice('HMAC_SHA_'.length))
  const blockBytes = bits > 256 ? 128 : 64
  const least = Buffer.alloc(bits / 8)
  const fitting = key.length > blockBytes ? createHash(`sha${bits}`).update(key).digest() : key
  const material = fitting.length < least.length ? Buffer.concat([fitting, least]).subarray(0, least.length) : fitting
  return { material, spec: `HMAC_${bits}` as KeySpec }
}

/** SubjectPublicKeyInfo of a point that need not be on the curve: so it is that of a good one, with the coordinates replaced. */
function spki(spec: string, x: string, y: string): Buffer {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: curves[spec]?.crv ?? '' })
  const der = publicKey.export({ format: 'der', type: 'spki' })
  return Buffer.concat([der.subarray(0, der.length - (x.length + y.length) / 2), bytes(x), bytes(y)])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(body.length < 128 ? [0x30, body.length] : [0x30, 0x81, body.length]), body])
}

function integer(unsigned: Buffer): Buffer {
  const first = unsigned.findIndex(byte => byte !== 0)
  const digits = unsigned.subarray(Math.max(first, 0))
  const padded = (digits[0] ?? 0) > 127 ? Buffer.concat([Buffer.alloc(1), digits]) : digits
  return Buffer.concat([Buffer.from([2, padded.length]), padded])
}
