import type { Caller } from '../caller.js'
import type { Key, Tag } from '../key.js'
import { Work } from './work.js'

/** One value, or those of a key that may have several. */
export type ContextValue = string | readonly string[]

/** What only some operations have, by the name of the condition key in small letters. */
export type RequestKeys = ReadonlyMap<string, ContextValue>

/** Everything that a policy may ask of a request, as it is known to the service and not as the client says it. */
export interface RequestFacts {
  readonly caller: Caller
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly region: string
  readonly sourceIp: string | undefined
  readonly secureTransport: boolean
  /** As the client says. */
  readonly userAgent: string | undefined
  readonly referer: string | undefined
  /** On whose behalf a service calls; of other callers undefined. */
  readonly sourceArn: string | undefined
  readonly sourceAccount: string | undefined
  readonly resource: ResourceFacts | undefined
  /** The alias that the client named the key by. */
  readonly requestAlias: string | undefined
  readonly encryptionContext: Readonly<Record<string, string>> | undefined
  /** Asked for when a policy first wants one of them. */
  readonly requestKeys: () => RequestKeys
  /** What condition keys shall be, of a call that is only thought of. */
  readonly given?: RequestKeys | undefined
}

export interface ResourceFacts {
  readonly accountId: string
  readonly tags: readonly Tag[]
  readonly key?: Key
  /** Names of its aliases, where a policy asks for them. */
  readonly aliases?: readonly string[]
}

/** One question to the policies: may the caller do this there? */
export class PolicyRequest {
  /** As IAM writes it: `kms:Decrypt`. */
  readonly action: string
  /** ARN, or `*` for what is about nothing in particular. */
  readonly resource: string
  readonly facts: RequestFacts
  readonly work = new Work()
  #requestKeys: RequestKeys | undefined
  #contextNames: readonly string[] | undefined

  constructor(action: string, resource: string, facts: RequestFacts) {
    this.action = action
    this.resource = resource
    this.facts = facts
  }

  get requestKeys(): RequestKeys {
    this.#requestKeys ??= this.facts.requestKeys()
    return this.#requestKeys
  }

  /** Names of the pairs of the encryption context. */
  get contextNames(): readonly string[] {
    this.#contextNames ??= Object.keys(this.facts.encryptionContext ?? {})
    return this.#contextNames
  }
}
