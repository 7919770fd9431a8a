import { createHash, randomBytes } from 'node:crypto'
import pkcs11, { type Handle, type Mechanism, type PKCS11, type Template } from 'pkcs11js'
import type { EncapsulatingLibrary } from '../../src/adapters/pkcs11/driver/encapsulation.js'

/** PKCS#11 3.2, by number: what is tested is that the driver has them right. */
const mlKemPair = 0xf
const mlKem = 0x17
const mlDsaPair = 0x1c
const mlDsa = 0x1d
const parameterSet = 0x61d
const [encapsulate, decapsulate] = [0x633, 0x634]
const keyTypes: Readonly<Record<number, number>> = { [mlKemPair]: 0x49, [mlDsaPair]: 0x4a }
/** By mechanism and parameter set, FIPS 203 and 204. */
const sizes: Readonly<Record<string, readonly [publicKey: number, output: number]>> = {
  [`${mlKemPair}-1`]: [800, 768], [`${mlKemPair}-2`]: [1184, 1088], [`${mlKemPair}-3`]: [1568, 1568],
  [`${mlDsaPair}-1`]: [1312, 2420], [`${mlDsaPair}-2`]: [1952, 3309], [`${mlDsaPair}-3`]: [2592, 4627],
}
const p256 = Buffer.from('06082a8648ce3d030107', 'hex')

type LibraryFunction = (...args: readonly unknown[]) => unknown

interface FakeKey {
  readonly generate: number
  readonly seed: Buffer
  readonly publicKey: Buffer
  readonly output: number
  readonly shown: ReadonlyMap<number, Buffer>
}

/**
 * A FAKE at the boundary of the driver: a library of PKCS#11 3.2 with ML-KEM and ML-DSA, as no token that can be had here has. It is put
 * over a real library: its key pairs are EC pairs in the real token that say they are something else, its signatures and ciphertexts are
 * hashes that prove nothing of FIPS 203 and 204. What it shows is which calls the driver makes, and what it does with the answers.
 */
export class FakeLattices {
  /** Functions that were called, of those that are faked. */
  readonly calls: string[] = []
  private readonly lib: PKCS11
  private readonly keys = new Map<string, FakeKey>()
  private readonly replaced = new Map<keyof PKCS11, unknown>()
  private using: FakeKey | undefined

  constructor(lib: PKCS11, { encapsulates }: { readonly encapsulates: boolean }) {
    this.lib = lib
    this.replace('C_GetMechanismList', real => (...args) => [...real(...args) as number[], mlKemPair, mlKem, mlDsaPair, mlDsa])
    this.replace('C_GenerateKeyPair', real => (session, mechanism, publicKey, privateKey) =>
      this.generate(real, session as Handle, mechanism as Mechanism, publicKey as Template, privateKey as Template))
    this.replace('C_GetAttributeValue', real => (session, object, wanted) => {
      const [{ type }] = wanted as [{ readonly type: number }]
      const value = this.keys.get(nameOf(object))?.shown.get(type)
      return value ? [{ type, value: Buffer.from(value) }] : real(session, object, wanted)
    })
    for (const name of ['C_SignInit', 'C_VerifyInit'] as const) {
      this.replace(name, real => (session, mechanism, key) => {
        this.using = (mechanism as Mechanism).mechanism === mlDsa ? this.key(name, key, mlDsaPair) : undefined
        return this.using ? undefined : real(session, mechanism, key)
      })
    }
    this.replace('C_Sign', real => (session, data, out) => this.using ? signature(this.using, data as Buffer) : real(session, data, out))
    this.replace('C_Verify', real => (session, data, given) => {
      if (!this.using) return real(session, data, given)
      if (signature(this.using, data as Buffer).equals(given as Buffer)) return true
      throw new pkcs11.Pkcs11Error('CKR_SIGNATURE_INVALID', pkcs11.CKR_SIGNATURE_INVALID)
    })
    if (encapsulates) Object.assign(this.lib, this.encapsulation())
  }

  /** The real library again. */
  remove(): void {
    for (const [name, value] of this.replaced) Object.defineProperty(this.lib, name, { value, configurable: true, writable: true })
    delete (this.lib as Partial<EncapsulatingLibrary>).C_EncapsulateKey
    delete (this.lib as Partial<EncapsulatingLibrary>).C_DecapsulateKey
  }

  private replace(name: keyof PKCS11, make: (real: LibraryFunction) => LibraryFunction): void {
    const found = (this.lib as unknown as Readonly<Record<string, LibraryFunction>>)[name] as LibraryFunction
    this.replaced.set(name, found)
    const real = found.bind(this.lib)
    Object.defineProperty(this.lib, name, { value: make(real), configurable: true, writable: true })
  }

  private encapsulation(): EncapsulatingLibrary {
    const secret = (session: Handle, template: Template, key: FakeKey, ciphertext: Buffer): Handle =>
      this.lib.C_CreateObject(session, [
        ...template.filter(({ type }) => type !== pkcs11.CKA_VALUE_LEN),
        { type: pkcs11.CKA_VALUE, value: createHash('sha256').update(key.seed).update(ciphertext).digest() },
      ])
    return {
      C_EncapsulateKey: (session, { mechanism }, publicKey, template, ciphertext) => {
        const key = this.key('C_EncapsulateKey', publicKey, mechanism === mlKem ? mlKemPair : 0)
        const made = randomBytes(key.output)
        made.copy(ciphertext)
        return { ciphertext: ciphertext.subarray(0, made.length), key: secret(session, template, key, made) }
      },
      C_DecapsulateKey: (session, { mechanism }, privateKey, template, ciphertext) =>
        secret(session, template, this.key('C_DecapsulateKey', privateKey, mechanism === mlKem ? mlKemPair : 0), ciphertext),
    }
  }

  private generate(
    real: (...args: readonly unknown[]) => unknown, session: Handle, mechanism: Mechanism, publicKey: Template, privateKey: Template,
  ): unknown {
    const generate = mechanism.mechanism
    const keyType = keyTypes[generate]
    if (keyType === undefined) return real(session, mechanism, publicKey, privateKey)
    const set = Number(publicKey.find(({ type }) => type === parameterSet)?.value)
    const size = sizes[`${generate}-${set}`]
    if (!size) throw new pkcs11.Pkcs11Error('CKR_ATTRIBUTE_VALUE_INVALID', pkcs11.CKR_ATTRIBUTE_VALUE_INVALID)
    this.calls.push('C_GenerateKeyPair')
    const pair = real(session, { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }, [...ofEc(publicKey), { type: pkcs11.CKA_EC_PARAMS, value: p256 }],
      ofEc(privateKey)) as pkcs11.KeyPair
    const key = { generate, seed: randomBytes(32), publicKey: randomBytes(size[0]), output: size[1] }
    for (const [handle, template] of [[pair.publicKey, publicKey], [pair.privateKey, privateKey]] as const) {
      const shown = new Map([
        [pkcs11.CKA_KEY_TYPE, ulong(keyType)], [pkcs11.CKA_KEY_GEN_MECHANISM, ulong(generate)], [parameterSet, ulong(set)],
        ...handle === pair.publicKey ? [[pkcs11.CKA_VALUE, key.publicKey] as const] : [],
        ...template.filter(({ type }) => extra.includes(type)).map(({ type, value }) => [type, bytesOf(value)] as const),
      ])
      this.keys.set(nameOf(handle), { ...key, shown })
    }
    return pair
  }

  private key(call: string, handle: unknown, generate: number): FakeKey {
    this.calls.push(call)
    const key = this.keys.get(nameOf(handle))
    if (key?.generate === generate) return key
    throw new pkcs11.Pkcs11Error('CKR_KEY_TYPE_INCONSISTENT', pkcs11.CKR_KEY_TYPE_INCONSISTENT)
  }
}

/** Attributes that the real token does not know, or would hold the pretended key to. */
const extra: readonly number[] = [encapsulate, decapsulate, pkcs11.CKA_ALLOWED_MECHANISMS]

function ofEc(template: Template): Template {
  return template.filter(({ type }) => type !== parameterSet && !extra.includes(type))
    .map(({ type, value }) => type === pkcs11.CKA_KEY_TYPE ? { type, value: pkcs11.CKK_EC } : { type, value }) as Template
}

function signature({ seed, output }: FakeKey, data: Buffer): Buffer {
  return createHash('shake256', { outputLength: output }).update(seed).update(data).digest()
}

function nameOf(handle: unknown): string {
  return (handle as Handle).toString('hex')
}

function ulong(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function bytesOf(value: unknown): Buffer {
  return typeof value === 'boolean' ? Buffer.of(Number(value)) : value as Buffer
}
