import { randomBytes } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import { type AuditEvent, eventMembers, startMembers } from '../../domain/audit-chain.js'
import type { AuditLog } from '../../ports/audit-log.js'
import { AuditLogError, ChainWriter } from './chain-writer.js'
import { Checkpointer, type CheckpointerOptions } from './checkpointer.js'
import { type AuditLimits, auditLimits } from './limits.js'
import { endsToLink } from './previous-chains.js'
import { writePublicKey } from './public-keys.js'
import { tryWriting } from './segments.js'

export interface AuditLogOptions extends Omit<CheckpointerOptions, 'chain'> {
  readonly directory: string
  /** Names the process in its chain. */
  readonly instance: string
  readonly limits?: Partial<AuditLimits>
}

/**
 * Begins a new chain in the directory, which it makes if need be (0700). Any number of processes may use one directory. Throws if the
 * directory cannot be written, or belongs to another installation's key.
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const { directory } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  const limits = { ...auditLimits, ...options.limits }
  return new AuditFiles(options, limits, await beginChain(options, limits))
}

/** What is written to at present. */
interface Chain { readonly writer: ChainWriter, readonly checkpointer: Checkpointer }

async function beginChain(options: AuditLogOptions, limits: AuditLimits): Promise<Chain> {
  const { directory, clock, rootVersion, instance, log } = options
  await writePublicKey(directory, rootVersion, options.publicKey)
  const previous = await endsToLink(directory)
  for (const { chain, sequence, tornBytes } of previous) {
    if (tornBytes > 0) log.warn('an audit chain ends in an unfinished record, as a crash leaves it', { chain, sequence, tornBytes })
  }
  const chain = randomBytes(8).toString('hex')
  const writer = new ChainWriter(directory, chain, clock, limits)
  const checkpointer = new Checkpointer(writer, limits, { ...options, chain })
  try {
    await writer.add(startMembers({ format: 1, time: new Date(clock.now()).toISOString(), instance, rootVersion, previous }))
  } catch (error) {
    await writer.close()
    throw error
  }
  return { writer, checkpointer }
}

/**
 * A chain that failed is never written to again. Instead every tick tries to begin another, linked to the failed one as it stands on the
 * disk, just as a restart would; what was refused meanwhile stays refused.
 */
class AuditFiles implements AuditLog {
  readonly #options: AuditLogOptions
  readonly #limits: AuditLimits
  readonly #timer: NodeJS.Timeout
  #chain: Chain
  #recovering: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: AuditLogOptions, limits: AuditLimits, chain: Chain) {
    this.#options = options
    this.#limits = limits
    this.#chain = chain
    this.#timer = setInterval(() => this.#tick(), limits.checkpointMs)
    this.#timer.unref()
  }

  append(event: AuditEvent): Promise<void> {
    if (this.#closing) return Promise.reject(new AuditLogError('the audit log is closed'))
    let members: string
    try {
      members = eventMembers(event)
    } catch (cause) {
      return Promise.reject(new AuditLogError('this audit event cannot be written as JSON', { cause }))
    }
    const { writer, checkpointer } = this.#chain
    const done = writer.add(members)
    if (checkpointer.due()) void checkpointer.tick()
    return done
  }

  healthy(): boolean {
    return this.#closing === undefined && this.#chain.writer.healthy() && this.#chain.checkpointer.healthy()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #tick(): void {
    if (!this.#chain.writer.failed) return void this.#chain.checkpointer.tick()
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = undefined
    })
  }

  /** Never rejects. */
  async #recover(): Promise<void> {
    const { directory, log } = this.#options
    try {
      await tryWriting(directory)
      const chain = await beginChain(this.#options, this.#limits)
      const failed = this.#chain
      this.#chain = chain
      log.info('the audit log can be written again, in a new chain')
      await failed.writer.close().catch((error: unknown) => log.debug('closing the failed audit segment failed', { error }))
    } catch (error) {
      log.error('the audit log still cannot be written', { error })
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#recovering
    const { writer, checkpointer } = this.#chain
    await writer.drained()
    if (!writer.failed) await checkpointer.close()
    await writer.close()
  }
}
