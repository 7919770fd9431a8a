import { createHash, type Hash } from 'node:crypto'
import type { Members, Shape } from '../api/shape.js'
import type { Clock } from '../ports/clock.js'
import type { Invocation, Invocations } from '../ports/invocations.js'
import type { Log } from '../ports/log.js'

/** How long the outcome of a call is remembered (architecture: a day). */
const rememberedMs = 86_400_000
/** What clients send is a UUID; anything visible of a decent length will do. */
const invocationId = /^[\x21-\x7e]{1,128}$/

/** A call as its client means it, whichever of its tries this is. */
export type InvocationName = Pick<Invocation, 'caller' | 'invocationId' | 'region' | 'operation' | 'inputHash'>

/** What is done about one try. */
export interface Try<O> {
  readonly requestId: string
  readonly run: () => Promise<O>
  readonly outcomeOf: (output: O) => string
  /** The answer to a call that `firstRequestId` has done already. */
  readonly again: (outcome: string, firstRequestId: string) => Promise<O>
}

interface Done { readonly outcome: string, readonly requestId: string }

/** undefined for an id that is not worth remembering anything under. */
export function invocationName(
  id: string | undefined, call: Omit<InvocationName, 'invocationId' | 'inputHash'>, members: Members, input: unknown,
): InvocationName | undefined {
  if (id === undefined || !invocationId.test(id)) return undefined
  return { ...call, invocationId: id, inputHash: hashOf(members, input) }
}

/**
 * Lets a call that makes something take effect once, however often its client tries: a later try, and one that comes while the first is
 * still running in this process, gets the answer of the first. Only what succeeded is remembered.
 */
export class InvocationMemory {
  readonly #invocations: Invocations
  readonly #clock: Clock
  readonly #log: Log
  readonly #running = new Map<string, Promise<Done | undefined>>()

  constructor(invocations: Invocations, clock: Clock, log: Log) {
    this.#invocations = invocations
    this.#clock = clock
    this.#log = log
  }

  async once<O>(name: InvocationName, of: Try<O>): Promise<O> {
    const place = JSON.stringify([name.caller, name.invocationId, name.region, name.operation, name.inputHash])
    for (let running = this.#running.get(place); running; running = this.#running.get(place)) {
      const done = await running
      if (done) return of.again(done.outcome, done.requestId)
    }
    let tell: (done?: Done) => void = () => {}
    this.#running.set(place, new Promise(resolve => { tell = resolve }))
    let done: Done | undefined
    try {
      done = await this.#remembered(name)
      if (done) return await of.again(done.outcome, done.requestId)
      const output = await of.run()
      done = { outcome: of.outcomeOf(output), requestId: of.requestId }
      await this.#remember(name, done)
      return output
    } finally {
      this.#running.delete(place)
      tell(done)
    }
  }

  /** Forgets what is older than a day; answers how much that was. */
  forgetOld(): Promise<number> {
    return this.#invocations.removeBefore(this.#clock.now() - rememberedMs)
  }

  async #remembered(name: InvocationName): Promise<Done | undefined> {
    const stored = await this.#invocations.get(name.caller, name.invocationId)
    if (!stored || stored.madeAt <= this.#clock.now() - rememberedMs) return undefined
    // The same id with another content is another call.
    if (stored.operation !== name.operation || stored.region !== name.region || stored.inputHash !== name.inputHash) return undefined
    const space = stored.outcome.indexOf(' ')
    return { requestId: stored.outcome.slice(0, space), outcome: stored.outcome.slice(space + 1) }
  }

  /** The effect is there already: a call that cannot be remembered has succeeded nevertheless. */
  async #remember(name: InvocationName, { outcome, requestId }: Done): Promise<void> {
    try {
      await this.#invocations.put({ ...name, outcome: `${requestId} ${outcome}`, madeAt: this.#clock.now() })
    } catch (error) {
      this.#log.error('a call took effect but cannot be remembered: a retry of it would take effect again', {
        requestId, operation: name.operation, error,
      })
    }
  }
}

/** SHA-256 over the members. Sensitive ones are left out: from a stored hash a weak password could be guessed. */
function hashOf(members: Members, input: unknown): string {
  const hash = createHash('sha256')
  structureInto(hash, members, input)
  return hash.digest('hex')
}

function structureInto(hash: Hash, members: Members, value: unknown): void {
  for (const [name, shape] of Object.entries(members)) {
    const member = (value as Readonly<Record<string, unknown>>)[name]
    if (member === undefined || ('sensitive' in shape && shape.sensitive)) continue
    textInto(hash, name)
    valueInto(hash, shape, member)
  }
  textInto(hash, '')
}

function valueInto(hash: Hash, shape: Shape, value: unknown): void {
  if (shape.type === 'structure') return structureInto(hash, shape.members, value)
  if (shape.type === 'list') {
    const items = value as readonly unknown[]
    textInto(hash, String(items.length))
    for (const item of items) valueInto(hash, shape.of, item)
    return
  }
  if (shape.type === 'map') {
    const pairs = Object.entries(value as Readonly<Record<string, unknown>>).sort(([a], [b]) => (a < b ? -1 : 1))
    return textInto(hash, JSON.stringify(pairs))
  }
  textInto(hash, value instanceof Uint8Array ? Buffer.from(value).toString('base64') : JSON.stringify(value))
}

/** Behind its length, so that no two inputs are the same text. */
function textInto(hash: Hash, text: string): void {
  hash.update(`${Buffer.byteLength(text)}:${text}`)
}
