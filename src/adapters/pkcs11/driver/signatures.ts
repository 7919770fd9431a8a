import pkcs11, { type Handle } from 'pkcs11js'
import type { SigningAlgorithm } from '../../../domain/key-spec.js'
import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import { attributeType } from './attributes.js'
import type { Connection } from './connection.js'
import type { Doubt } from './doubt.js'
import { returnValueOf } from './errors.js'
import { signWith, verifiesWith, view } from './operations.js'
import { prefixed, pureEdwards, signingRow, type SigningRow } from './signing.js'
import { publicKeyInfo } from './spki.js'
import { Verdict } from './verdict.js'

/** What C_Verify says of a signature that is not even well-formed, besides the two codes that are for it. */
const blamesSignature: readonly number[] = [
  pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE,
]
/** NSS and openCryptoki say so where the padding is wrong; and any device may when it fails. */
const leavesOpen: readonly number[] = [
  pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_ARGUMENTS_BAD,
]

/** What is done with key pairs that sign; and public keys of all pairs. */
export class Signatures {
  private readonly connection: Connection
  private readonly doubt: Doubt
  private readonly verdict = new Verdict()

  constructor(connection: Connection, doubt: Doubt) {
    this.connection = connection
    this.doubt = doubt
  }

  sign(material: Material, algorithm: SigningAlgorithm, input: Uint8Array): Uint8Array {
    const row = signingRow(material, algorithm, input)
    this.requirePrehash(algorithm)
    const data = prefixed(row, input)
    return this.connection.repeatable('signing', () => {
      const signature = this.signed(material, row, data)
      if (!this.doubt.confirmed(() => this.verifies(material, row, data, signature))) {
        throw this.doubt.twoAnswers('a fresh signature did not verify', material)
      }
      if (algorithm === 'ED25519_PH_SHA_512') this.refusePure(material, data, signature)
      return signature
    }, material)
  }

  verify(material: Material, algorithm: SigningAlgorithm, input: Uint8Array, signature: Uint8Array): boolean {
    const row = signingRow(material, algorithm, input)
    this.requirePrehash(algorithm)
    if (signature.length !== row.signatureBytes(material.kind)) return false
    const [data, given] = [prefixed(row, input), view(signature)]
    return this.connection.repeatable('verifying', () => {
      const good = this.judge(material, row, data, given)
      if (algorithm === 'ED25519_PH_SHA_512' && good) this.refusePure(material, data, given)
      if (!this.doubt.confirmed(() => this.judge(material, row, data, given) === good)) {
        throw this.doubt.twoAnswers('one signature was good and bad', material)
      }
      return good
    }, material)
  }

  publicKey(material: Material): Uint8Array {
    // Each on its own: a device that is busy now and then would let no row of them through.
    const once = (): Uint8Array => publicKeyInfo(material.kind, name => this.connection.repeatable('reading a public key', () => {
      const wanted = [{ type: attributeType(name) }]
      const [read] = this.connection.lib.C_GetAttributeValue(this.connection.session(), this.half(material, 1), wanted)
      return read?.value ?? new Uint8Array()
    }, material))
    return this.connection.repeatable('reading a public key', () => {
      const info = once()
      // Nothing vouches for it, and whoever has a wrong one encrypts what nobody can open.
      const same = (): boolean => Buffer.compare(info, once()) === 0
      if (!this.doubt.confirmed(same)) throw this.doubt.twoAnswers('one key had two public keys', material)
      return info
    }, material)
  }

  /** Of a client's signature: where the token's answer leaves open who is to blame, one of our own decides. */
  private judge(material: Material, row: SigningRow, data: Buffer, signature: Buffer): boolean {
    try {
      return this.verifies(material, row, data, signature)
    } catch (error) {
      const code = returnValueOf(error)
      if (code !== undefined && blamesSignature.includes(code)) return false
      if (code === undefined || !leavesOpen.includes(code)) throw error
      this.verdict.requireWorking(error, () => this.verifies(material, row, data, this.signed(material, row, data)))
      return false
    }
  }

  private signed(material: Material, row: SigningRow, data: Buffer): Buffer {
    const { lib } = this.connection
    return signWith(lib, this.connection.session(), row.mechanism, this.half(material, 0), data, row.signatureBytes(material.kind))
  }

  private verifies(material: Material, { mechanism }: SigningRow, data: Buffer, signature: Buffer): boolean {
    return verifiesWith(this.connection.lib, this.connection.session(), mechanism, this.half(material, 1), data, signature)
  }

  private half(material: Material, at: 0 | 1): Handle {
    const handle = this.connection.handles(material)[at]
    if (!handle) throw new HsmError('configuration', `material ${material.name} of kind ${material.kind} is no key pair`)
    return handle
  }

  private requirePrehash(algorithm: SigningAlgorithm): void {
    if (algorithm === 'ED25519_PH_SHA_512' && !this.connection.profile.edwards.prehash) throw noPrehash()
  }

  /** A token that does not heed CK_EDDSA_PARAMS makes, and takes, plain Ed25519: whatever its profile says. */
  private refusePure(material: Material, data: Buffer, signature: Buffer): void {
    const { lib } = this.connection
    if (verifiesWith(lib, this.connection.session(), pureEdwards, this.half(material, 1), data, signature)) throw noPrehash()
  }
}

function noPrehash(): HsmError {
  return new HsmError('unsupported', 'this token does no Ed25519ph', pkcs11.CKR_MECHANISM_PARAM_INVALID)
}
