import { KmsError } from '../../domain/errors.js'
import { keyIdBytes, keyIdOfBytes } from '../../domain/key-id.js'
import type { WrappingBits } from '../../domain/material.js'
import type { Hsm, WrappingAlgorithm } from '../../ports/hsm.js'
import { macBytes, RootMac } from '../root-mac.js'

/** What an import token says: for which key, and which wrapping key and algorithm the material comes under. */
export interface ImportParameters {
  readonly region: string
  readonly keyId: string
  readonly algorithm: WrappingAlgorithm
  readonly bits: WrappingBits
  /** The day of the wrapping key, since the epoch. */
  readonly day: number
  /** Milliseconds since the epoch. */
  readonly validTo: number
}

/*
 * An import token is
 *
 *   format 1 | version of root/mac u32 | algorithm u8 | bits u16 | day u32 | valid to u64 | region length u8 | region | key id 16 | HMAC 32
 *
 * where the HMAC-SHA-256 is by `root/mac` over all before it.
 */
const format = 1
const prefixBytes = 21
const keyBytes = 16
const algorithms: readonly WrappingAlgorithm[] = [
  'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256',
]

export class ImportTokens {
  readonly #mac: RootMac

  constructor(hsm: Hsm, rootVersion: number) {
    this.#mac = new RootMac(hsm, rootVersion, 'import-token\0')
  }

  async tokenOf({ region, keyId, algorithm, bits, day, validTo }: ImportParameters): Promise<Uint8Array> {
    const prefix = Buffer.alloc(prefixBytes)
    prefix.writeUInt8(format)
    prefix.writeUInt32BE(this.#mac.version, 1)
    prefix.writeUInt8(algorithms.indexOf(algorithm), 5)
    prefix.writeUInt16BE(bits, 6)
    prefix.writeUInt32BE(day, 8)
    prefix.writeBigUInt64BE(BigInt(validTo), 12)
    prefix.writeUInt8(Buffer.byteLength(region), 20)
    const signed = Buffer.concat([prefix, Buffer.from(region), keyIdBytes(keyId)])
    return Buffer.concat([signed, await this.#mac.of(signed)])
  }

  /** Throws InvalidImportTokenException for one that was not made here; how old it may be is for the caller. */
  async read(token: Uint8Array): Promise<ImportParameters> {
    const bytes = Buffer.from(token)
    const signed = bytes.subarray(0, -macBytes)
    const regionBytes = bytes.length > prefixBytes ? bytes.readUInt8(20) : 0
    if (bytes[0] !== format || bytes.length !== prefixBytes + regionBytes + keyBytes + macBytes) throw invalidToken()
    if (!await this.#mac.verifies(bytes.readUInt32BE(1), signed, bytes.subarray(-macBytes))) throw invalidToken()
    return parameters(signed, regionBytes)
  }
}

/** Of bytes that are known to be ours. */
function parameters(signed: Buffer, regionBytes: number): ImportParameters {
  const algorithm = algorithms[signed.readUInt8(5)]
  if (!algorithm) throw invalidToken()
  return {
    algorithm,
    bits: signed.readUInt16BE(6) as WrappingBits,
    day: signed.readUInt32BE(8),
    validTo: Number(signed.readBigUInt64BE(12)),
    region: signed.toString('utf8', prefixBytes, prefixBytes + regionBytes),
    keyId: keyIdOfBytes(signed.subarray(prefixBytes + regionBytes)),
  }
}

export function invalidToken(): KmsError {
  return new KmsError('InvalidImportTokenException', 'The import token is damaged, or that of another KMS key.')
}
