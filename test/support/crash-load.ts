import { errorOf, RawClient, Unanswered, type RawAnswer } from './raw-client.js'
import type { Seeded } from './seeded.js'
import type { ServerAddress } from './server.js'

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion'

export interface Sealed {
  readonly keyId: string
  readonly context: Readonly<Record<string, string>>
  readonly plaintext: string
  readonly blob: string
}

/** Everything that clients were told before the server died: what they may rely on afterwards. */
export class Told {
  /** More than one state while a change is not answered: then either may be true. */
  readonly keys = new Map<string, readonly KeyState[]>()
  /** undefined: there is no such alias. More than one target while a change is not answered. */
  readonly aliases = new Map<string, readonly (string | undefined)[]>()
  /** Keys that were used since they were last checked. */
  readonly touched = new Set<string>()
  readonly sealed: Sealed[] = []
  readonly requestIds: string[] = []
  /** Answers that no call may get, crash or not. */
  readonly faults: string[] = []

  touch(keyIds: readonly string[]): void {
    for (const keyId of keyIds) this.touched.add(keyId)
  }
}

/** The one refusal that concurrent calls give each other: two rotations of one key. */
const expectedRefusal = 'ConflictException'
/** The mix: how often each call comes up. */
const calls = [
  'createKey', 'createKey', 'rotate', 'rotate', 'rotate', 'generateDataKey', 'generateDataKey', 'generateDataKey', 'encrypt', 'encrypt',
  'reEncrypt', 'pointAlias', 'pointAlias', 'deleteAlias', 'changeState', 'changeState',
] as const

/** One client that makes calls of all kinds until its server dies, and keeps what it was told. */
export class CrashLoad {
  readonly #told: Told
  readonly #random: Seeded
  readonly #name: string
  readonly #client: RawClient
  /** Keys that everybody uses, and those of this client alone, whose states it changes. */
  readonly #shared: string[]
  readonly #own: string[] = []

  private constructor(client: RawClient, told: Told, shared: string[], random: Seeded, name: string) {
    this.#client = client
    this.#told = told
    this.#shared = shared
    this.#random = random
    this.#name = name
  }

  /** Resolves when the connection is gone. */
  static async run(server: ServerAddress, told: Told, shared: string[], random: Seeded, name: string): Promise<void> {
    const client = await RawClient.open(server).catch(() => undefined)
    if (!client) return
    const load = new CrashLoad(client, told, shared, random, name)
    try {
      for (;;) await load.#oneCall()
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error
    } finally {
      client.close()
    }
  }

  async #oneCall(): Promise<void> {
    try {
      await this[this.#random.pick(calls)]()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }

  private async createKey(): Promise<void> {
    const answer = await this.#call('CreateKey', { Description: this.#name })
    const { KeyMetadata: { KeyId: keyId } } = JSON.parse(answer.body) as { KeyMetadata: { KeyId: string } }
    this.#told.keys.set(keyId, ['Enabled'])
    this.#told.touch([keyId])
    const keys = this.#random.oneIn(3) ? this.#own : this.#shared
    keys.push(keyId)
  }

  private async rotate(): Promise<void> {
    await this.#withKey(async keyId => void await this.#call('RotateKeyOnDemand', { KeyId: keyId }))
  }

  private async generateDataKey(): Promise<void> {
    await this.#withKey(async keyId => {
      const context = { client: this.#name, number: String(this.#random.below(1_000)) }
      const answer = await this.#call('GenerateDataKey', { KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: context })
      const { Plaintext: plaintext, CiphertextBlob: blob } = JSON.parse(answer.body) as { Plaintext: string, CiphertextBlob: string }
      this.#told.sealed.push({ keyId, context, plaintext, blob })
    })
  }

  private async encrypt(): Promise<void> {
    await this.#withKey(async keyId => {
      const plaintext = this.#random.bytes(1 + this.#random.below(64)).toString('base64')
      const answer = await this.#call('Encrypt', { KeyId: keyId, Plaintext: plaintext })
      this.#told.sealed.push({ keyId, context: {}, plaintext, blob: blobIn(answer) })
    })
  }

  private async reEncrypt(): Promise<void> {
    await this.#withKey(async keyId => {
      const source = this.#random.pick(this.#told.sealed) as Sealed | undefined
      if (!source) return
      const answer = await this.#call('ReEncrypt', {
        CiphertextBlob: source.blob, SourceEncryptionContext: source.context, DestinationKeyId: keyId,
      })
      this.#told.sealed.push({ keyId, context: {}, plaintext: source.plaintext, blob: blobIn(answer) })
    })
  }

  private async pointAlias(): Promise<void> {
    await this.#withKey(async keyId => {
      const name = this.#aliasName()
      const before = this.#told.aliases.get(name) ?? [undefined]
      this.#told.aliases.set(name, [...before, keyId])
      const operation = before[0] === undefined ? 'CreateAlias' : 'UpdateAlias'
      await this.#call(operation, { AliasName: name, TargetKeyId: keyId })
      this.#told.aliases.set(name, [keyId])
    })
  }

  private async deleteAlias(): Promise<void> {
    const name = this.#aliasName()
    const before = this.#told.aliases.get(name) ?? [undefined]
    if (before[0] === undefined) return
    this.#told.aliases.set(name, [...before, undefined])
    await this.#call('DeleteAlias', { AliasName: name })
    this.#told.aliases.set(name, [undefined])
  }

  private async changeState(): Promise<void> {
    const keyId = this.#random.pick(this.#own) as string | undefined
    const [state] = this.#told.keys.get(keyId ?? '') ?? []
    if (!keyId || !state) return
    const [operation, after] = this.#random.pick(changesOf[state])
    this.#told.keys.set(keyId, [state, after])
    await this.#call(operation, { KeyId: keyId })
    this.#told.keys.set(keyId, [after])
  }

  async #withKey(use: (keyId: string) => Promise<void>): Promise<void> {
    const keyId = this.#random.pick(this.#shared) as string | undefined
    if (keyId === undefined) return
    this.#told.touch([keyId])
    await use(keyId)
  }

  /** A few names for each client, so that they are used again and again, and in every round. */
  #aliasName(): string {
    return `alias/${this.#name}-${this.#random.below(4)}`
  }

  async #call(operation: string, input: object): Promise<RawAnswer> {
    const answer = await this.#client.call(operation, input)
    this.#told.requestIds.push(answer.requestId)
    if (answer.status === 200) return answer
    if (errorOf(answer) !== expectedRefusal) this.#told.faults.push(`${operation}: ${answer.status} ${answer.body}`)
    throw new Refused(operation)
  }
}

class Refused extends Error {
  override readonly name = 'Refused'
}

const changesOf: Readonly<Record<KeyState, readonly (readonly [operation: string, after: KeyState])[]>> = {
  Enabled: [['DisableKey', 'Disabled'], ['ScheduleKeyDeletion', 'PendingDeletion']],
  Disabled: [['EnableKey', 'Enabled'], ['ScheduleKeyDeletion', 'PendingDeletion']],
  PendingDeletion: [['CancelKeyDeletion', 'Disabled']],
}

function blobIn({ body }: RawAnswer): string {
  return (JSON.parse(body) as { CiphertextBlob: string }).CiphertextBlob
}
