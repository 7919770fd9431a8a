import { createHmac, hash } from 'node:crypto'
import { algorithm, canonicalRequest, signingKey, stringToSign, terminator } from './sigv4.js'

/** What our own commands call the API with. */
export interface SigningCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Temporary credentials only. */
  readonly sessionToken?: string | undefined
}

export interface ToSign {
  readonly host: string
  readonly region: string
  readonly service: string
  /** Beside those of the signature; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly now: number
}

/** The headers of a `POST /` with its signature (IAM User Guide, Create a signed AWS API request); `host` is left to the HTTP client. */
export function signedHeaders({ host, region, service, headers, body, now }: ToSign, of: SigningCredentials): Record<string, string> {
  const timestamp = `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  const date = timestamp.slice(0, 8)
  const sent: Record<string, string> = {
    ...headers, 'x-amz-date': timestamp, 'x-amz-content-sha256': hash('sha256', body),
    ...of.sessionToken !== undefined && { 'x-amz-security-token': of.sessionToken },
  }
  const all = new Map(Object.entries({ ...sent, host }))
  const signed = [...all.keys()].sort()
  const canonical = canonicalRequest({ method: 'POST', target: '/', headers: all, body }, signed)
  if (canonical === undefined) throw new Error('a request that cannot be signed')
  const scope = { accessKeyId: of.accessKeyId, date, region, service, terminator, signedHeaders: signed, signature: '' }
  const key = signingKey(Buffer.from(of.secretAccessKey), date, region, service)
  const signature = createHmac('sha256', key).update(stringToSign(scope, timestamp, canonical)).digest('hex')
  const credential = [of.accessKeyId, date, region, service, terminator].join('/')
  return { ...sent, authorization: `${algorithm} Credential=${credential}, SignedHeaders=${signed.join(';')}, Signature=${signature}` }
}
