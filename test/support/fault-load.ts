import type { KMS } from '@aws-sdk/client-kms'
import { kmsClient } from './clients.js'
import { pairStockOf, pairWork, WrongByte, type PairStock } from './fault-load-pairs.js'
import type { ServerAddress } from './server.js'

/** Answers that tell a client to try again; an SDK does so by itself for all of them. LimitExceeded is what a full token says. */
const retryable = new Set(['KeyUnavailableException', 'ThrottlingException', 'KMSInternalException'])
const creationOnly = new Set(['LimitExceededException', 'ConflictException'])
const creationsEvery = 12

export interface LoadTally {
  right: number
  retryable: number
  /** Slowest single call, in milliseconds. */
  slowestMs: number
  /** What must not happen, in words. */
  readonly wrong: string[]
}

/** Keys and ciphertexts that exist before the faults begin, with what they must open to. */
export interface Stock {
  readonly keyId: string
  readonly sealed: readonly { readonly blob: Uint8Array, readonly plaintext: Buffer }[]
  readonly pairs: PairStock
}

export async function stockOf(kms: KMS): Promise<Stock> {
  const { KeyMetadata } = await kms.createKey({ Description: 'stock' })
  const keyId = KeyMetadata?.KeyId ?? ''
  const sealed = []
  for (let number = 0; number < 6; number++) {
    const { Plaintext, CiphertextBlob } = await kms.generateDataKey({ KeyId: keyId, KeySpec: 'AES_256' })
    sealed.push({ blob: CiphertextBlob as Uint8Array, plaintext: Buffer.from(Plaintext as Uint8Array) })
    if (number % 2 === 1) await kms.rotateKeyOnDemand({ KeyId: keyId })
  }
  return { keyId, sealed, pairs: await pairStockOf(kms) }
}

/** Clients that use the service all the time, and look hard at every answer. */
export class FaultLoad {
  readonly #clients: readonly KMS[]
  readonly #stock: Stock
  readonly #saysInvalid: () => boolean
  #stopped = false
  #tally = newTally()
  /** Data keys that were handed out while the device failed: they must open for ever. */
  readonly handedOut: { readonly blob: Uint8Array, readonly plaintext: Buffer }[] = []

  constructor(server: ServerAddress, stock: Stock, clients: number, saysInvalid: () => boolean) {
    // One attempt each: what every single request is answered is what matters here.
    this.#clients = Array.from({ length: clients }, () => kmsClient(server, { maxAttempts: 1 }))
    this.#stock = stock
    this.#saysInvalid = saysInvalid
  }

  run(): Promise<void> {
    return Promise.all(this.#clients.map((kms, number) => this.#loop(kms, number))).then(() => undefined)
  }

  stop(): void {
    this.#stopped = true
  }

  /** What happened since it was last asked. */
  take(): LoadTally {
    const tally = this.#tally
    this.#tally = newTally()
    return tally
  }

  async #loop(kms: KMS, number: number): Promise<void> {
    const { keyId, sealed, pairs } = this.#stock
    const work = pairWork(pairs)
    for (let turn = number; !this.#stopped; turn++) {
      const { name, creates, run } = work[turn % work.length] as (typeof work)[number]
      await this.#call(name, creates, () => run(kms))
      if (turn % creationsEvery === 0) {
        await this.#call('CreateKey', true, () => kms.createKey({ Description: 'load' }))
      } else if (turn % 3 === 0) {
        await this.#call('GenerateDataKey', false, async () => {
          const { Plaintext, CiphertextBlob } = await kms.generateDataKey({ KeyId: keyId, KeySpec: 'AES_256' })
          this.handedOut.push({ blob: CiphertextBlob as Uint8Array, plaintext: Buffer.from(Plaintext as Uint8Array) })
        })
      } else if (turn % 3 === 1) {
        const { blob, plaintext } = sealed[turn % sealed.length] as Stock['sealed'][number]
        await this.#call('Decrypt', false, async () => {
          const { Plaintext } = await kms.decrypt({ CiphertextBlob: blob })
          if (!plaintext.equals(Plaintext as Uint8Array)) throw new WrongByte('Decrypt answered other bytes than were sealed')
        })
      } else {
        const plaintext = Buffer.from(`secret ${turn}`)
        await this.#call('Encrypt', false, async () => {
          const { CiphertextBlob } = await kms.encrypt({ KeyId: keyId, Plaintext: plaintext })
          this.handedOut.push({ blob: CiphertextBlob as Uint8Array, plaintext })
        })
      }
    }
  }

  async #call(name: string, creates: boolean, run: () => Promise<unknown>): Promise<void> {
    const started = performance.now()
    const tally = this.#tally
    try {
      await run()
      tally.right += 1
    } catch (error) {
      const code = error instanceof Error ? error.name : String(error)
      const allowed = retryable.has(code) || (creates && creationOnly.has(code))
        || (this.#saysInvalid() && (code === 'InvalidCiphertextException' || code === 'KMSInvalidSignatureException'))
      if (allowed) tally.retryable += 1
      else tally.wrong.push(`${name}: ${code} ${error instanceof Error ? error.message : ''}`)
      // A client that is told to come back does so a little later.
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - started)
  }
}

function newTally(): LoadTally {
  return { right: 0, retryable: 0, slowestMs: 0, wrong: [] }
}
