import { KmsError } from './errors.js'
import { foldCase } from './policy/fold-case.js'
import { isJsonObject, parseStrictly, type Json } from './policy/json.js'

/*
 * Tokens of identity providers: JSON Web Tokens as OpenID Connect has them (RFC 7519; OpenID Connect Core 1.0, section 3.1.3.7). Nothing
 * here looks at signatures: what is read before one is verified only says whose keys to verify it with.
 */

export const signatureAlgorithms = [
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA',
] as const
export type SignatureAlgorithm = typeof signatureAlgorithms[number]

/** An identity provider, as configured. */
export interface TrustedIssuer {
  /** The claim `iss`, to the letter. */
  readonly issuer: string
  /** Whom its tokens may be for; there is no other way to know that one was meant for this service. */
  readonly audiences: readonly string[]
  /** Whose roles may trust it; undefined: those of every account. */
  readonly accounts?: readonly string[]
  readonly algorithms: readonly SignatureAlgorithm[]
}

/** Somebody whom an identity provider vouches for. */
export interface WebIdentity {
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly [string, ...string[]]
  /** Milliseconds since the epoch. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** All of them, by name. */
  readonly claims: ReadonlyMap<string, unknown>
}

/** STS API Reference, AssumeRoleWithWebIdentity. */
export const tokenCharactersMax = 20_000
const compactForm = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/
/** Nested claims are the provider's own business, within reason. */
const nestingMax = 32
/** How far the clock of a provider may be ahead of ours. None for the end of a token. */
export const clockSkewSecondsMax = 60
/** OpenID Connect Core has 255; those of Kubernetes are longer. */
const subjectCharactersMax = 512

const notJwt = 'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)'

/** The issuer that a token names, before anybody has vouched for it. Throws InvalidIdentityTokenException for what is no token. */
export function issuerNamed(token: string): string {
  const [, header, payload] = (token.length > tokenCharactersMax ? null : compactForm.exec(token)) ?? []
  if (header === undefined || payload === undefined) throw invalidToken(notJwt)
  const { crit } = objectIn(Buffer.from(header, 'base64url'))
  // No extension is known here (RFC 7515, section 4.1.11).
  if (crit !== undefined) throw invalidToken(notJwt)
  const { iss } = objectIn(Buffer.from(payload, 'base64url'))
  if (typeof iss !== 'string') throw missingClaim('iss')
  return iss
}

/**
 * What a token with a verified signature says, if it is one for us at `now`. Throws InvalidIdentityTokenException if it is of another
 * issuer or for somebody else, ExpiredIdentityTokenException when it is over, and IDPRejectedClaimException for what cannot be.
 */
export function webIdentityOf(payload: Uint8Array, { issuer, audiences: ours }: TrustedIssuer, now: number): WebIdentity {
  const claims = objectIn(payload)
  if (claims.iss !== issuer) throw unknownProvider(String(claims.iss))
  const audiences = audiencesOf(claims.aud)
  // Whoever else it is for could have it, and pass it on (OpenID Connect Core, section 3.1.3.7, step 3).
  if (!audiences.every(audience => ours.includes(audience))) throw invalidToken('Incorrect token audience')
  const { sub: subject } = claims
  if (subject === undefined) throw missingClaim('sub')
  if (typeof subject !== 'string' || subject === '' || subject.length > subjectCharactersMax) throw rejectedClaim('sub')
  const expiresAt = timeOf(claims, 'exp')
  if (expiresAt === undefined) throw missingClaim('exp')
  const seconds = Math.floor(now / 1000)
  if (seconds >= expiresAt) throw expiredToken(seconds, expiresAt)
  const issuedAt = timeOf(claims, 'iat')
  for (const [name, time = 0] of [['iat', issuedAt], ['nbf', timeOf(claims, 'nbf')]] as const) {
    if (time > seconds + clockSkewSecondsMax) throw rejectedClaim(name)
  }
  return {
    issuer, subject, audiences, issuedAt: (issuedAt ?? seconds) * 1000, expiresAt: expiresAt * 1000,
    claims: new Map(Object.entries(claims)),
  }
}

/** How IAM calls the provider of an issuer: without the scheme. */
export function providerName(issuer: string): string {
  return issuer.replace(/^https?:\/\//, '')
}

export function providerArn(accountId: string, issuer: string): string {
  return `arn:aws:iam::${accountId}:oidc-provider/${providerName(issuer)}`
}

/**
 * The claims that policies can ask for, by the names of their condition keys in small letters: `issuer.example/path:sub`. Not those with a
 * colon in their name: of `issuer.example` that could pass for a key of `issuer.example:8443`.
 */
export function claimKeys({ issuer, claims }: WebIdentity): ReadonlyMap<string, string | readonly string[]> {
  const keys = new Map<string, string | readonly string[]>()
  const prefix = foldCase(`${providerName(issuer)}:`)
  for (const [name, claim] of claims) {
    const texts: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
    if (name.includes(':') || !texts.every(isScalar)) continue
    keys.set(prefix + foldCase(name), Array.isArray(claim) ? texts.map(String) : String(claim))
  }
  return keys
}

/** A provider that the account does not have. */
export function unknownProvider(issuer: string): KmsError {
  return invalidToken(`No OpenIDConnect provider found in your account for ${issuer.slice(0, 256)}`)
}

export function invalidToken(message: string, cause?: unknown): KmsError {
  return new KmsError('InvalidIdentityTokenException', message, { cause })
}

export function rejectedClaim(name: string): KmsError {
  return new KmsError('IDPRejectedClaimException', `The claim ${name} of the token cannot be accepted`)
}

/** Names that differ in nothing but case are refused with those that are the same: condition keys do not tell them apart. */
function objectIn(json: Uint8Array): Json {
  const fail = () => { throw invalidToken(notJwt) }
  const parsed = parseStrictly(textOf(json) ?? fail(), fail, nestingMax)
  return isJsonObject(parsed) ? parsed : fail()
}

/** undefined for what is not UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function audiencesOf(aud: unknown): readonly [string, ...string[]] {
  if (aud === undefined) throw missingClaim('aud')
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  const [first, ...others] = list
  if (typeof first !== 'string' || !others.every(other => typeof other === 'string')) throw invalidToken('Incorrect token audience')
  return [first, ...others]
}

/** Whole seconds since the epoch (RFC 7519, NumericDate): a time that no clock shows is as good as a text. */
function timeOf(claims: Json, name: string): number | undefined {
  const time = claims[name]
  if (time === undefined) return undefined
  if (typeof time !== 'number' || !(Math.abs(time) <= timeSecondsMax)) throw rejectedClaim(name)
  return Math.floor(time)
}

/** The furthest that a Date can hold (ECMAScript, Time Values). */
const timeSecondsMax = 8.64e12

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

function missingClaim(name: string): KmsError {
  return invalidToken(`Missing a required claim: ${name}`)
}

function expiredToken(now: number, end: number): KmsError {
  const message = `Token expired: current date/time ${now} must be before the expiration date/time ${end}`
  return new KmsError('ExpiredIdentityTokenException', message)
}
