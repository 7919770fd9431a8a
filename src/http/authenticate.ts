import type { Caller } from '../domain/caller.js'
import { KmsError, type ErrorCode } from '../domain/errors.js'
import type { Clock } from '../ports/clock.js'
import type { ServiceName } from '../service/operation.js'
import type { Identity } from '../service/perform.js'
import { isSessionKeyId } from '../service/sts/session-tokens.js'
import type { Attempt, FailingSources } from '../service/throttle/failing-sources.js'
import { decidingCertificate, identityOf, type CertificateLookup, type PresentedCertificate } from './client-certificate.js'
import { isSigned, parseAuthorization, signingKey, terminator, type Authorization, type SignedRequest } from './sigv4.js'

export interface Credential {
  readonly caller: Caller
  readonly secret: Uint8Array
}

export interface CredentialLookup {
  /**
   * undefined for an access key that does not exist or is not active, or is of a session and the token is not its own. Answers the same
   * object as long as the credential stays as it is, and another one (or none) from the moment it changes: derived signing keys live and
   * die with the object. Throws ExpiredTokenException for a session that has ended.
   */
  lookup(accessKeyId: string, sessionToken: string | undefined): Promise<Credential | undefined>
  /** Whether `lookup` would answer from memory. */
  knows?(accessKeyId: string, sessionToken: string | undefined): boolean
}

export interface AuthenticateDeps {
  readonly credentials: CredentialLookup
  /** Whose client certificates let them in; without it, nobody's. */
  readonly certificates?: CertificateLookup
  /** Regions that this server answers for. */
  readonly regions: ReadonlySet<string>
  readonly clock: Clock
  /** Without it nobody is refused for failing too often. */
  readonly sources?: FailingSources
}

/** A request, and where it came from; the certificate is that of its connection. */
export interface ReceivedRequest extends SignedRequest {
  readonly sourceIp: string
  readonly certificate?: PresentedCertificate
}

/** How far the clock of a client may be off, either way. The SDKs correct themselves from 4 minutes on. */
export const clockSkewMaxMs = 5 * 60_000
/** A credential is used in few regions on two days at a time. */
const signingKeysPerCredentialMax = 16

const mismatch = 'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and '
  + 'signing method. Consult the service documentation for details.'
const unknownToken = 'The security token included in the request is invalid.'

/** Stands in for a credential that is not there, so that an unknown access key costs what a wrong signature costs. */
const nobody: Credential = {
  caller: {
    type: 'User', arn: '', principalArn: '', accountId: '', accessKeyId: '', uniqueId: '', userId: '', tags: [], policies: [],
  },
  secret: new Uint8Array(40),
}

const signingKeys = new WeakMap<Credential, Map<string, Uint8Array>>()

/**
 * Who signed this request to `service`, and for which Region. Throws the KmsError of the first thing that is wrong: no signature,
 * malformed, stale, of another scope, too little signed; then unknown access key, then wrong signature. Where there is no signature at all,
 * the client certificate of the connection says who it is; where there is one, nothing else does.
 *
 * A session token with a long-term access key is ignored, signed or not: some clients send what their environment holds.
 */
export async function authenticate(request: ReceivedRequest, service: ServiceName, deps: AuthenticateDeps): Promise<Identity> {
  const attempt = deps.sources?.attempt(request.sourceIp)
  try {
    const identity = await verified(request, service, deps, attempt)
    attempt?.succeeded()
    return identity
  } catch (error) {
    throw attempt ? attempt.failed(error) : error
  }
}

async function verified(
  request: ReceivedRequest, service: ServiceName, deps: AuthenticateDeps, attempt: Attempt | undefined,
): Promise<Identity> {
  const certificate = deps.certificates && decidingCertificate(request)
  if (deps.certificates && certificate) return identityOf(certificate, request.headers, deps.certificates)
  const authorization = authorizationOf(request)
  const { timestamp, time } = timestampOf(request)
  checkTime(timestamp, time, authorization, deps.clock)
  checkScope(authorization, service, deps.regions)
  checkSignedHeaders(request, authorization)
  const [{ accessKeyId }, sessionToken] = [authorization, request.headers.get(tokenHeader)]
  const credential = await (attempt
    ? attempt.lookup({ accessKeyId, sessionToken }, deps.credentials)
    : deps.credentials.lookup(accessKeyId, sessionToken))
  const signed = isSigned(request, authorization, timestamp, keyFor(credential ?? nobody, authorization))
  if (!credential) throw new KmsError('UnrecognizedClientException', unknownToken)
  if (!signed) throw invalid(mismatch)
  return { caller: credential.caller, region: authorization.region }
}

function authorizationOf({ headers, target }: SignedRequest): Authorization {
  const header = headers.get('authorization')
  if (header === undefined) throw unsigned(target)
  const parsed = parseAuthorization(header)
  if ('signature' in parsed) return parsed
  // The header itself is not repeated: a client that got its form wrong may have put anything there.
  throw incomplete(parsed.map(part => part === 'Algorithm'
    ? 'Authorization header requires the algorithm \'AWS4-HMAC-SHA256\'.'
    : `Authorization header requires '${part}' parameter.`).join(' '))
}

function unsigned(target: string): KmsError {
  return /[?&]X-Amz-(?:Algorithm|Credential|Signature)=/.test(target)
    ? incomplete('A signature in the query string is not supported here. Sign with the Authorization header.')
    : new KmsError('MissingAuthenticationTokenException', 'Missing Authentication Token')
}

const basic = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/** X-Amz-Date, else Date, as SigV4 writes times: 20260101T000000Z. */
function timestampOf({ headers }: SignedRequest): { timestamp: string, time: number } {
  const text = headers.get('x-amz-date') ?? headers.get('date')
  if (text === undefined) throw incomplete('Authorization header requires existence of either a \'X-Amz-Date\' or a \'Date\' header.')
  const isHttpDate = httpDate.test(text)
  const time = isHttpDate ? Date.parse(text) : timeOf(text)
  if (Number.isNaN(time)) throw incomplete('Date must be in ISO-8601 \'basic format\'.')
  return { timestamp: isHttpDate ? basicFormat(time) : text, time }
}

/** NaN for anything that is not a time in basic format. */
function timeOf(timestamp: string): number {
  const form = basic.exec(timestamp)
  if (!form) return NaN
  const time = Date.parse(`${form[1]}-${form[2]}-${form[3]}T${form[4]}:${form[5]}:${form[6]}Z`)
  // Date moves a day that does not exist to one that does.
  return new Date(time).getUTCDate() === Number(form[3]) ? time : NaN
}

function basicFormat(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}

function checkTime(timestamp: string, time: number, { date }: Authorization, clock: Clock): void {
  // To the second, as the texts are: what they say must be what was compared.
  const now = Math.floor(clock.now() / 1000) * 1000
  const [earliest, latest] = [now - clockSkewMaxMs, now + clockSkewMaxMs]
  const minutes = clockSkewMaxMs / 60_000
  if (time < earliest) {
    throw invalid(`Signature expired: ${timestamp} is now earlier than ${basicFormat(earliest)} (${basicFormat(now)} - ${minutes} min.)`)
  }
  if (time > latest) {
    throw invalid(`Signature not yet current: ${timestamp} is still later than ${basicFormat(latest)} `
      + `(${basicFormat(now)} + ${minutes} min.)`)
  }
  const day = timestamp.slice(0, 8)
  if (date !== day) {
    throw invalid('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '
      + `'${date}' != '${day}', from '${timestamp}'.`)
  }
}

function checkScope(authorization: Authorization, service: ServiceName, regions: ReadonlySet<string>): void {
  if (authorization.terminator !== terminator) throw invalid(`Credential should be scoped with a valid terminator: '${terminator}'.`)
  if (!regions.has(authorization.region)) throw invalid('Credential should be scoped to a valid region.')
  if (authorization.service !== service) throw invalid(`Credential should be scoped to correct service: '${service}'.`)
}

/**
 * Everything that says what is asked of whom must be signed: Host, the date, and every X-Amz-* header (IAM User Guide, canonical
 * headers). The guide also asks for Content-Type, but the AWS SDK for PHP leaves it out, and here it has one legal value anyway.
 */
function checkSignedHeaders({ headers }: SignedRequest, { accessKeyId, signedHeaders }: Authorization): void {
  const date = headers.has('x-amz-date') ? 'x-amz-date' : 'date'
  const token = isSessionKeyId(accessKeyId) && headers.has(tokenHeader) ? [tokenHeader] : []
  for (const name of ['host', date, ...token]) if (!signedHeaders.includes(name)) throw notSigned(name)
  for (const name of headers.keys()) {
    if (name.startsWith('x-amz-') && !mayBeUnsigned.has(name) && !signedHeaders.includes(name)) throw notSigned(name)
  }
}

const tokenHeader = 'x-amz-security-token'
/** Nothing is decided by either: see above for the token with a long-term access key; the other is how a browser says what it is. */
const mayBeUnsigned: ReadonlySet<string> = new Set([tokenHeader, 'x-amz-user-agent'])

function keyFor(credential: Credential, { date, region, service }: Authorization): Uint8Array {
  let keys = signingKeys.get(credential)
  if (!keys) signingKeys.set(credential, keys = new Map<string, Uint8Array>())
  const name = `${date}/${region}/${service}`
  let key = keys.get(name)
  if (key) return key
  if (keys.size >= signingKeysPerCredentialMax) keys.clear()
  key = signingKey(credential.secret, date, region, service)
  keys.set(name, key)
  return key
}

function notSigned(name: string): KmsError {
  return invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`)
}

function invalid(message: string): KmsError {
  return refusal('InvalidSignatureException', message)
}

function incomplete(message: string): KmsError {
  return refusal('IncompleteSignatureException', message)
}

function refusal(code: ErrorCode, message: string): KmsError {
  return new KmsError(code, message)
}
