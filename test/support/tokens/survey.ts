import { randomBytes } from 'node:crypto'
import pkcs11, { type Handle, type Mechanism } from 'pkcs11js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { returnValueName, returnValueOf } from '../../../src/adapters/pkcs11/driver/errors.js'
import { RawToken } from './raw-token.js'

/**
 * `survey.js <configuration as JSON>`: tries what a token does, and answers it as JSON. Each fact stands under a name; it is `ok`, what the
 * call gave, or the name of the return value without CKR_.
 */
const token = new RawToken(JSON.parse(process.argv[2] ?? '{}') as Pkcs11Config)
const facts: Record<string, string> = {}
const iv = randomBytes(16)

const attributes = {
  ALWAYS_SENSITIVE: pkcs11.CKA_ALWAYS_SENSITIVE, NEVER_EXTRACTABLE: pkcs11.CKA_NEVER_EXTRACTABLE, LOCAL: pkcs11.CKA_LOCAL,
  KEY_GEN_MECHANISM: pkcs11.CKA_KEY_GEN_MECHANISM, MODIFIABLE: pkcs11.CKA_MODIFIABLE, COPYABLE: 0x171, DESTROYABLE: 0x172,
  ALLOWED_MECHANISMS: pkcs11.CKA_ALLOWED_MECHANISMS, CHECK_VALUE: pkcs11.CKA_CHECK_VALUE, PRIVATE: pkcs11.CKA_PRIVATE,
} as const
const cbc = (mechanism: number): Mechanism => ({ mechanism, parameter: iv })

function fact(name: string, of: () => string | number | boolean | void): void {
  facts[name] = outcome(of)
}

function outcome(of: () => string | number | boolean | void): string {
  try {
    return String(of() ?? 'ok')
  } catch (error) {
    const code = returnValueOf(error)
    if (code === undefined) throw error
    return returnValueName(code).replace(/^CKR_/, '').replace(/ \(.*/, '')
  }
}

/** Undefined if the token does not make it; why is a fact. */
function made<T>(name: string, make: () => T): T | undefined {
  const made: { thing?: T } = {}
  fact(`makes ${name}`, () => { made.thing = make() })
  return made.thing
}

const mechanisms = token.lib.C_GetMechanismList(token.slot)
const names = [
  'AES_GCM', 'AES_CBC', 'AES_CBC_PAD', 'AES_ECB', 'AES_CTR', 'SHA256_HMAC', 'EC_KEY_PAIR_GEN', 'ECDSA', 'RSA_PKCS_PSS',
] as const
fact('lists', () => names.filter(name => mechanisms.includes(pkcs11[`CKM_${name}`])).join(' '))

const [aes, hmac, pair] = [
  made('AES', () => token.generateAes()), made('HMAC', () => token.generateHmac()), made('P-256', () => token.generatePair()),
]
const objects = { AES: aes, HMAC: hmac, private: pair?.privateKey, public: pair?.publicKey }
for (const [role, object] of Object.entries(objects)) {
  if (object) for (const [name, type] of Object.entries(attributes)) fact(`${role} ${name}`, () => token.read(object, type))
}
templates()
if (aes) {
  gcm(aes)
  cbcPad(aes)
  fact('AES-CBC', () => roundTrip(cbc(pkcs11.CKM_AES_CBC), aes, randomBytes(32)))
  fact('AES-ECB', () => roundTrip({ mechanism: pkcs11.CKM_AES_ECB }, aes, randomBytes(32)))
  token.fresh()
  staleHandles()
}
if (hmac) hmacSha256(hmac)
if (pair) ecdsa(pair)
for (const bytes of [65_536, 65_537]) fact(`random of ${bytes}`, () => { token.lib.C_GenerateRandom(token.session, Buffer.alloc(bytes)) })
process.stdout.write(JSON.stringify(facts))

/** What some vendors need and others refuse. */
function templates(): void {
  const gcmOnly = Buffer.alloc(8)
  gcmOnly.writeBigUInt64LE(BigInt(pkcs11.CKM_AES_GCM))
  const additions = { MODIFIABLE: false, COPYABLE: false, DESTROYABLE: true, ALLOWED_MECHANISMS: gcmOnly } as const
  for (const [name, value] of Object.entries(additions)) {
    const type = attributes[name as keyof typeof additions]
    const key = made(`AES with ${name}`, () => token.generateAes({ [type]: value }))
    if (key) fact(`with ${name}`, () => token.read(key, type))
    if (key) token.lib.C_DestroyObject(token.session, key)
  }
  made('HMAC of type SHA256_HMAC', () => token.generateHmac({ [pkcs11.CKA_KEY_TYPE]: 0x2b }))
  fact('same CKA_ID', sameId)
}

/** Two objects of one class with one id are legal. */
function sameId(): string {
  const id = { [pkcs11.CKA_ID]: Buffer.from('the same') }
  const first = token.generateHmac(id)
  const before = token.sign(pkcs11.CKM_SHA256_HMAC, first, Buffer.from('x'))
  token.generateAes(id)
  return outcome(() => token.sign(pkcs11.CKM_SHA256_HMAC, first, Buffer.from('x')).equals(before) ? 'both are there' : 'another key')
}

function gcm(key: Handle): void {
  const nonce = randomBytes(12)
  const aad = randomBytes(32)
  const mechanism = (ivBits = 96): Mechanism => {
    const parameter: pkcs11.AesGCM = { type: pkcs11.CK_PARAMS_AES_GCM_v240, iv: nonce, ivBits, aad, tagBits: 128 }
    return { mechanism: pkcs11.CKM_AES_GCM, parameter }
  }
  fact('AES-GCM', () => roundTrip(mechanism(), key, Buffer.from('hello')))
  token.fresh()
  if (facts['AES-GCM'] !== 'ok') return
  fact('AES-GCM with ivBits 0', () => roundTrip(mechanism(0), key, Buffer.from('hello')))
  const sealed = token.encrypt(mechanism(), key, Buffer.from('hello'))
  fact('AES-GCM wrong tag', () => token.decrypt(mechanism(), key, flipped(sealed)).length)
  fact('AES-GCM after a wrong tag', () => roundTrip(mechanism(), key, Buffer.from('hello')))
  fact('AES-GCM of 15 bytes', () => token.decrypt(mechanism(), key, sealed.subarray(0, 15), 64).length)
  fact('AES-GCM of nothing', () => roundTrip(mechanism(), key, Buffer.alloc(16).subarray(0, 0)))
  fact('AES-GCM of 1 MiB', () => roundTrip(mechanism(), key, Buffer.alloc(1024 * 1024)))
  fact('AES-GCM opened into what it holds', () => token.decrypt(mechanism(), key, sealed, 5).length)
  token.fresh()
}

function cbcPad(key: Handle): void {
  const padded = cbc(pkcs11.CKM_AES_CBC_PAD)
  fact('AES-CBC-PAD', () => roundTrip(padded, key, Buffer.from('hello')))
  token.fresh()
  if (facts['AES-CBC-PAD'] !== 'ok') return
  const block = (last: number) => token.encrypt(cbc(pkcs11.CKM_AES_CBC), key, Buffer.from([...Buffer.alloc(15, 9), last]))
  for (const last of [0, 2, 17]) fact(`AES-CBC-PAD ending with ${last}`, () => token.decrypt(padded, key, block(last)).length)
  fact('AES-CBC-PAD of nothing', () => roundTrip(padded, key, Buffer.alloc(16).subarray(0, 0)))
  fact('AES-CBC-PAD of 17 bytes to open', () => token.decrypt(padded, key, Buffer.alloc(17)).length)
  fact('AES-CBC-PAD with an IV of 15', () => token.encrypt({ ...padded, parameter: iv.subarray(0, 15) }, key, Buffer.alloc(16)).length)
  token.fresh()
  // Without an address: this is what an empty Buffer is to the binding.
  fact('AES-CBC-PAD of null', () => token.encrypt(padded, key, Buffer.alloc(0)).length)
  fact('AES-CBC-PAD after null', () => roundTrip(padded, key, Buffer.from('hello')))
  token.fresh()
}

function staleHandles(): void {
  const key = token.generateAes()
  token.lib.C_DestroyObject(token.session, key)
  fact('use of what was destroyed', () => token.encrypt({ mechanism: pkcs11.CKM_AES_ECB }, key, Buffer.alloc(16)).length)
  fact('read of what was destroyed', () => token.read(key, pkcs11.CKA_LABEL))
}

function hmacSha256(key: Handle): void {
  const mechanism = pkcs11.CKM_SHA256_HMAC
  fact('HMAC', () => token.verify(mechanism, key, Buffer.from('x'), token.sign(mechanism, key, Buffer.from('x'))))
  fact('HMAC of 1 MiB', () => token.sign(mechanism, key, Buffer.alloc(1024 * 1024)).length)
  fact('HMAC wrong', () => token.verify(mechanism, key, Buffer.from('x'), Buffer.alloc(32)))
}

function ecdsa({ publicKey, privateKey }: pkcs11.KeyPair): void {
  const digest = randomBytes(32)
  fact('ECDSA', () => token.verify(pkcs11.CKM_ECDSA, publicKey, digest, token.sign(pkcs11.CKM_ECDSA, privateKey, digest)))
  fact('ECDSA wrong', () => token.verify(pkcs11.CKM_ECDSA, publicKey, digest, Buffer.alloc(64, 1)))
}

function roundTrip(mechanism: Mechanism, key: Handle, data: Buffer): void {
  const opened = token.decrypt(mechanism, key, token.encrypt(mechanism, key, data))
  if (!opened.equals(data)) throw new Error('what was opened is not what was sealed')
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1)
  return copy
}
