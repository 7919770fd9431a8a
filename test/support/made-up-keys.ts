import { generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import {
  contextTag, der, derBitString, derNull, derOctetString, derOid, derSequence, derUnsigned, encodeDer,
} from '../../src/domain/der.js'
import { curves, objectIds } from '../../src/domain/object-ids.js'

/** Private keys as they should not be, and as they should: for imports. */

/** PrivateKeyInfo (RFC 5958). */
export function pkcs8(algorithm: ReturnType<typeof der>, key: ReturnType<typeof der>, ...behind: ReturnType<typeof der>[]): Uint8Array {
  return encodeDer(derSequence(derUnsigned(behind.length > 0 ? 1 : 0), algorithm, derOctetString(key), ...behind))
}

const rsaAlgorithm = derSequence(derOid(objectIds.rsaEncryption), derNull())
const p256Algorithm = derSequence(derOid(objectIds.ecPublicKey), derOid(curves.p256.oid))
export const ed25519Algorithm = derSequence(derOid(objectIds.ed25519))

type RsaName = 'n' | 'e' | 'd' | 'p' | 'q' | 'dp' | 'dq' | 'qi'
export const rsaNames: readonly RsaName[] = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi']
export type RsaNumbers = Readonly<Record<RsaName, bigint>>

const bytesOf = (number: bigint): Buffer => Buffer.from(number.toString(16).padStart(2, '0').replace(/^(?=(..)*.$)/, '0'), 'hex')
export const rsaKey = (numbers: RsaNumbers): Uint8Array =>
  pkcs8(rsaAlgorithm, derSequence(derUnsigned(0), ...rsaNames.map(name => derUnsigned(bytesOf(numbers[name])))))

function inverse(of: bigint, modulus: bigint): bigint {
  let [rest, next, factor, nextFactor] = [modulus, of % modulus, 0n, 1n]
  while (next > 0n) [rest, next, factor, nextFactor] = [next, rest % next, nextFactor, factor - rest / next * nextFactor]
  return (factor + modulus) % modulus
}

export function rsaOf(p: bigint, q: bigint, from = 65_537n): RsaNumbers {
  const order = (p - 1n) * (q - 1n)
  let e = from
  while (e * inverse(e, order) % order !== 1n) e += 2n
  const d = inverse(e, order)
  return { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) }
}

export function goodRsa(): RsaNumbers {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  const number = (name: RsaName): bigint => BigInt(`0x${Buffer.from(jwk[name] ?? '', 'base64url').toString('hex')}`)
  return Object.fromEntries(rsaNames.map(name => [name, number(name)])) as unknown as RsaNumbers
}

export const ecKey = (scalar: Uint8Array, ...behind: ReturnType<typeof der>[]): Uint8Array =>
  pkcs8(p256Algorithm, derSequence(derUnsigned(1), derOctetString(scalar), ...behind))
export const withPoint = (...point: Uint8Array[]) => der(contextTag(1), derBitString(...point))
export const p256Order = BigInt(`0x${Buffer.from(curves.p256.order).toString('hex')}`)
export const scalarOf = (number: bigint): Buffer => Buffer.from(number.toString(16).padStart(64, '0'), 'hex')

export const newP256 = (): Required<Pick<JsonWebKey, 'd' | 'x' | 'y'>> => {
  const { d = '', x = '', y = '' } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  return { d, x, y }
}
export const raw = (text: string): Buffer => Buffer.from(text, 'base64url')
