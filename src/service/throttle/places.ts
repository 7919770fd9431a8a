import { throttled } from '../../domain/errors.js'

export interface PlaceLimits {
  /** Calls of all accounts together, from the check of their signature to their answer. */
  readonly inFlightMax: number
  /** Of these, those of one account where there are several. */
  readonly inFlightPerAccountMax: number
  /** Of these, those that are worked on; the rest waits for its turn, so that what HSM and queues hold of one account is little. */
  readonly atWorkPerAccountMax: number
  /** The same of those that are slow. They take no turn of the quick ones, and leave room in the HSM for those of others. */
  readonly slowPerAccountMax: number
  /** The same of those that read so much that one alone keeps a processor busy, also where there is one account only. */
  readonly heavyPerAccountMax: number
  /** Longest wait for a turn. */
  readonly waitMsMax: number
}

/** `slow` takes some of the time of everybody else: of a disk or of the HSM. `heavy` takes that of the processor. */
export type Pace = 'quick' | 'slow' | 'heavy'

/** Count as changes, and change nothing here. */
const quickChanges: ReadonlySet<string> = new Set(['Encrypt', 'ReEncrypt', 'AssumeRole', 'AssumeRoleWithWebIdentity', 'GetSessionToken'])
/** Make key pairs, or read whatever there is of an account. */
const slowReads: ReadonlySet<string> = new Set([
  'GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext', 'GetParametersForImport', 'GetAccountAuthorizationDetails',
])
/** Go through megabytes of what all accounts have left. */
const heavyReads: ReadonlySet<string> = new Set(['LookupEvents'])

/** What is written is written through to the disk, which nobody else can do anything meanwhile; and some of it makes keys in the HSM. */
export function paceOf({ name, readOnly }: { readonly name: string, readonly readOnly: boolean }): Pace {
  if (heavyReads.has(name)) return 'heavy'
  return (readOnly ? slowReads.has(name) : !quickChanges.has(name)) ? 'slow' : 'quick'
}

/** Calls of one account. */
interface Tenant {
  inFlight: number
  readonly atWork: Record<Pace, number>
  readonly waiting: Readonly<Record<Pace, (() => void)[]>>
}

/**
 * Where calls are while they are answered. With several accounts none can have all places, and few calls of each are worked on at once:
 * what one account asks for in a rush waits behind its own, and not before the calls of others.
 */
export class Places {
  readonly #limits: PlaceLimits
  readonly #hasSeveralAccounts: () => Promise<boolean>
  readonly #tenants = new Map<string, Tenant>()
  #inFlight = 0

  constructor(limits: PlaceLimits, hasSeveralAccounts: () => Promise<boolean>) {
    this.#limits = limits
    this.#hasSeveralAccounts = hasSeveralAccounts
  }

  /** Throws ThrottlingException when there is none left for the account. Whoever gets a place gives it back with `leave`. */
  async enter(account: string): Promise<Place> {
    const isShared = await this.#hasSeveralAccounts()
    const { inFlightMax, inFlightPerAccountMax } = this.#limits
    const tenant = this.#tenants.get(account) ?? newTenant()
    if (this.#inFlight >= inFlightMax || (isShared && tenant.inFlight >= inFlightPerAccountMax)) throw throttled()
    this.#inFlight += 1
    tenant.inFlight += 1
    this.#tenants.set(account, tenant)
    const turn = new Turn(tenant, this.#limits)
    return {
      work: async pace => { if (isShared || pace === 'heavy') await turn.take(pace) },
      leave: () => {
        turn.end()
        this.#inFlight -= 1
        tenant.inFlight -= 1
        if (tenant.inFlight === 0) this.#tenants.delete(account)
      },
    }
  }
}

export interface Place {
  /** Resolves when it is the turn of this call. Throws ThrottlingException when that takes too long. */
  work(pace: Pace): Promise<void>
  /** To be called once, whatever became of the call. */
  leave(): void
}

/** That of one call. */
class Turn {
  readonly #tenant: Tenant
  readonly #limits: PlaceLimits
  #pace: Pace | undefined

  constructor(tenant: Tenant, limits: PlaceLimits) {
    this.#tenant = tenant
    this.#limits = limits
  }

  async take(pace: Pace): Promise<void> {
    const { atWork, waiting } = this.#tenant
    if (atWork[pace] < this.#max(pace)) atWork[pace] += 1
    // Whoever ends hands its turn on: it is counted already.
    else await turnIn(waiting[pace], this.#limits.waitMsMax)
    this.#pace = pace
  }

  end(): void {
    if (this.#pace === undefined) return
    const next = this.#tenant.waiting[this.#pace].shift()
    if (next) next()
    else this.#tenant.atWork[this.#pace] -= 1
  }

  #max(pace: Pace): number {
    const { atWorkPerAccountMax: quick, slowPerAccountMax: slow, heavyPerAccountMax: heavy } = this.#limits
    return { quick, slow, heavy }[pace]
  }
}

function turnIn(waiting: (() => void)[], msMax: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      waiting.splice(waiting.indexOf(called), 1)
      reject(throttled())
    }, msMax).unref()
    function called(): void {
      clearTimeout(late)
      resolve()
    }
    waiting.push(called)
  })
}

function newTenant(): Tenant {
  return { inFlight: 0, atWork: { quick: 0, slow: 0, heavy: 0 }, waiting: { quick: [], slow: [], heavy: [] } }
}
