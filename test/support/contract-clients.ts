import type { Contract } from '../../src/api/shape.js'
import { RawClient, signed, type RawAnswer } from './raw-client.js'
import type { TestServer } from './server.js'
import type { Violation } from './violations.js'

/** Connections that ask at the same time. */
const clientCount = 8

/** Code and message of a refusal; the status instead of the code where that is not 400. */
export type Told = readonly [code: string, message: unknown]

interface TargetedApi { readonly prefix: string, readonly service: string }

/** An API of the JSON protocol, asked for what breaks its contracts. */
export class ContractClients {
  readonly #server: TestServer
  readonly #api: TargetedApi
  readonly #clients: readonly RawClient[]

  private constructor(server: TestServer, api: TargetedApi, clients: readonly RawClient[]) {
    this.#server = server
    this.#api = api
    this.#clients = clients
  }

  static async open(server: TestServer, api: TargetedApi): Promise<ContractClients> {
    return new ContractClients(server, api, await Promise.all(Array.from({ length: clientCount }, () => RawClient.open(server))))
  }

  /** One of them, to be used by itself. */
  get first(): RawClient {
    const [client] = this.#clients
    if (!client) throw new Error('there is no client')
    return client
  }

  answered(operation: string, input: unknown, client = this.first): Promise<Told> {
    const body = Buffer.from(typeof input === 'string' ? input : JSON.stringify(input))
    const { prefix, service } = this.#api
    return client.send(signed({ target: `${prefix}${operation}`, body, service }, this.#server)).then(told)
  }

  /** The answers to them, in their order. */
  async answersTo(operation: string, violations: readonly Violation[]): Promise<readonly Told[]> {
    const answers: Told[] = []
    let next = 0
    await Promise.all(this.#clients.map(async client => {
      for (let at = next++; at < violations.length; at = next++) {
        answers[at] = await this.answered(operation, violations[at]?.input, client)
      }
    }))
    return answers
  }

  /** What was answered otherwise than the contract says, in words. */
  async failures({ name }: Contract, violations: readonly Violation[]): Promise<readonly string[]> {
    const answers = await this.answersTo(name, violations)
    return violations.flatMap(({ what, code, message }, at) => {
      const [gotCode, gotMessage] = answers[at] ?? []
      return gotCode === code && gotMessage === message ? [] : [`${what}: ${gotCode} ${String(gotMessage)}\n    not ${code} ${message}`]
    })
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }
}

function told({ status, body }: RawAnswer): Told {
  const json = (body === '' ? {} : JSON.parse(body)) as Readonly<Record<string, unknown>>
  return [status === 400 ? String(json.__type) : String(status), json.message]
}

/** A JSON value that no shape of the API is made of: a number for texts and structures, a text for the rest. */
export function wrongFor({ input }: Contract, member: string): unknown {
  const type = input[member]?.type
  return type === 'integer' || type === 'boolean' || type === 'timestamp' ? 'a text' : 1
}
