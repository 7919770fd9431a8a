import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openHsm, type Pkcs11Config } from '../adapters/pkcs11/hsm.js'
import { hidePin } from '../adapters/pkcs11/token/pin.js'
import { findSoftHsm, makeSoftHsmToken } from '../adapters/pkcs11/token/softhsm-token.js'
import type { Config } from '../config.js'
import { ConfigError } from '../config/reader.js'
import { rootsStore, type StoreConfig } from '../config/stores.js'
import type { Hsm } from '../ports/hsm.js'
import type { Log } from '../ports/log.js'
import { InstallationError } from '../service/first-start.js'
import { OpenedKeyStores } from './key-stores.js'

export type StoresOf = Pick<Config, 'dataDir' | 'hsm' | 'keyStores' | 'defaultKeyStore' | 'regionKeyStores'>

const embeddedTokenLabel = 'claviger'

/** All key stores of a server. */
export function openKeyStores(config: StoresOf, log: Log): Promise<OpenedKeyStores> {
  return OpenedKeyStores.open({
    roots: rootsStore,
    others: Object.keys(config.keyStores),
    forNewKeys: config.defaultKeyStore,
    ofRegions: config.regionKeyStores,
    async open(name, storeLog) {
      // Nobody but the server of this data directory writes to its embedded token.
      const alone = name === rootsStore && config.hsm.module === undefined
      return openHsm({ ...await pkcs11Config(config, name, 'make'), alone }, storeLog)
    },
    log,
  })
}

/** One key store for a command, beside a running server: one lane is enough, and the device may not have many sessions to give. */
export async function openKeyStore(config: StoresOf, name: string, log: Log): Promise<Hsm> {
  const token = await pkcs11Config(config, name)
  return openHsm({ ...token, lanes: { ...token.lanes, count: 1 } }, log)
}

/**
 * The token of a key store: the configured one, or the embedded SoftHSM token of the data directory, which only a server makes. Throws
 * ConfigError for a store that the configuration does not have.
 */
export async function pkcs11Config(
  { dataDir, hsm, keyStores }: Pick<StoresOf, 'dataDir' | 'hsm' | 'keyStores'>, name = rootsStore, ifMissing: 'make' | 'refuse' = 'refuse',
): Promise<Pkcs11Config> {
  const store = name === rootsStore ? hsm : Object.hasOwn(keyStores, name) ? keyStores[name] : undefined
  if (!store) throw new ConfigError([`there is no key store ${name}; there are: ${[rootsStore, ...Object.keys(keyStores)].join(', ')}`])
  for (const { pin } of [hsm, ...Object.values(keyStores)]) hidePin(pin)
  const refusalFile = join(dataDir, `pin-refused-${name}`)
  if (isToken(store)) return { ...store, refusalFile }
  const directory = join(dataDir, 'softhsm')
  if (ifMissing === 'refuse' && !existsSync(directory)) {
    throw new InstallationError(`there is no token in ${directory}: a server makes it when it first starts`)
  }
  return { ...await makeSoftHsmToken({ directory, label: embeddedTokenLabel, module: findSoftHsm() }), ...store, refusalFile }
}

function isToken(store: StoreConfig): store is StoreConfig & { readonly module: string } {
  return store.module !== undefined
}
