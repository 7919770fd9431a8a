import { KmsError } from '../../domain/errors.js'
import { keyIdBytes, keyIdOfBytes } from '../../domain/key-id.js'
import type { Grant } from '../../domain/grant.js'
import type { Hsm } from '../../ports/hsm.js'
import { macBytes, RootMac } from '../root-mac.js'

export type GrantName = Pick<Grant, 'region' | 'keyId' | 'grantId'>

/*
 * A grant token is the base64 of
 *
 *   format 1 | version of root/mac u32 | region length u8 | region | key id 16 | grant id 32 | HMAC-SHA-256 32
 *
 * where the HMAC is by `root/mac` over all before it. It names a grant and nothing else, so every token of a grant is as good as any other.
 */
const format = 1
const prefixBytes = 6
const keyBytes = 16
const grantBytes = 32

interface Parsed { readonly grant: GrantName, readonly rootVersion: number, readonly signed: Buffer, readonly mac: Buffer }

export class GrantTokens {
  readonly #mac: RootMac

  constructor(hsm: Hsm, rootVersion: number) {
    this.#mac = new RootMac(hsm, rootVersion, 'grant-token\0')
  }

  async tokenOf({ region, keyId, grantId }: GrantName): Promise<string> {
    const prefix = Buffer.alloc(prefixBytes)
    prefix.writeUInt8(format)
    prefix.writeUInt32BE(this.#mac.version, 1)
    prefix.writeUInt8(Buffer.byteLength(region), 5)
    const signed = Buffer.concat([prefix, Buffer.from(region), keyIdBytes(keyId), Buffer.from(grantId, 'hex')])
    return Buffer.concat([signed, await this.#mac.of(signed)]).toString('base64')
  }

  /**
   * The grants that these tokens name, whether or not there still are any such. Throws InvalidGrantTokenException for one that was not made
   * here.
   */
  read(tokens: readonly string[]): Promise<readonly GrantName[]> {
    return Promise.all(tokens.map(token => this.#read(token)))
  }

  async #read(token: string): Promise<GrantName> {
    const { grant, rootVersion, signed, mac } = parse(token)
    if (!await this.#mac.verifies(rootVersion, signed, mac)) throw invalidToken()
    return grant
  }
}

/** What a token says, not yet whether it is genuine. Throws InvalidGrantTokenException for what can be none. */
export function grantOfToken(token: string): GrantName {
  return parse(token).grant
}

function parse(token: string): Parsed {
  const bytes = Buffer.from(token, 'base64')
  // One text per token: base64 has several for the same bytes.
  if (bytes.length < prefixBytes || bytes.toString('base64') !== token || bytes.readUInt8() !== format) throw invalidToken()
  const regionEnd = prefixBytes + bytes.readUInt8(5)
  const [keyEnd, end] = [regionEnd + keyBytes, regionEnd + keyBytes + grantBytes]
  if (bytes.length !== end + macBytes) throw invalidToken()
  return {
    grant: {
      region: bytes.toString('latin1', prefixBytes, regionEnd),
      keyId: keyIdOfBytes(bytes.subarray(regionEnd, keyEnd)),
      grantId: bytes.toString('hex', keyEnd, end),
    },
    rootVersion: bytes.readUInt32BE(1),
    signed: bytes.subarray(0, end),
    mac: bytes.subarray(end),
  }
}

function invalidToken(): KmsError {
  return new KmsError('InvalidGrantTokenException', 'The grant token was not made by this service, or is damaged.')
}
