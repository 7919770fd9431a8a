import { join } from 'node:path'
import type { Config } from '../config.js'
import { controlServer } from '../http/control.js'
import { reportMissingApprovers } from '../service/approvals/missing-approvers.js'
import { readiness } from '../service/readiness.js'
import { reportKeysWithoutRegion, reportKeysWithoutStore, reportOrphans } from '../service/reconcile.js'
import type { Services } from '../service/services.js'
import type { OpenedKeyStores } from './key-stores.js'
import type { Opened } from './opened.js'

/** Of the operator's view (`claviger hsm watch`), and of health checks that have no client certificate. */
export function controlSocket({ dataDir }: Pick<Config, 'dataDir'>): string {
  return join(dataDir, 'control.sock')
}

export async function openControl(config: Config, services: Services, opened: Opened): Promise<void> {
  const { keyStores, capacity, log } = services
  const pages = {
    '/key-stores': () => keyStores.names.map(name => ({
      name, connection: keyStores.connection(name).state, ...keyStores.get(name).status(), capacity: capacity.latest(name),
    })),
    '/readyz': () => readiness(services),
  }
  const control = await controlServer({ path: controlSocket(config), pages, log })
  if (control) opened.add(control)
}

/** What neither token nor database can explain alone; a store that comes later is looked at when it does. */
export function reportUnknown(services: Services, keyStores: OpenedKeyStores): void {
  const { log } = services
  reportKeysWithoutRegion(services).catch((error: unknown) => log.warn('could not look for regions that are not served', { error }))
  reportKeysWithoutStore(services).catch((error: unknown) => log.warn('could not count the keys of the key stores', { error }))
  keyStores.onOpened(keyStore => {
    reportOrphans(services, keyStore).catch((error: unknown) => {
      log.warn('could not look for unknown objects in the HSM', { keyStore, error })
    })
  })
  reportMissingApprovers(services).catch((error: unknown) => log.warn('could not look for the approvers of dual control', { error }))
  services.capacity.look().catch((error: unknown) => log.warn('could not look at the capacity of the key stores', { error }))
}
