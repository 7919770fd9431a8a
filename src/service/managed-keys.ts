import type { Scope } from '../domain/key-ref.js'
import { isVisible } from '../domain/key-state.js'
import type { Key } from '../domain/key.js'
import { managedKeyDescription, rotationPeriodInDays } from '../domain/managed-keys.js'
import { dayMs, scheduleFrom } from '../domain/rotation.js'
import { makeKey } from './create-key.js'
import { deleteDueKey } from './delete-keys.js'
import { serviceEvent } from './service-event.js'
import type { Services } from './services.js'

/** A key that a crash left without its alias goes after this time. */
const unclaimedDays = 1

/** The id of the key behind `alias/aws/<service>`; it is made if need be. undefined for any other alias. */
export async function madeManagedKey(scope: Scope, alias: string, services: Services): Promise<string | undefined> {
  const description = managedKeyDescription(alias)
  if (description === undefined) return undefined
  return services.turns.take(`managed-key:${scope.accountId}/${scope.region}/${alias}`, async () => {
    return await managedKey(scope, alias, services) ?? make(scope, alias, description, services)
  })
}

/**
 * The same without making it. Nobody can disable such a key or schedule its deletion: in any other state than Enabled it is one whose
 * making was interrupted.
 */
export async function managedKey({ accountId, region }: Scope, alias: string, { directory }: Services): Promise<string | undefined> {
  const keyId = (await directory.alias(accountId, region, alias))?.targetKeyId
  const view = keyId === undefined ? undefined : await directory.key(region, keyId)
  if (view && isVisible(view.key.state) && view.key.state !== 'Enabled') {
    await directory.change(region, view.key.keyId, ({ key }) => isVisible(key.state) ? { key: enabled(key) } : undefined)
  }
  return keyId
}

/** The alias decides who was first. Until then the key is due for deletion, so that nothing is left of the ones that were not. */
async function make(scope: Scope, alias: string, description: string, services: Services): Promise<string> {
  const { store, directory, audit, clock } = services
  const now = clock.now()
  const { key } = await makeKey(scope, {
    keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT', origin: 'AWS_KMS', manager: 'AWS', description,
    schedule: scheduleFrom(now, rotationPeriodInDays),
  }, services, { finish: made => ({ ...made, state: 'PendingDeletion', deletionDate: now + unclaimedDays * dayMs }) })
  await audit.append(serviceEvent('CreateKey', key, clock, { aliasName: alias }))
  const first = await store.aliases.insert({ ...scope, name: alias, targetKeyId: key.keyId, createdAt: now, updatedAt: now })
  directory.forgetAlias(scope, alias)
  if (!first) await discard(key, services)
  const claimed = await managedKey(scope, alias, services)
  if (claimed === undefined) throw new Error(`${alias} was taken away while it was made`)
  return claimed
}

async function discard({ region, keyId }: Key, services: Services): Promise<void> {
  const { directory, clock, log } = services
  try {
    await directory.change(region, keyId, ({ key }) => ({ key: { ...key, deletionDate: clock.now() } }))
    await deleteDueKey({ region, keyId }, services)
  } catch (error) {
    log.warn('a key that was made for nothing is left to the job that deletes keys', { region, keyId, error })
  }
}

function enabled({ deletionDate: _, ...key }: Key): Key {
  return { ...key, state: 'Enabled' }
}
