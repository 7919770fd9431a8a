import { reprieved } from '../domain/deletion.js'
import { identityQuotas, type Role, type User } from '../domain/identity.js'
import { isPendingDeletion } from '../domain/key-state.js'
import type { HeadWitness, Installation, InstanceRecord } from '../ports/store.js'
import { allKeys } from './all-keys.js'
import { endAllApprovals } from './approvals/settle.js'
import type { Services } from './services.js'

/**
 * Notices a database that was put back to an earlier state. Its head goes up while it is in use, and then in a witness that is not
 * restored with it: a witness that is ahead has seen what the database has forgotten.
 */
export class StoreHead {
  readonly #record: InstanceRecord
  readonly #witness: HeadWitness
  #installed: Installation

  constructor(record: InstanceRecord, witness: HeadWitness, installed: Installation) {
    this.#record = record
    this.#witness = witness
    this.#installed = installed
  }

  isBehind(): boolean {
    return this.#witness.read() > this.#installed.head
  }

  /** The store first: a crash between the two must not look like a rollback. */
  async advance(): Promise<void> {
    const head = Math.max(this.#installed.head, this.#witness.read()) + 1
    this.#installed = { ...this.#installed, head }
    await this.#record.put(this.#installed)
    this.#witness.write(head)
  }
}

/**
 * Makes an older database safe to use beside an HSM that has gone on: what it says of destruction may long have been taken back, so pending
 * deletions are cancelled and half-made versions are given up without touching their objects; and as nobody knows any more how
 * often the current versions have sealed, they count as spent, so that the next seal rotates. Sessions end, because nobody knows which were
 * revoked, and so do calls that wait for approval, because nobody knows which were done or rejected.
 */
export async function acceptRollback(services: Services): Promise<void> {
  const { store, backingKeys, keyVersions, log } = services
  for (const { region, keyId } of await store.keys.unsettled(Number.MAX_SAFE_INTEGER)) {
    const view = await store.keys.get(region, keyId)
    for (const version of view?.versions.values() ?? []) if (version.state === 'creating') await keyVersions.abandon(version)
  }
  let cancelled = 0
  for await (const view of allKeys(services)) {
    await backingKeys.spend(view)
    if (!isPendingDeletion(view.key.state)) continue
    const { region, keyId } = view.key
    await services.directory.change(region, keyId, stored => ({ key: reprieved(stored) }))
    cancelled++
  }
  await revokeSessions(services)
  const approvals = await endAllApprovals(services)
  log.warn('an older database was accepted: pending deletions are cancelled, every key rotates before it encrypts, sessions and approval '
    + 'requests have ended. Access keys, policies and grants that were taken away since are there again', { cancelled, approvals })
}

/** The database may have forgotten which were revoked; their tokens are good on their own. */
async function revokeSessions({ store, identities, clock }: Services): Promise<void> {
  for (const entity of await usersAndRoles(store)) await store.identities.update({ ...entity, sessionsRevokedAt: clock.now() })
  identities.forget()
}

async function usersAndRoles({ identities }: Services['store']): Promise<readonly (User | Role)[]> {
  const found: (User | Role)[] = []
  for (const { accountId } of await identities.accounts(undefined, identityQuotas.accounts)) {
    found.push(...await identities.list(accountId, 'user', undefined, identityQuotas.perAccount.user))
    found.push(...await identities.list(accountId, 'role', undefined, identityQuotas.perAccount.role))
  }
  return found
}
