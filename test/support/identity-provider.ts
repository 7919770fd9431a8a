import { constants, createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { SignatureAlgorithm } from '../../src/domain/web-identity.js'

/** JSON Web Tokens written by hand, so that anything can be wrong with them. */

type Json = Readonly<Record<string, unknown>>

export interface Pair { readonly kid: string, readonly privateKey: KeyObject, readonly publicKey: KeyObject, readonly jwk: Json }

const kinds = {
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'RSA-1024': () => generateKeyPairSync('rsa', { modulusLength: 1024 }),
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed25519: () => generateKeyPairSync('ed25519'),
} as const

/** A key pair, and its public half as a JSON Web Key with these members, too. */
export function newPair(kind: keyof typeof kinds, kid: string, more: Json = {}): Pair {
  const { privateKey, publicKey } = kinds[kind]()
  return { kid, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', ...more } }
}

export function keySet(...pairs: readonly Pick<Pair, 'jwk'>[]): string {
  return JSON.stringify({ keys: pairs.map(({ jwk }) => jwk) })
}

/** RFC 7518, section 3.1, and RFC 8037. */
const signers: Readonly<Record<SignatureAlgorithm, (data: Buffer, key: KeyObject) => Buffer>> = {
  RS256: (data, key) => sign('sha256', data, key),
  RS384: (data, key) => sign('sha384', data, key),
  RS512: (data, key) => sign('sha512', data, key),
  PS256: (data, key) => pss('sha256', data, key),
  PS384: (data, key) => pss('sha384', data, key),
  PS512: (data, key) => pss('sha512', data, key),
  ES256: (data, key) => sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' }),
  ES384: (data, key) => sign('sha384', data, { key, dsaEncoding: 'ieee-p1363' }),
  ES512: (data, key) => sign('sha512', data, { key, dsaEncoding: 'ieee-p1363' }),
  EdDSA: (data, key) => sign(null, data, key),
}

function pss(hash: string, data: Buffer, key: KeyObject): Buffer {
  return sign(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST })
}

export interface TokenParts {
  readonly claims: Json | string
  readonly header?: Json | string
  readonly algorithm?: SignatureAlgorithm
  readonly by: Pick<Pair, 'kid' | 'privateKey'>
}

/** A JWT in compact form. A text in the place of claims or header is taken as it is. */
export function jwt({ claims, algorithm = 'RS256', by, header = { alg: algorithm, kid: by.kid, typ: 'JWT' } }: TokenParts): string {
  const signed = `${encoded(header)}.${encoded(claims)}`
  return `${signed}.${signers[algorithm](Buffer.from(signed), by.privateKey).toString('base64url')}`
}

/** With a MAC in the place of the signature. */
export function jwtWithMac(claims: Json, secret: string | Buffer, kid: string): string {
  const signed = `${encoded({ alg: 'HS256', kid })}.${encoded(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

export function encoded(part: Json | string): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}
