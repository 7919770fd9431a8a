import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Key } from '../domain/key.js'
import { HsmError } from '../ports/hsm.js'
import type { KeyName } from '../ports/keys.js'
import type { KeyStores } from '../ports/key-stores.js'
import { deleteDueKey } from '../service/delete-keys.js'
import { rotateDueKey } from '../service/rotate-keys.js'
import type { Services } from '../service/services.js'

/** Keys that one run takes on; the rest waits for the next. */
const batchMax = 100
/** Keys that one run looks at: those of a key store that is away must not hold up the others. */
const candidatesMax = 10_000
/** How long a claim on a key holds: a process that dies meanwhile delays it by no more. */
const leaseMs = 60_000

/** Rotates the keys whose scheduled date has come; answers how many. */
export async function rotateDueKeys(services: Services, owner: string): Promise<number> {
  const due = await services.store.keys.dueForRotation(services.clock.now(), candidatesMax)
  return claimEach('rotate', due, services, owner, rotateDueKey)
}

/** Destroys the keys whose deletion date has come; answers how many. */
export async function deleteExpiredKeys(services: Services, owner: string): Promise<number> {
  const due = await services.store.keys.dueForDeletion(services.clock.now(), candidatesMax)
  return claimEach('delete', due, services, owner, deleteDueKey)
}

/**
 * One key after the other, each only by the process that holds its lease. A key that fails does not hold up the others, and a key store
 * that fails only its own.
 */
export async function claimEach(
  job: string, names: readonly KeyName[], services: Services, owner: string, act: (name: KeyName, services: Services) => Promise<boolean>,
): Promise<number> {
  let done = 0
  let tried = 0
  const failedStores = new Set<string>()
  for (const name of names) {
    if (tried >= batchMax) return done
    // Neither rotated nor destroyed without a record.
    if (!services.audit.healthy()) return done
    // Store and HSM may answer without ever letting the event loop turn; requests must not wait for the whole batch.
    await nextTurn()
    const key = await keyOf(name, services)
    const keyStore = key?.keyStore ?? ''
    // What waits for a custom key store that is disconnected waits quietly: somebody wants it so.
    if (failedStores.has(keyStore) || (key && !services.customKeyStores.isConnected(key))) continue
    tried++
    const lease = `${job}:${name.region}/${name.keyId}`
    const now = services.clock.now()
    if (!await services.store.leases.acquire(lease, owner, now, now + leaseMs)) continue
    try {
      if (await act(name, services)) done++
    } catch (error) {
      services.log.error(`could not ${job} a key that is due`, { region: name.region, keyId: name.keyId, keyStore, error })
      if (await isOfTheWholeStore(error, keyStore, services)) failedStores.add(keyStore)
    } finally {
      await services.store.leases.release(lease, owner)
    }
  }
  return done
}

/** Whether the key store could not do the same for any other key of it, either. */
async function isOfTheWholeStore(error: unknown, keyStore: string, { keyStores }: Services): Promise<boolean> {
  if (!(error instanceof HsmError)) return false
  if (error.kind === 'capacity' || error.kind === 'login') return true
  return error.kind === 'lost' && !await answers(keyStore, keyStores)
}

async function answers(keyStore: string, keyStores: KeyStores): Promise<boolean> {
  try {
    await keyStores.get(keyStore).probe()
    return true
  } catch {
    return false
  }
}

/** undefined when the key cannot be read: what is wrong with it shows when it is acted on. */
async function keyOf({ region, keyId }: KeyName, { directory }: Services): Promise<Key | undefined> {
  return (await directory.key(region, keyId).catch(() => undefined))?.key
}
