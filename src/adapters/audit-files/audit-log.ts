import { randomBytes } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import { type AuditEvent, eventMembers, startMembers } from '../../domain/audit-chain.js'
import type { AuditLog } from '../../ports/audit-log.js'
import { AuditLogError, ChainWriter } from './chain-writer.js'
import { Checkpointer, type CheckpointerOptions } from './checkpointer.js'
import { type AuditLimits, auditLimits } from './limits.js'
import { endsToLink } from './previous-chains.js'
import { writePublicKey } from './public-keys.js'

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
  const { directory, clock, rootVersion, instance, log } = options
  const limits = { ...auditLimits, ...options.limits }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
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
  return new AuditFiles(writer, checkpointer, limits)
}

class AuditFiles implements AuditLog {
  readonly #writer: ChainWriter
  readonly #checkpointer: Checkpointer
  readonly #timer: NodeJS.Timeout
  #closing: Promise<void> | undefined

  constructor(writer: ChainWriter, checkpointer: Checkpointer, limits: AuditLimits) {
    this.#writer = writer
    this.#checkpointer = checkpointer
    this.#timer = setInterval(() => void checkpointer.tick(), limits.checkpointMs)
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
    const done = this.#writer.add(members)
    if (this.#checkpointer.due()) void this.#checkpointer.tick()
    return done
  }

  healthy(): boolean {
    return this.#closing === undefined && this.#writer.healthy() && this.#checkpointer.healthy()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#writer.drained()
    if (!this.#writer.failed) await this.#checkpointer.close()
    await this.#writer.close()
  }
}
