import type { Clock } from '../ports/clock.js'
import { HsmError, type Hsm } from '../ports/hsm.js'
import type { KeyStores } from '../ports/key-stores.js'
import { IntegrityError } from '../ports/keys.js'
import type { Installation, Store } from '../ports/store.js'
import { newAccessKey } from './credentials.js'
import { adoptIdentities, administratorOf } from './identities/first-identities.js'
import { firstRoots, holdsBackingKeys, holdsRoots, makeMissingRoots, missingRoots } from './roots.js'

export interface Administrator { readonly accountId: string, readonly accessKeyId: string, readonly secret: string }

export interface FirstStartOptions {
  readonly keyStores: KeyStores
  readonly store: Store
  readonly clock: Clock
  /** undefined: a random one at first start. */
  readonly accountId: string | undefined
  /** Puts the new administrator's credentials where the operator finds them. */
  readonly handOver: (administrator: Administrator) => void
}

/** The installation cannot be served as it is; the message is for the operator. */
export class InstallationError extends Error {
  override readonly name = 'InstallationError'
}

/**
 * The installation behind this store, made now if there is none: root objects, an administrator, and last the mark that it is complete. A
 * crash before the mark makes the next start do it all again; what is already there is used.
 */
export async function installation(options: FirstStartOptions): Promise<Installation> {
  const { keyStores: { roots: hsm }, store, accountId } = options
  const stored = await storedInstallation(store)
  if (!stored) return install(options)
  if (accountId !== undefined && accountId !== stored.accountId) {
    throw new InstallationError(`the account id was fixed as ${stored.accountId} at first start and cannot become ${accountId}`)
  }
  const missing = await missingRoots(hsm, stored.roots)
  if (missing.length > 0) {
    throw new InstallationError(`the HSM token lacks ${missing.join(', ')}: `
      + 'this is not the token that the database was made with')
  }
  await adoptIdentities(stored, store, hsm)
  return stored
}

/** The row carries a MAC of `root/mac`, so another token shows here first. */
export async function storedInstallation({ instance }: Store): Promise<Installation | undefined> {
  try {
    return await instance.get()
  } catch (error) {
    const missing = error instanceof HsmError && error.kind === 'missing'
    if (!missing && !(error instanceof IntegrityError)) throw error
    throw new InstallationError('the HSM token cannot vouch for the database: this is not the token that the database was made with, '
      + 'or the database was changed by somebody else', { cause: error })
  }
}

async function install({ keyStores, store, clock, accountId, handOver }: FirstStartOptions): Promise<Installation> {
  const hsm = keyStores.roots
  const begun = await holdsRoots(hsm)
  for (const name of keyStores.names) await refuseUsed(name, keyStores, begun)
  await makeMissingRoots(hsm, firstRoots)
  const account = accountId ?? await randomAccountId(hsm)
  const administrator = await administratorOf(account, clock.now(), store, hsm)
  const { accessKey, secret } = await newAccessKey(hsm, clock, firstRoots.seal, administrator)
  handOver({ accountId: account, accessKeyId: accessKey.accessKeyId, secret })
  // Of a first start that was interrupted here: nobody was told that they work.
  for (const { accessKeyId } of await store.credentials.ofPrincipal(accessKey.principalArn)) await store.credentials.remove(accessKeyId)
  await store.credentials.put(accessKey)
  await store.identities.insertAccount({ accountId: account, name: 'main', createdAt: clock.now() })
  const made = { accountId: account, createdAt: clock.now(), roots: firstRoots, head: 1 }
  await store.instance.put(made)
  return made
}

/** A token with keys, and no database that knows them. A store that is away counts only if the roots say that there was an installation. */
async function refuseUsed(name: string, keyStores: KeyStores, begun: boolean): Promise<void> {
  try {
    if (!await holdsBackingKeys(keyStores.get(name))) return
  } catch (error) {
    if (keyStores.get(name) === keyStores.roots || !(error instanceof HsmError)) throw error
    if (!begun) return
    throw new InstallationError(`the token has roots, but the database does not know of any installation, and the key store ${name} cannot `
      + 'be asked whether it holds keys of it: make it available', { cause: error })
  }
  throw new InstallationError(`the HSM token of key store ${name} holds keys, but the database does not know of any installation: the `
    + 'database is missing or damaged, or the token belongs to another installation. Restore the database, or use another token')
}

export async function randomAccountId(hsm: Hsm): Promise<string> {
  const digits = BigInt(`0x${Buffer.from(await hsm.random(8)).toString('hex')}`) % 10n ** 12n
  return digits.toString().padStart(12, '0')
}
