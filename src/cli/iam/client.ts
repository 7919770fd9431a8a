import { createHash, createHmac, randomUUID, type Hash, type Hmac } from 'node:crypto'
import http, { type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { iamTargetPrefix } from '../../api/iam/operations.js'
import type { Contract, Input, Members, Output, Shape } from '../../api/shape.js'
import { UnusableInput } from '../../inspect.js'
import { certificateHint, withClientCertificate } from '../client-certificate.js'
import { connectionTo, type Connection } from '../connection.js'

/** Longest wait for an answer. */
const answerMsMax = 60_000
/** Between one throttled call and the next, and how often: half a minute in all. */
const throttledMs = 500
const throttledMax = 60

/** A refusal by the service; `name` is its code. */
export class RefusedCall extends Error {
  constructor(code: string, message: string) {
    super(message)
    this.name = code
  }
}

/** Members that are ARNs, each with one that could be meant: names alone are what is given by mistake. */
const exampleArns: Readonly<Record<string, string>> = {
  PolicyArn: 'arn:aws:iam::aws:policy/ClavigerKeyUser',
  PermissionsBoundary: 'arn:aws:iam::aws:policy/ClavigerKeyUser',
  PrincipalArn: 'arn:aws:iam::111122223333:user/anne',
  ResourceArn: 'arn:aws:iam::111122223333:role/app',
}

function withExamples(refusal: Error, input: Readonly<Record<string, unknown>>): Error {
  if (!(refusal instanceof RefusedCall)) return refusal
  const isName = ([member]: readonly [string, string]) => {
    const given = input[member]
    return typeof given === 'string' && !given.startsWith('arn:')
  }
  const [, example] = Object.entries(exampleArns).find(isName) ?? []
  return example === undefined ? refusal : new RefusedCall(refusal.name, `${refusal.message}\ngive an ARN, such as ${example}`)
}

/** What has a default may be left out. */
export type Sent<C extends Contract> = Partial<Input<C>>

/** Calls the administration of identities like any other client would. */
export class IamClient {
  readonly connection: Connection
  readonly #agent = withClientCertificate().requestHandler?.httpsAgent

  constructor(connection: Connection = connectionTo('iam')) {
    this.connection = connection
    if (!connection.region) throw new UnusableInput('AWS_REGION is not set: name a region that the server has')
  }

  /** Throws RefusedCall, and an Error that says so when no answer came. */
  async call<C extends Contract>(contract: C, input: Sent<NoInfer<C>>): Promise<Output<C>> {
    const { status, text } = await this.#answered(contract.name, JSON.stringify(input))
    if (status !== 200) throw withExamples(refusalOf(status, text), input)
    return (contract.output ? read({ type: 'structure', members: contract.output }, JSON.parse(text)) : undefined) as Output<C>
  }

  /** What was throttled had no effect: it is sent again, as SDKs do. */
  async #answered(operation: string, body: string): Promise<Answer> {
    for (let throttled = 1; ; throttled++) {
      const answer = await this.#send(operation, body)
      if (answer.status === 200 || refusalOf(answer.status, answer.text).name !== 'ThrottlingException') return answer
      if (throttled >= throttledMax) return answer
      await setTimeout(throttledMs)
    }
  }

  async #send(operation: string, body: string): Promise<Answer> {
    const { endpoint } = this.connection
    const headers = await this.#signed(operation, body)
    try {
      return await post(endpoint, headers, body, this.#agent)
    } catch (error) {
      throw new Error(unanswered(endpoint, operation, error), { cause: error })
    }
  }

  async #signed(operation: string, body: string): Promise<OutgoingHttpHeaders> {
    // Loaded only here: other commands have no use for it.
    const { SignatureV4 } = await import('@smithy/signature-v4')
    const { endpoint, region = '', credentials } = this.connection
    const { protocol, host, hostname, port } = new URL(endpoint)
    const signer = new SignatureV4({ service: 'iam', region, credentials, sha256: Sha256 })
    const { headers } = await signer.sign({
      method: 'POST', protocol, hostname, path: '/', query: {}, body, ...port && { port: Number(port) },
      headers: {
        host, 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': iamTargetPrefix + operation,
        'amz-sdk-invocation-id': randomUUID(),
      },
    })
    return headers
  }
}

interface Answer { readonly status: number, readonly text: string }

/** With the client certificate that the server may require. A redirect is an answer like any other: what is signed is for one host. */
function post(endpoint: string, headers: OutgoingHttpHeaders, body: string, agent: https.Agent | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, signal: AbortSignal.timeout(answerMsMax) }
    const request = new URL(endpoint).protocol === 'https:'
      ? https.request(endpoint, { ...options, agent })
      : http.request(endpoint, options)
    request.on('error', reject)
    request.on('response', response => {
      text(response).then(all => resolve({ status: response.statusCode ?? 0, text: all }), reject)
    })
    request.end(body)
  })
}

/** Node's own, in the form that the signer wants. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret))
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data)
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}

function refusalOf(status: number, text: string): Error {
  try {
    const { __type: code, message, Message } = JSON.parse(text) as { readonly __type?: string, message?: string, Message?: string }
    if (code !== undefined) return new RefusedCall(code, message ?? Message ?? '')
  } catch {
    // Not one of ours: told below.
  }
  return new Error(`what answered is no Claviger: status ${status}`)
}

/** A connection that was never made has done nothing; of any other failure nobody knows. */
function unanswered(endpoint: string, operation: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { readonly code?: unknown }).code
  const why = cause instanceof Error ? cause.message || String(code) : String(cause)
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH') return `no server answers at ${endpoint}: ${why}`
  const doubt = /^(?:Get|List|Explain)/.test(operation) ? '' : `\nwhether ${operation} took effect is not known: look before it is repeated`
  const hint = certificateHint(endpoint, cause)
  return `no answer came from ${endpoint}: ${why}${hint === undefined ? '' : `\n${hint}`}${doubt}`
}

/** Times become dates; the rest is as it came. */
function read(shape: Shape, json: unknown): unknown {
  if (json === undefined || json === null) return undefined
  if (shape.type === 'timestamp') return new Date((json as number) * 1000)
  if (shape.type === 'list') return (json as readonly unknown[]).map(item => read(shape.of, item))
  return shape.type === 'structure' ? readMembers(shape.members, json as Readonly<Record<string, unknown>>) : json
}

function readMembers(members: Members, json: Readonly<Record<string, unknown>>): unknown {
  return Object.fromEntries(Object.entries(members).flatMap(([name, shape]) => {
    const value = Object.hasOwn(json, name) ? read(shape, json[name]) : undefined
    return value === undefined ? [] : [[name, value]]
  }))
}

/** What an operation that lists has on all its pages: the lists of each put together. */
export async function allPages<C extends Contract>(client: IamClient, contract: C, input: Sent<NoInfer<C>>): Promise<Output<C>> {
  let whole: Readonly<Record<string, unknown>> = {}
  for (let marker: string | undefined, more = true; more; more = marker !== undefined) {
    const page = await client.call(contract, { ...input, ...marker !== undefined && { Marker: marker } })
    const { IsTruncated: _, Marker: next, ...rest } = page as Readonly<Record<string, unknown>> & { readonly Marker?: string }
    whole = merged(whole, rest)
    marker = next
  }
  return whole as Output<C>
}

function merged(
  before: Readonly<Record<string, unknown>>, page: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const joined = Object.entries(page).map(([name, value]) =>
    [name, Array.isArray(value) && Array.isArray(before[name]) ? [...before[name] as unknown[], ...value as unknown[]] : value])
  return { ...before, ...Object.fromEntries(joined) as object }
}
