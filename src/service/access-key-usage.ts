import type { Caller } from '../domain/caller.js'
import type { AccessKeyUsage, Credentials } from '../ports/credentials.js'
import type { Log } from '../ports/log.js'
import { isAccessKeyId } from './credentials.js'
import type { Services } from './services.js'
import { UsageNotes } from './usage-notes.js'

const pendingAccessKeysMax = 50_000

/**
 * When each access key was last used (service/usage-notes.ts): the last call whose signature was good, whatever became of it. Who wants to
 * know whether an access key is still in use wants to know of the refused calls, too.
 */
export class AccessKeyUsages {
  readonly #credentials: Pick<Credentials, 'usage'>
  readonly #notes: UsageNotes<AccessKeyUsage>

  constructor(credentials: Pick<Credentials, 'usage' | 'putUsages'>, log: Log) {
    this.#credentials = credentials
    this.#notes = new UsageNotes({
      of: 'access keys', pendingMax: pendingAccessKeysMax, write: usages => credentials.putUsages(usages), log,
    })
  }

  /** Nothing for a caller without an access key of its own: temporary credentials are not kept. */
  note({ accessKeyId, session }: Caller, usage: Omit<AccessKeyUsage, 'accessKeyId'>): void {
    if (session === undefined && isAccessKeyId(accessKeyId)) this.#notes.note(accessKeyId, { accessKeyId, ...usage })
  }

  async of(accessKeyId: string): Promise<AccessKeyUsage | undefined> {
    return this.#notes.pending(accessKeyId) ?? this.#credentials.usage(accessKeyId)
  }

  /** Of an access key that was removed. */
  forget(accessKeyId: string): void {
    this.#notes.forget(accessKeyId)
  }

  flush(): Promise<void> {
    return this.#notes.flush()
  }
}

/** Writes the last usages of keys and of access keys. */
export async function flushUsages({ lastUsage, accessKeyUsages }: Services): Promise<void> {
  await lastUsage.flush()
  await accessKeyUsages.flush()
}
