import {
  constants, createHash, createPublicKey, generateKeyPairSync, privateDecrypt, publicEncrypt, randomBytes, type KeyObject,
} from 'node:crypto'
import { expect } from 'chai'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { decodeOaep, oaepDecrypt, type OaepChoice, type OaepHash } from '../../../src/adapters/pkcs11/driver/rsa-oaep.js'
import { acquireToken, type Token } from '../../../src/adapters/pkcs11/token/token.js'
import { testToken } from '../../support/softhsm.js'
import { expectRefused, silentLog, throwing, whileReplaced } from './support.js'

const modulusBytes = 256
const hashBytes: Record<OaepHash, number> = { sha1: 20, sha256: 32 }
const hashes: readonly OaepHash[] = ['sha1', 'sha256']

/** RFC 8017, section 7.1.1, from the padding on; every part can be put wrong. */
interface Encoding {
  readonly first?: number
  readonly labelHash?: Buffer
  readonly padding?: Buffer
  readonly one?: number
  readonly message: Buffer
  readonly seed?: Buffer
}

function encode(hash: OaepHash, { first = 0, labelHash, padding, one = 1, message, ...given }: Encoding): Buffer {
  const bytes = hashBytes[hash]
  const seed = given.seed ?? randomBytes(bytes)
  const label = labelHash ?? createHash(hash).digest()
  const zeros = padding ?? Buffer.alloc(modulusBytes - 2 * bytes - 2 - message.length)
  const data = Buffer.concat([label, zeros, Buffer.from([one]), message])
  const maskedData = xor(data, mgf1(hash, seed, data.length))
  return Buffer.concat([Buffer.from([first]), xor(seed, mgf1(hash, maskedData, bytes)), maskedData])
}

function mgf1(hash: OaepHash, seed: Buffer, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / hashBytes[hash]) }, (_, at) => {
    return createHash(hash).update(seed).update(Buffer.from([0, 0, 0, at])).digest()
  })
  return Buffer.concat(blocks).subarray(0, length)
}

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, at) => byte ^ (other[at] as number)))
}

/** RSAES-OAEP with SHA-1 and MGF1-SHA-1, 1,024 bits; the exponent is 65537. */
const example = {
  n: Buffer.from(
    'a8b3b284af8eb50b387034a860f146c4919f318763cd6c5598c8ae4811a1e0abc4c7e0b082d693a5e7fced675cf46685'
    + '12772c0cbc64a742c6c630f533c8cc72f62ae833c40bf25842e984bb78bdbf97c0107d55bdb662f5c4e0fab9845cb514'
    + '8ef7392dd3aaff93ae1e6b667bb3d4247616d4f5ba10d4cfd226de88d39f16fb', 'hex'),
  message: Buffer.from('6628194e12073db03ba94cda9ef9532397d50dba79b987004afefe34', 'hex'),
  seed: Buffer.from('18b776ea21069d69776a33e96bad48e1dda0a5ef', 'hex'),
  ciphertext: Buffer.from(
    '354fe67b4a126d5d35fe36c777791a3f7ba13def484e2d3908aff722fad468fb21696de95d0be911c2d3174f8afcc201'
    + '035f7b6d8e69402de5451618c21a535fa9d7bfc5b8dd9fc243f8cf927db31322d6e881eaa91a996170e657a05a266426'
    + 'd98c88003f8477c1227094a0d9fa1e8c4024309ce1ecccb5210035d47ac72e8a', 'hex'),
}

/** Zeros but for one byte. */
function one(length: number, at: number, value: number): Buffer {
  const bytes = Buffer.alloc(length)
  bytes[at] = value
  return bytes
}

describe('EME-OAEP decoding', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: modulusBytes * 8 })

  it('reads the example 1.1 that RSA Laboratories published with PKCS #1 v2.1', () => {
    const { n, message, seed, ciphertext } = example
    const encoded = encode('sha1', { message, seed, padding: Buffer.alloc(n.length - 2 * 20 - 2 - message.length) })
    const key = createPublicKey({ key: { kty: 'RSA', n: n.toString('base64url'), e: 'AQAB' }, format: 'jwk' })
    expect(publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded)).to.deep.equal(ciphertext)
    expect(decodeOaep(encoded, 'sha1')).to.deep.equal(message)
  })

  for (const hash of hashes) {
    it(`reads what OpenSSL has encoded, with ${hash}`, () => {
      for (const length of [0, 1, 32, modulusBytes - 2 * hashBytes[hash] - 2]) {
        const message = randomBytes(length)
        const ciphertext = publicEncrypt({ key: publicKey, oaepHash: hash }, message)
        const encoded = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, ciphertext)
        expect(decodeOaep(encoded, hash)).to.deep.equal(message)
        expect(encoded.every(byte => byte === 0), 'overwritten').to.equal(true)
      }
    })

    it(`is read by OpenSSL as here, with ${hash}`, () => {
      const message = randomBytes(17)
      const encoded = encode(hash, { message })
      const ciphertext = publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, encoded)
      expect(privateDecrypt({ key: privateKey, oaepHash: hash }, ciphertext)).to.deep.equal(message)
      expect(decodeOaep(encoded, hash)).to.deep.equal(message)
    })

    it(`finds every changed byte, with ${hash}`, () => {
      const encoded = encode(hash, { message: Buffer.from('message') })
      for (let at = 0; at < encoded.length; at++) {
        for (const bit of [0x01, 0x80]) {
          const changed = Buffer.from(encoded)
          changed[at] = (changed[at] as number) ^ bit
          // What changes no more than the message itself is not what OAEP protects.
          const decoded = decodeOaep(changed, hash)
          expect(decoded, `byte ${at}`).to.satisfy((result?: Buffer) => result === undefined || at > encoded.length - 8)
        }
      }
    })
  }
})

describe('RSA-OAEP under a key of the token', function () {
  this.timeout(60_000)
  let token: Token
  let lib: PKCS11
  let session: Handle
  let key: Handle
  let publicKey: KeyObject
  let modulus: Buffer

  before(async () => {
    token = acquireToken(await testToken(), silentLog)
    lib = token.lib
    session = token.openSession()
    const pair = makePair()
    key = pair.privateKey
    const [n, e] = lib.C_GetAttributeValue(session, pair.publicKey, [{ type: pkcs11.CKA_MODULUS }, { type: pkcs11.CKA_PUBLIC_EXPONENT }])
    modulus = Buffer.from(n?.value as Uint8Array)
    const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: Buffer.from(e?.value as Uint8Array).toString('base64url') }
    publicKey = createPublicKey({ key: jwk, format: 'jwk' })
  })

  after(() => {
    token.closeSession(session)
    token.release()
  })

  function makePair(): { privateKey: Handle, publicKey: Handle } {
    return lib.C_GenerateKeyPair(session, { mechanism: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN },
      [
        { type: pkcs11.CKA_TOKEN, value: false }, { type: pkcs11.CKA_ENCRYPT, value: true },
        { type: pkcs11.CKA_MODULUS_BITS, value: modulusBytes * 8 }, { type: pkcs11.CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
      ],
      [{ type: pkcs11.CKA_TOKEN, value: false }, { type: pkcs11.CKA_DECRYPT, value: true }, { type: pkcs11.CKA_SENSITIVE, value: true }])
  }

  const decrypt = (ciphertext: Uint8Array, choice: Partial<OaepChoice> = {}): Buffer => {
    return oaepDecrypt(lib, session, key, ciphertext, { hash: 'sha256', mode: 'raw', modulusBytes, ...choice })
  }
  const ways: readonly Pick<OaepChoice, 'hash' | 'mode' | 'invalid'>[] = [
    { hash: 'sha1', mode: 'raw' }, { hash: 'sha256', mode: 'raw' },
    // SoftHSM 2.6 does SHA-1 only, and answers GENERAL_ERROR to a ciphertext that does not decrypt.
    { hash: 'sha1', mode: 'native', invalid: [pkcs11.CKR_GENERAL_ERROR] },
  ]

  for (const way of ways) {
    const { hash } = way
    const messageMax = modulusBytes - 2 * hashBytes[hash] - 2

    describe(`${hash}, ${way.mode}`, () => {
      it('opens what OpenSSL sealed, of every length', () => {
        for (const length of [0, 1, 16, 32, messageMax]) {
          const message = randomBytes(length)
          expect(decrypt(publicEncrypt({ key: publicKey, oaepHash: hash }, message), way)).to.deep.equal(message)
        }
      })

      it('answers every defect of the encoded message alike', () => {
        const message = Buffer.from('message')
        const zeros = modulusBytes - 2 * hashBytes[hash] - 2 - message.length
        const flawed: Record<string, Encoding> = {
          'a first byte that is not zero': { message, first: 1 },
          'another label': { message, labelHash: createHash(hash).update('label').digest() },
          'one bit of the label hash': { message, labelHash: xor(createHash(hash).digest(), one(hashBytes[hash], hashBytes[hash] - 1, 1)) },
          'a byte in the padding': { message, padding: one(zeros, 0, 2) },
          'a byte at the end of the padding': { message, padding: one(zeros, zeros - 1, 0x80) },
          'two where the one should be': { message, one: 2 },
          'no one at all': { message: Buffer.alloc(message.length), one: 0 },
          'the other hash': { message, labelHash: Buffer.alloc(hashBytes[hash]) },
        }
        for (const [what, encoding] of Object.entries(flawed)) {
          const ciphertext = publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, encode(hash, encoding))
          expectInvalid(() => decrypt(ciphertext, way), what)
        }
      })

      it('answers a change of any byte of the encoded message alike', () => {
        const encoded = encode(hash, { message: Buffer.alloc(0) })
        for (let at = 1; at < modulusBytes; at += 3) {
          const changed = xor(encoded, one(modulusBytes, at, 0x10))
          expectInvalid(() => decrypt(publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, changed), way), `byte ${at}`)
        }
      })

      it('answers a changed, short, long or far too great ciphertext alike', () => {
        const ciphertext = publicEncrypt({ key: publicKey, oaepHash: hash }, Buffer.from('message'))
        for (const at of [1, 100, 255]) {
          expectInvalid(() => decrypt(xor(ciphertext, one(modulusBytes, at, 1)), way), `byte ${at}`)
        }
        expectInvalid(() => decrypt(ciphertext.subarray(1), way), 'short')
        expectInvalid(() => decrypt(Buffer.concat([Buffer.alloc(1), ciphertext]), way), 'long')
        expectInvalid(() => decrypt(Buffer.alloc(0), way), 'empty')
        expectInvalid(() => decrypt(Buffer.alloc(modulusBytes, 0xff), way), 'above the modulus')
        expectInvalid(() => decrypt(modulus, way), 'the modulus')
        expectInvalid(() => decrypt(Buffer.alloc(modulusBytes), way), 'zero')
      })

      it('leaves the session as good as before', () => {
        const message = randomBytes(32)
        const ciphertext = publicEncrypt({ key: publicKey, oaepHash: hash }, message)
        expectInvalid(() => decrypt(Buffer.alloc(modulusBytes, 1), way), 'bad')
        expect(decrypt(ciphertext, { ...way, modulus })).to.deep.equal(message)
      })
    })
  }

  it('does not open with another hash, or another key, than it was sealed for', () => {
    expectInvalid(() => decrypt(publicEncrypt({ key: publicKey, oaepHash: 'sha1' }, Buffer.from('x'))), 'another hash')
    const other = generateKeyPairSync('rsa', { modulusLength: modulusBytes * 8 }).publicKey
    const ciphertext = publicEncrypt({ key: other, oaepHash: 'sha256' }, Buffer.from('x'))
    ciphertext[0] = 0
    expectInvalid(() => decrypt(ciphertext), 'another key')
  })

  it('asks the token nothing about a ciphertext that cannot be one', () => {
    whileReplaced(lib, 'C_DecryptInit', () => { throw new Error('the token was asked') }, () => {
      expectInvalid(() => decrypt(Buffer.alloc(modulusBytes - 1)), 'short')
      expectInvalid(() => decrypt(Buffer.alloc(modulusBytes, 0xff)), 'above the modulus')
    })
  })

  it('refuses another key length, hash or size as our own fault', () => {
    const ciphertext = Buffer.alloc(modulusBytes)
    expectRefused(() => decrypt(Buffer.alloc(128), { modulusBytes: 128 }), 'configuration')
    expectRefused(() => decrypt(ciphertext, { modulusBytes: 64 }), 'configuration')
    expectRefused(() => decrypt(ciphertext, { modulusBytes: Number.NaN }), 'configuration')
    expectRefused(() => decrypt(ciphertext, { hash: 'constructor' as OaepHash }), 'configuration')
  })

  it('passes on what is a fault of the device, and not of the ciphertext', () => {
    const ciphertext = publicEncrypt({ key: publicKey, oaepHash: 'sha1' }, Buffer.from('x'))
    for (const mode of ['raw', 'native'] as const) {
      whileReplaced(lib, 'C_Decrypt', throwing(pkcs11.CKR_DEVICE_ERROR), () => {
        expect(() => decrypt(ciphertext, { hash: 'sha1', mode })).to.throw(pkcs11.Pkcs11Error)
      })
      // The operation is still active in the token.
      decryptOnce(ciphertext)
    }
    whileReplaced(lib, 'C_Decrypt', throwing(pkcs11.CKR_ENCRYPTED_DATA_INVALID), () => {
      expectInvalid(() => decrypt(ciphertext, { hash: 'sha1', mode: 'native' }), 'as the standard says it')
    })
    decryptOnce(ciphertext)
  })

  it('takes a number from which the token has left out the zeros in front', () => {
    const message = randomBytes(32)
    const ciphertext = publicEncrypt({ key: publicKey, oaepHash: 'sha256' }, message)
    const shortened = whileReplaced(lib, 'C_Decrypt', run => (run() as Buffer).subarray(1), () => decrypt(ciphertext))
    expect(shortened).to.deep.equal(message)
  })

  it('overwrites what the token has decrypted', () => {
    let out: Buffer = Buffer.alloc(0)
    const ciphertext = publicEncrypt({ key: publicKey, oaepHash: 'sha1' }, Buffer.from('x'))
    for (const mode of ['raw', 'native'] as const) {
      whileReplaced(lib, 'C_Decrypt', run => { out = run() as Buffer; return out }, () => decrypt(ciphertext, { hash: 'sha1', mode }))
      expect(out.length).to.be.greaterThan(0)
      expect(out.every(byte => byte === 0), mode).to.equal(true)
    }
  })

  function decryptOnce(ciphertext: Buffer): void {
    lib.C_Decrypt(session, ciphertext, Buffer.alloc(modulusBytes))
  }
})

function expectInvalid(call: () => unknown, what: string): void {
  expect(call, what).to.throw().that.includes({ name: 'HsmError', kind: 'ciphertext-invalid', message: 'the ciphertext does not decrypt' })
}
