import { createDecipheriv, createHmac, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import { newKeyId } from '../../../src/domain/key-id.js'
import { backingKey, wrappingKey, type Material, type MaterialKind } from '../../../src/domain/material.js'
import type { WrappingAlgorithm } from '../../../src/ports/hsm.js'
import { nssToken } from '../../support/tokens/nss.js'
import { TokenUnavailable, type TestToken } from '../../support/tokens/token.js'
import { wrappedFor } from '../../support/wrapped.js'
import { expectRefused, openBench, silentLog, whileReplaced, type Bench } from './support.js'

const oaeps = ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const
const aesWraps = ['RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256'] as const

interface Pair { readonly kind: MaterialKind, readonly algorithm: WrappingAlgorithm, readonly make: () => KeyObject }

const newRsa = (bits = 2048): KeyObject => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey
const newEc = (namedCurve: string) => (): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey
const pairs: readonly Pair[] = [
  { kind: 'rsa-2048-encrypt', algorithm: aesWraps[0], make: newRsa },
  { kind: 'rsa-2048-sign', algorithm: aesWraps[1], make: newRsa },
  { kind: 'rsa-3072-sign', algorithm: aesWraps[1], make: () => newRsa(3072) },
  { kind: 'ecdsa-p256', algorithm: oaeps[0], make: newEc('P-256') },
  { kind: 'ecdsa-p384', algorithm: oaeps[1], make: newEc('P-384') },
  { kind: 'ecdsa-p521', algorithm: aesWraps[1], make: newEc('P-521') },
  { kind: 'ecdsa-secp256k1', algorithm: oaeps[1], make: newEc('secp256k1') },
  { kind: 'ecdh-p256', algorithm: oaeps[1], make: newEc('P-256') },
  { kind: 'ecdh-p384', algorithm: aesWraps[0], make: newEc('P-384') },
  { kind: 'ecdh-p521', algorithm: aesWraps[1], make: newEc('P-521') },
  { kind: 'ed25519', algorithm: oaeps[1], make: () => generateKeyPairSync('ed25519').privateKey },
]

const pkcs8 = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'pkcs8' })
const newMaterial = (kind: MaterialKind): Material => ({ ...backingKey(newKeyId(randomBytes(16)), 1, kind), imported: true })

class ImportBench {
  readonly bench: Bench
  readonly token: TestToken | undefined
  readonly #outer = wrappingKey(2048, 20_000)
  readonly #publicKey: Uint8Array

  constructor(bench: Bench, token: TestToken | undefined) {
    this.bench = bench
    this.token = token
    bench.driver.createMaterial(this.#outer)
    this.#publicKey = bench.driver.publicKey(this.#outer)
  }

  wrap(algorithm: WrappingAlgorithm, bytes: Uint8Array) {
    return wrappedFor(this.#outer, this.#publicKey, algorithm, bytes)
  }

  async close(): Promise<void> {
    this.bench.driver.destroyMaterial(this.#outer)
    this.bench.driver.close()
    await this.token?.close()
  }
}

async function benchOf(test: Mocha.Context, open: () => Promise<TestToken | undefined>, profile?: Profile): Promise<ImportBench> {
  try {
    const token = await open()
    return new ImportBench(await openBench(silentLog, true, { ...token && { config: token.config }, ...profile && { profile } }), token)
  } catch (error) {
    if (error instanceof TokenUnavailable) test.skip()
    throw error
  }
}

const softHsm = async (): Promise<undefined> => undefined

for (const { title, open, way } of [
  { title: 'SoftHSM', open: softHsm, way: 'process' }, { title: 'NSS softoken', open: nssToken, way: 'hsm' },
] as const) {
  describe(`importing into ${title}`, function suite() {
    this.timeout(60_000)
    let bench: ImportBench

    before(async function setUp() { bench = await benchOf(this, open) })
    after(() => bench?.close())

    const inspect = (material: Material, algorithm: WrappingAlgorithm, bytes: Uint8Array) =>
      bench.bench.driver.inspectImport(material, bench.wrap(algorithm, bytes))
    const take = (material: Material, algorithm: WrappingAlgorithm, bytes: Uint8Array) =>
      bench.bench.driver.importMaterial(material, bench.wrap(algorithm, bytes))

    for (const algorithm of [...oaeps, ...aesWraps]) {
      it(`makes an AES key that came by ${algorithm}`, () => {
        const { driver } = bench.bench
        const [material, key] = [newMaterial('gcm'), randomBytes(32)]
        expect(inspect(material, algorithm, key).way).to.equal(way)
        const [evidence] = take(material, algorithm, key)
        expect(evidence?.attributes).to.include({ local: false, extractable: false, sensitive: true })
        const { iv, ciphertext } = driver.seal(material, Buffer.from('plaintext'), Buffer.alloc(32))
        const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(Buffer.alloc(32)).setAuthTag(ciphertext.subarray(-16))
        expect(Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]).toString()).to.equal('plaintext')
        expect(driver.destroyMaterial(material)).to.equal(1)
      })
    }

    for (const [kind, bytes, hash] of [
      ['hmac-sha-224', 28, 'sha224'], ['hmac-sha-256', 33, 'sha256'], ['hmac-sha-384', 128, 'sha384'], ['hmac-sha-512', 64, 'sha512'],
    ] as const) {
      it(`makes an ${kind} key of ${bytes} bytes`, () => {
        const [material, key] = [newMaterial(kind), randomBytes(bytes)]
        take(material, 'RSAES_OAEP_SHA_256', key)
        const tag = bench.bench.driver.mac(material, Buffer.from('text'))
        expect(Buffer.from(tag)).to.deep.equal(createHmac(hash, key).update('text').digest())
        bench.bench.driver.destroyMaterial(material)
      })
    }

    it('knows the same secret again, and no other by it, whatever its length', () => {
      const material = newMaterial('hmac-sha-256')
      const key = randomBytes(32)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(key.length)
      const expected = createHmac('sha256', key).update('claviger imported key material\0').update(length).digest()
      const fingerprints = [key, key, Buffer.concat([key, Buffer.alloc(1)])].map(bytes => inspect(material, oaeps[1], bytes).fingerprint)
      expect(fingerprints.slice(0, 2).map(one => Buffer.from(one))).to.deep.equal([expected, expected])
      expect(Buffer.from(fingerprints[2] ?? [])).to.not.deep.equal(expected)
    })

    it('refuses secrets of a wrong length, and leaves nothing', () => {
      for (const [kind, bytes] of [
        ['gcm', 31], ['gcm', 33], ['gcm', 16], ['hmac-sha-256', 31], ['hmac-sha-256', 129], ['hmac-sha-512', 63],
      ] as const) {
        const material = newMaterial(kind)
        expectRefused(() => inspect(material, 'RSA_AES_KEY_WRAP_SHA_256', randomBytes(bytes)), 'material')
        expectRefused(() => take(material, 'RSA_AES_KEY_WRAP_SHA_256', randomBytes(bytes)), 'material')
        expect(bench.bench.driver.find(material)).to.equal(undefined)
      }
    })

    it('refuses alike whatever cannot be unwrapped', () => {
      const material = newMaterial('gcm')
      for (const algorithm of [...oaeps, ...aesWraps]) {
        const good = bench.wrap(algorithm, randomBytes(32))
        const flipped = (at: number) => good.bytes.map((byte, index) => index === at ? byte ^ 1 : byte)
        const bad = [flipped(100), flipped(good.bytes.length - 1), good.bytes.subarray(1), good.bytes.subarray(0, -8), Buffer.alloc(0)]
        for (const bytes of bad) expectRefused(() => bench.bench.driver.inspectImport(material, { ...good, bytes }), 'ciphertext-invalid')
      }
      const other = { ...bench.wrap('RSAES_OAEP_SHA_1', randomBytes(32)), algorithm: 'RSAES_OAEP_SHA_256' } as const
      expectRefused(() => bench.bench.driver.importMaterial(material, other), 'ciphertext-invalid')
      expect(bench.bench.driver.find(material)).to.equal(undefined)
    })

    it('takes no material for a key of two objects', () => {
      expectRefused(() => inspect(newMaterial('cbc-hmac'), oaeps[0], randomBytes(32)), 'unsupported')
    })

    if (way === 'hsm') {
      it('takes no key pairs: an RSA key could do more than it should', () => {
        expectRefused(() => take(newMaterial('rsa-2048-sign'), aesWraps[1], pkcs8(newRsa())), 'unsupported')
      })
      return
    }

    for (const { kind, algorithm, make } of pairs) {
      it(`makes a ${kind} key pair that came by ${algorithm}`, () => {
        const { driver } = bench.bench
        const [material, key] = [newMaterial(kind), make()]
        const evidence = take(material, algorithm, pkcs8(key))
        expect(evidence.map(({ attributes }) => attributes.local)).to.deep.equal([false, false])
        const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' })
        expect(Buffer.from(driver.publicKey(material))).to.deep.equal(publicKey)
        expect(driver.destroyMaterial(material)).to.equal(2)
      })
    }

    it('refuses private keys of another kind, size or curve, and what is none', () => {
      for (const [kind, bytes] of [
        ['rsa-2048-sign', pkcs8(newRsa(3072))], ['rsa-2048-sign', pkcs8(newEc('P-256')())], ['ecdsa-p256', pkcs8(newEc('secp256k1')())],
        ['ecdsa-p256', pkcs8(generateKeyPairSync('ed25519').privateKey)], ['ed25519', pkcs8(generateKeyPairSync('x25519').privateKey)],
        ['rsa-2048-sign', randomBytes(1200)], ['ecdsa-p256', randomBytes(32)],
        ['ecdsa-p384', Buffer.concat([pkcs8(newEc('P-384')()), Buffer.alloc(1)])],
        ['rsa-2048-sign', pkcs8(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey)],
      ] as const) {
        const material = newMaterial(kind)
        expectRefused(() => take(material, 'RSA_AES_KEY_WRAP_SHA_256', bytes), 'material')
        expect(bench.bench.driver.find(material)).to.equal(undefined)
      }
    })

    it('refuses a private key whose numbers do not belong together, and destroys it', () => {
      const [one, other] = [pkcs8(newEc('P-256')()), pkcs8(newEc('P-256')())]
      // The scalar of one, the public key of the other.
      const mixed = Buffer.concat([one.subarray(0, -66), other.subarray(-66)])
      for (const kind of ['ecdsa-p256', 'ecdh-p256'] as const) {
        const material = newMaterial(kind)
        expectRefused(() => take(material, 'RSA_AES_KEY_WRAP_SHA_256', mixed), 'material')
        expect(bench.bench.driver.find(material)).to.equal(undefined)
      }
    })
  })
}

// A token that unwraps private keys and tells their public halves: SoftHSM 2.6 does so for RSA, but calls AES-KWP by another number.
describe('importing a key pair inside the token', function suite() {
  this.timeout(60_000)
  const kwp = { standard: 0x210b, softHsm: pkcs11.CKM_AES_KEY_WRAP_PAD }
  let bench: ImportBench

  before(async function setUp() {
    // SoftHSM writes the key into an object that it has already made unmodifiable, if it is told to.
    const template = { ...softhsm.template, private: { set: {}, omit: [] } }
    bench = await benchOf(this, softHsm, { ...softhsm, import: 'hsm', template })
  })
  after(() => bench?.close())

  function translated<T>(use: () => T): T {
    return whileReplaced(bench.bench.lib, 'C_UnwrapKey', (run, args) => {
      const mechanism = args[1] as { mechanism: number }
      if (mechanism.mechanism === kwp.standard) mechanism.mechanism = kwp.softHsm
      try {
        return run()
      } finally {
        if (mechanism.mechanism === kwp.softHsm) mechanism.mechanism = kwp.standard
      }
    }, use)
  }

  it('makes an RSA key pair', () => {
    const { driver } = bench.bench
    const [material, key] = [newMaterial('rsa-2048-sign'), newRsa()]
    const evidence = translated(() => driver.importMaterial(material, bench.wrap('RSA_AES_KEY_WRAP_SHA_1', pkcs8(key))))
    expect(evidence.map(({ attributes }) => attributes.local)).to.deep.equal([false, false])
    expect(Buffer.from(driver.publicKey(material))).to.deep.equal(createPublicKey(key).export({ format: 'der', type: 'spki' }))
    driver.destroyMaterial(material)
  })

  it('refuses one of another size or type', () => {
    for (const key of [newRsa(3072), newEc('P-256')()]) {
      const material = newMaterial('rsa-2048-sign')
      const wrapped = bench.wrap('RSA_AES_KEY_WRAP_SHA_1', pkcs8(key))
      expectRefused(() => translated(() => bench.bench.driver.importMaterial(material, wrapped)), 'material')
      expect(bench.bench.driver.find(material)).to.equal(undefined)
    }
  })
})
