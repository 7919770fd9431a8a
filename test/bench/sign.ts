import { createHash, createHmac } from 'node:crypto'

/** A signed KMS request as the bytes on the wire (SigV4, header form), for the load generator. */
export interface Signing {
  readonly host: string
  readonly region: string
  readonly accessKeyId: string
  readonly secret: string
  readonly sessionToken?: string
}

export function signedRequest(operation: string, input: object, { host, region, accessKeyId, secret, sessionToken }: Signing): string {
  const body = JSON.stringify(input)
  const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${region}/kms/aws4_request`
  const headers = {
    'content-type': 'application/x-amz-json-1.1', host, 'x-amz-date': time,
    ...sessionToken !== undefined && { 'x-amz-security-token': sessionToken }, 'x-amz-target': `TrentService.${operation}`,
  }
  const names = Object.keys(headers).join(';')
  const signed = Object.entries(headers).map(([name, value]) => `${name}:${value}`)
  const canonical = ['POST', '/', '', ...signed, '', names, sha256(body)].join('\n')
  const key = scope.split('/').reduce<string | Buffer>((signing, part) => hmac(signing, part), `AWS4${secret}`)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  const sent = { ...headers, authorization, 'content-length': body.length }
  const lines = Object.entries(sent).map(([name, value]) => `${name}: ${value}`)
  return `POST / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
