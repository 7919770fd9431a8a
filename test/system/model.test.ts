import { createHash } from 'node:crypto'
import { KMSServiceException } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { kmsClient } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { importMaterial } from '../support/import-material.js'
import { printSeedOfFailures, seeded, type Seeded } from '../support/seeded.js'
import { dayMs, suite } from './suite.js'

/**
 * Random sequences of operations on a handful of keys, beside a model of what each of them must answer. Every ciphertext that was ever
 * given out is opened again at the end, and opens or is refused as the model says.
 */
const sequences = 6
const stepsPerSequence = 60
const message = Buffer.from('model')

interface Model {
  readonly id: string
  readonly external: boolean
  enabled: boolean
  pendingDeletion: boolean
  /** By number, from 1; the material is known of imported ones only. */
  readonly materials: { material: Buffer | undefined, present: boolean, expiresAt: number | undefined }[]
  /** Numbers of materials that were current once; the last one is. */
  current: number
  aliases: string[]
}

interface Made { readonly key: Model, readonly blob: Uint8Array, readonly context: Record<string, string> }

/** `ok`, or the name of an error. */
type Outcome = string

const invalidState = 'KMSInvalidStateException'

function usable(key: Model): Outcome {
  if (key.pendingDeletion) return invalidState
  if (!allPresent(key)) return invalidState
  return key.enabled ? 'ok' : 'DisabledException'
}

/** All that were current once are there; one that waits for its rotation does not count. */
function allPresent(key: Model): boolean {
  return key.current > 0 && key.materials.slice(0, key.current).every(({ present }) => present)
}

/** A key that has lost material is Enabled when it has all of it again, whatever it was before. */
function settle(key: Model): void {
  if (!allPresent(key)) key.enabled = true
}

async function outcomeOf(call: Promise<unknown>): Promise<Outcome> {
  try {
    await call
    return 'ok'
  } catch (error) {
    if (error instanceof KMSServiceException) return error.name
    throw error
  }
}

describe('random sequences of operations', function sequencesOfOperations() {
  this.timeout(240_000)
  const clock = new MovedClock()
  const on = suite({ clock })
  printSeedOfFailures()

  for (let number = 1; number <= sequences; number++) {
    it(`agree with the model, sequence ${number}`, async () => {
      // One that tries again: a clock that jumps while the audit log signs makes it seem overdue for a moment.
      const kms = kmsClient(on.server)
      const run = new Run(kms, clock, seeded(`model ${number}`), () => on.server.jobs.expireMaterial.now())
      await run.begin()
      for (let step = 0; step < stepsPerSequence; step++) await run.step()
      await run.openAll()
      kms.destroy()
    })
  }
})

class Run {
  readonly #keys: Model[] = []
  readonly #made: Made[] = []
  readonly #history: string[] = []
  readonly #kms
  readonly #clock
  readonly #random
  readonly #expire

  constructor(kms: ReturnType<typeof suite>['kms'], clock: MovedClock, random: Seeded, expire: () => Promise<void>) {
    this.#kms = kms
    this.#clock = clock
    this.#random = random
    this.#expire = expire
  }

  async begin(): Promise<void> {
    for (const external of [false, true, false]) await this.#create(external)
  }

  async step(): Promise<void> {
    const key = this.#random.pick(this.#keys)
    const steps: readonly (() => Promise<void>)[] = [
      () => this.#encrypt(key), () => this.#encrypt(key), () => this.#encrypt(key), () => this.#decrypt(), () => this.#decrypt(),
      () => this.#reEncrypt(key), () => this.#rotate(key), () => this.#toggle(key), () => this.#import(key), () => this.#import(key),
      () => this.#reimport(key), () => this.#deleteMaterial(key), () => this.#expiry(), () => this.#schedule(key), () => this.#cancel(key),
      () => this.#alias(key),
    ]
    await this.#random.pick(steps)()
    await this.#checkState(key)
  }

  async openAll(): Promise<void> {
    for (const made of this.#made) await this.#open(made)
  }

  #expect(what: string, actual: Outcome, expected: Outcome): void {
    this.#history.push(`${what}: ${actual}`)
    expect(actual, `${what}, after ${this.#history.slice(-12).join(' · ')}`).to.equal(expected)
  }

  async #create(external: boolean): Promise<void> {
    const { KeyMetadata: { KeyId: id = '' } = {} } = await this.#kms.createKey(external ? { Origin: 'EXTERNAL' } : {})
    const first = { material: undefined, present: true, expiresAt: undefined }
    this.#keys.push({
      id, external, enabled: true, pendingDeletion: false, materials: external ? [] : [first], current: external ? 0 : 1, aliases: [],
    })
  }

  async #encrypt(key: Model): Promise<void> {
    const context = this.#random.oneIn(2) ? { step: String(this.#made.length) } : {}
    // By an alias, where there is one.
    const KeyId = this.#random.oneIn(2) ? key.aliases[0] ?? key.id : key.id
    const call = this.#kms.encrypt({ KeyId, Plaintext: message, EncryptionContext: context })
    this.#expect('Encrypt', await outcomeOf(call), usable(key))
    if (usable(key) === 'ok') this.#made.push({ key, blob: (await call).CiphertextBlob ?? new Uint8Array(), context })
  }

  async #decrypt(): Promise<void> {
    if (this.#made.length > 0) await this.#open(this.#random.pick(this.#made))
  }

  async #open({ key, blob, context }: Made): Promise<void> {
    const call = this.#kms.decrypt({ CiphertextBlob: blob, EncryptionContext: context })
    this.#expect('Decrypt', await outcomeOf(call), usable(key))
    if (usable(key) === 'ok') expect(Buffer.from((await call).Plaintext ?? [])).to.deep.equal(message)
  }

  async #reEncrypt(to: Model): Promise<void> {
    if (this.#made.length === 0) return
    const from = this.#random.pick(this.#made)
    const call = this.#kms.reEncrypt({ CiphertextBlob: from.blob, SourceEncryptionContext: from.context, DestinationKeyId: to.id })
    const expected = usable(from.key) === 'ok' ? usable(to) : usable(from.key)
    this.#expect('ReEncrypt', await outcomeOf(call), expected)
    if (expected === 'ok') this.#made.push({ key: to, blob: (await call).CiphertextBlob ?? new Uint8Array(), context: {} })
  }

  async #rotate(key: Model): Promise<void> {
    const waits = key.materials.length > key.current && key.materials[key.current]?.present === true
    const expected = usable(key) === 'ok' && key.external && !waits ? invalidState : usable(key)
    this.#expect('RotateKeyOnDemand', await outcomeOf(this.#kms.rotateKeyOnDemand({ KeyId: key.id })), expected)
    if (expected !== 'ok') return
    if (!key.external) key.materials.push({ material: undefined, present: true, expiresAt: undefined })
    key.current++
  }

  async #toggle(key: Model): Promise<void> {
    const expected = key.pendingDeletion || !allPresent(key) ? invalidState : 'ok'
    const call = key.enabled ? this.#kms.disableKey({ KeyId: key.id }) : this.#kms.enableKey({ KeyId: key.id })
    this.#expect(key.enabled ? 'DisableKey' : 'EnableKey', await outcomeOf(call), expected)
    if (expected === 'ok') key.enabled = !key.enabled
  }

  /** Material that the key has never had. */
  async #import(key: Model): Promise<void> {
    if (!key.external) return
    const material = createHash('sha256').update(`${key.id} ${key.materials.length} ${this.#history.length}`).digest()
    const expiresAt = this.#random.oneIn(3) ? this.#clock.now() + 2 * dayMs : undefined
    const call = importMaterial(this.#kms, key.id, material, { ImportType: 'NEW_KEY_MATERIAL', ...expiry(expiresAt) })
    const waits = key.materials[key.current]?.present ?? false
    const expected = key.pendingDeletion || waits ? invalidState : 'ok'
    this.#expect('ImportKeyMaterial, new', await outcomeOf(call), expected)
    if (expected !== 'ok') return
    // In the place of one that waited, and has expired before its turn came.
    key.materials.splice(key.current, 1, { material, present: true, expiresAt })
    if (key.current === 0) key.current = 1
  }

  /** Material that is the key's already, there or not. */
  async #reimport(key: Model): Promise<void> {
    const known = key.materials[this.#random.below(Math.max(key.materials.length, 1))]
    if (!key.external || !known?.material) return
    const call = importMaterial(this.#kms, key.id, known.material, { ImportType: 'EXISTING_KEY_MATERIAL' })
    this.#expect('ImportKeyMaterial, existing', await outcomeOf(call), key.pendingDeletion ? invalidState : 'ok')
    if (!key.pendingDeletion) Object.assign(known, { present: true, expiresAt: undefined })
  }

  async #deleteMaterial(key: Model): Promise<void> {
    const expected = key.external ? 'ok' : 'UnsupportedOperationException'
    this.#expect('DeleteImportedKeyMaterial', await outcomeOf(this.#kms.deleteImportedKeyMaterial({ KeyId: key.id })), expected)
    const current = key.materials[key.current - 1]
    if (key.external && current) current.present = false
    settle(key)
  }

  /** Time goes by, for all keys. */
  async #expiry(): Promise<void> {
    this.#clock.advance(dayMs)
    const now = this.#clock.now()
    this.#history.push('a day goes by')
    for (const key of this.#keys) {
      const expired = key.materials.filter(({ expiresAt = Infinity }) => expiresAt <= now)
      for (const one of expired) Object.assign(one, { present: false, expiresAt: undefined })
      // What was never current leaves nothing behind: other material may come in its place.
      key.materials.splice(key.current, key.materials.slice(key.current).filter(({ present }) => !present).length)
      // Not to be used before the job has found it, either.
      if (expired.length > 0 && !allPresent(key)) {
        this.#expect('Encrypt', await outcomeOf(this.#kms.encrypt({ KeyId: key.id, Plaintext: message })), invalidState)
      }
      settle(key)
    }
    await this.#expire()
  }

  async #schedule(key: Model): Promise<void> {
    if (!this.#random.oneIn(3)) return
    // Far enough away for the days that go by.
    const call = this.#kms.scheduleKeyDeletion({ KeyId: key.id, PendingWindowInDays: 30 })
    this.#expect('ScheduleKeyDeletion', await outcomeOf(call), key.pendingDeletion ? invalidState : 'ok')
    key.pendingDeletion = true
  }

  async #cancel(key: Model): Promise<void> {
    const expected = key.pendingDeletion ? 'ok' : invalidState
    this.#expect('CancelKeyDeletion', await outcomeOf(this.#kms.cancelKeyDeletion({ KeyId: key.id })), expected)
    if (!key.pendingDeletion) return
    Object.assign(key, { pendingDeletion: false, enabled: false })
    settle(key)
  }

  async #alias(key: Model): Promise<void> {
    const AliasName = `alias/model-${createHash('sha256').update(`${key.id} ${this.#history.length}`).digest('hex').slice(0, 12)}`
    const call = this.#kms.createAlias({ AliasName, TargetKeyId: key.id })
    this.#expect('CreateAlias', await outcomeOf(call), key.pendingDeletion ? invalidState : 'ok')
    if (!key.pendingDeletion) key.aliases.push(AliasName)
  }

  async #checkState(key: Model): Promise<void> {
    const { KeyMetadata: metadata } = await this.#kms.describeKey({ KeyId: key.id })
    const there = allPresent(key) ? (key.enabled ? 'Enabled' : 'Disabled') : 'PendingImport'
    this.#expect('state', metadata?.KeyState ?? '', key.pendingDeletion ? 'PendingDeletion' : there)
  }
}

function expiry(at: number | undefined) {
  return at === undefined ? {} : { ExpirationModel: 'KEY_MATERIAL_EXPIRES' as const, ValidTo: new Date(at) }
}
