import { createHash, createHmac } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { ServerAddress } from './server.js'

/** A request that is signed over exactly these bytes (IAM User Guide, Create a signed AWS API request). */
export interface RawRequest {
  /** X-Amz-Target, as it stands. */
  readonly target: string
  readonly body: Uint8Array
  /** Of the scope of the signature; kms if not given. */
  readonly service?: string
}

export interface RawAnswer {
  readonly status: number
  readonly requestId: string
  readonly body: string
}

/** The connection ended with a request unanswered. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
}

const answerBytesMax = 1024 * 1024
const answerWaitMsMax = 20_000

type Signer = Pick<ServerAddress, 'url' | 'admin'>

/**
 * One keep-alive connection that sends bytes and reads answers, one at a time. Knows no retries: what was answered and what was not
 * is exactly what the test sees.
 */
export class RawClient {
  readonly #signer: Signer
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #waiting: { readonly resolve: (answer: RawAnswer) => void, readonly reject: (error: Error) => void } | undefined

  private constructor(signer: Signer, socket: Socket) {
    this.#signer = signer
    this.#socket = socket
    socket.setTimeout(answerWaitMsMax, () => socket.destroy())
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', () => {})
    socket.on('close', () => this.#waiting?.reject(new Unanswered('the connection ended without an answer')))
  }

  static open(signer: Signer): Promise<RawClient> {
    const socket = openSocket(signer)
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(new RawClient(signer, socket)))
      socket.once('error', reject)
    })
  }

  /** Calls an operation with a JSON input. */
  call(operation: string, input: object): Promise<RawAnswer> {
    return this.send(signed({ target: `TrentService.${operation}`, body: Buffer.from(JSON.stringify(input)) }, this.#signer))
  }

  send(bytes: Uint8Array): Promise<RawAnswer> {
    if (this.#waiting) throw new Error('one request at a time')
    if (this.#socket.destroyed) return Promise.reject(new Unanswered('the connection has ended'))
    return new Promise<RawAnswer>((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(bytes)
    }).finally(() => { this.#waiting = undefined })
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    if (this.#received.length > answerBytesMax) this.#socket.destroy()
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = this.#received.toString('latin1', 0, headEnd)
    const end = headEnd + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#received.length < end) return
    const body = this.#received.toString('utf8', headEnd + 4, end)
    this.#received = this.#received.subarray(end)
    this.#waiting?.resolve({
      status: Number(head.slice(9, 12)), requestId: /\r\nx-amzn-requestid: *([\w-]+)/i.exec(head)?.[1] ?? '', body,
    })
  }
}

export function openSocket({ url }: Pick<ServerAddress, 'url'>): Socket {
  const { hostname, port } = new URL(url)
  return connect({ host: hostname, port: Number(port), noDelay: true })
}

/** The request as bytes on the wire. */
export function signed({ target, body, service = 'kms' }: RawRequest, { url, admin }: Signer): Buffer {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${admin.region}/${service}/aws4_request`
  const headers = {
    'content-type': 'application/x-amz-json-1.1', 'host': new URL(url).host, 'x-amz-date': time, 'x-amz-target': target,
  }
  const names = Object.keys(headers).join(';')
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`)
  const canonical = Buffer.from(['POST', '/', '', ...lines, '', names, sha256(body)].join('\n'), 'latin1')
  const key = scope.split('/').reduce<string | Buffer>((signing, part) => hmac(signing, part), `AWS4${admin.secretAccessKey}`)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${admin.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  const head = [...lines, `authorization:${authorization}`, `content-length:${body.length}`]
  return Buffer.concat([Buffer.from(`POST / HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`, 'latin1'), body])
}

/** The name of the error in an answer; empty if there is none. */
export function errorOf({ body }: RawAnswer): string {
  return /"__type":"(\w+)"/.exec(body)?.[1] ?? ''
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
