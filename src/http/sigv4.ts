import { createHmac, hash, timingSafeEqual } from 'node:crypto'

/**
 * AWS Signature Version 4, header form, over a request as it was received (IAM User Guide, "Create a signed AWS API request").
 * Pure: who signs, when and for what is decided in authenticate.ts.
 */
export interface SignedRequest {
  readonly method: string
  readonly target: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

export interface Authorization {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly terminator: string
  /** Lower case, sorted, no repetition. */
  readonly signedHeaders: readonly string[]
  /** 64 lower-case hex digits. */
  readonly signature: string
}

export const algorithm = 'AWS4-HMAC-SHA256'
export const terminator = 'aws4_request'

const prefix = `${algorithm} `
const credentialForm = /^(\w{1,128})\/(\d{8})\/([\w-]{1,64})\/([\w-]{1,64})\/(\w{1,64})$/
const signedHeadersForm = /^[!#$%&'*+.^_`|~0-9a-z-]+(?:;[!#$%&'*+.^_`|~0-9a-z-]+)*$/
const signatureForm = /^[0-9a-f]{64}$/
/** More than any client signs; bounds the work of a request that is not yet known to be anybody's. */
export const signedHeadersMax = 64

/** Parts of an Authorization header that are missing or not in their form. */
export type AuthorizationPart = 'Algorithm' | 'Credential' | 'SignedHeaders' | 'Signature'

/** Strict: exactly the three parameters, each once. Answers the parts that are at fault if any is. */
export function parseAuthorization(header: string): Authorization | readonly AuthorizationPart[] {
  if (!header.startsWith(prefix)) return ['Algorithm']
  const parameters = parametersOf(header)
  const credential = credentialForm.exec(parameters.get('Credential') ?? '')
  const signedHeaders = signedHeaderList(parameters.get('SignedHeaders') ?? '')
  const signature = parameters.get('Signature') ?? ''
  if (!credential || !signedHeaders || !signatureForm.test(signature)) {
    return [
      ...credential ? [] : ['Credential' as const],
      ...signedHeaders ? [] : ['SignedHeaders' as const],
      ...signatureForm.test(signature) ? [] : ['Signature' as const],
    ]
  }
  const [, accessKeyId, date, region, service, end] = credential as unknown as [string, string, string, string, string, string]
  return { accessKeyId, date, region, service, terminator: end, signedHeaders, signature }
}

/** What is not `Name=value` separated by commas, or comes twice, empties the whole: then every part counts as missing. */
function parametersOf(header: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const parameter of header.slice(prefix.length).split(',', 4)) {
    const text = parameter.trim()
    const equals = text.indexOf('=')
    const name = text.slice(0, equals)
    if (equals < 0 || parameters.has(name) || parameters.size === 3) return new Map()
    parameters.set(name, text.slice(equals + 1))
  }
  return parameters
}

function signedHeaderList(text: string): readonly string[] | undefined {
  if (!signedHeadersForm.test(text)) return undefined
  const names = text.split(';')
  if (names.length > signedHeadersMax) return undefined
  return names.every((name, at) => at === 0 || (names[at - 1] as string) < name) ? names : undefined
}

/** HMAC chain over day, region and service. The steps between are overwritten; the caller owns the result. */
export function signingKey(secret: Uint8Array, date: string, region: string, service: string): Uint8Array {
  let key = Buffer.concat([Buffer.from('AWS4'), secret])
  for (const part of [date, region, service, terminator]) {
    const next = createHmac('sha256', key).update(part).digest()
    key.fill(0)
    key = next
  }
  return key
}

/** Whether `authorization` is what the owner of `key` would have written for this request at this time. Constant time in the signature. */
export function isSigned(request: SignedRequest, authorization: Authorization, timestamp: string, key: Uint8Array): boolean {
  const canonical = canonicalRequest(request, authorization.signedHeaders)
  if (canonical === undefined) return false
  const expected = createHmac('sha256', key).update(stringToSign(authorization, timestamp, canonical)).digest()
  return timingSafeEqual(expected, Buffer.from(authorization.signature, 'hex'))
}

/** Header values are latin1 here, a character for a byte received: so the hash is over those bytes. */
export function stringToSign({ date, region, service, terminator: end }: Authorization, timestamp: string, canonical: string): string {
  return `${algorithm}\n${timestamp}\n${date}/${region}/${service}/${end}\n${hash('sha256', Buffer.from(canonical, 'latin1'))}`
}

/** undefined if a header is said to be signed that is not there, or the body is not the one of x-amz-content-sha256. */
export function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string | undefined {
  const payloadHash = hash('sha256', request.body)
  const declared = request.headers.get('x-amz-content-sha256')
  // Also refuses UNSIGNED-PAYLOAD and streaming payloads: the services that take them say so, KMS is none of them.
  if (declared !== undefined && declared !== payloadHash) return undefined
  const question = request.target.indexOf('?')
  const path = question < 0 ? request.target : request.target.slice(0, question)
  const query = question < 0 ? '' : request.target.slice(question + 1)
  let canonical = `${request.method}\n${canonicalPath(path)}\n${canonicalQuery(query)}\n`
  for (const name of signedHeaders) {
    const value = request.headers.get(name)
    if (value === undefined) return undefined
    canonical += `${name}:${canonicalValue(value)}\n`
  }
  return `${canonical}\n${signedHeaders.join(';')}\n${payloadHash}`
}

const foldable = /[ \t]{2}|\t|^ | $/

function canonicalValue(value: string): string {
  return foldable.test(value) ? value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '') : value
}

/** Dot segments removed (RFC 3986 section 6.2.2.3), empty ones too, and what is left encoded once more. */
function canonicalPath(path: string): string {
  if (path === '/') return path
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(encode(segment))
  }
  const slash = segments.length > 0 && path.endsWith('/') ? '/' : ''
  return `/${segments.join('/')}${slash}`
}

function canonicalQuery(query: string): string {
  if (query === '') return query
  const pairs = query.split('&').filter(pair => pair !== '').map(pair => {
    const equals = pair.indexOf('=')
    return equals < 0 ? [encode(decode(pair)), ''] : [encode(decode(pair.slice(0, equals))), encode(decode(pair.slice(equals + 1)))]
  })
  return pairs.map(([name, value]) => `${name}=${value}`).sort(byNameThenValue).join('&')
}

/** `=` sorts behind characters that names may hold, so the pairs are not sorted as they are written. */
function byNameThenValue(a: string, b: string): number {
  const [left, right] = [a.replace('=', '\0'), b.replace('=', '\0')]
  return left < right ? -1 : left > right ? 1 : 0
}

function decode(text: string): string {
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, bytes => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString('latin1'))
}

/** Everything but RFC 3986's unreserved characters, byte by byte. */
function encode(text: string): string {
  return text.replace(/[^A-Za-z0-9._~-]/g, character => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}
