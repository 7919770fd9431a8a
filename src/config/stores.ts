import { readFileSync } from 'node:fs'
import type { LaneConfig, Pkcs11Config, PinSource } from '../adapters/pkcs11/config.js'
import { certificateOf, clusterIdOf, clusterIdPattern } from '../domain/custom-key-store.js'
import { isAccountId } from '../domain/principal.js'
import type { Reader } from './reader.js'

/** A key store as configured: a token and how to work with it. What is not given is chosen by the token's profile. */
export interface StoreConfig extends Pick<Pkcs11Config,
  'tokenLabel' | 'tokenSerial' | 'pin' | 'host' | 'environment' | 'libraryParameters' | 'objectsMax' | 'verifySeals' | 'verifyOpens'
  | 'lanes'> {
  /** undefined: the embedded SoftHSM token in the data directory. Only the store `default` may be that. */
  readonly module?: string
  readonly profile?: string
}

export interface StoresConfig {
  /** The key store `default`, which holds the roots. */
  readonly hsm: StoreConfig
  /** The others, by name. */
  readonly keyStores: Readonly<Record<string, StoreConfig & { readonly module: string }>>
  /** What each of them is to the custom key stores of the API. */
  readonly clusters: Readonly<Record<string, ClusterConfig>>
  /** Where CreateKey makes new keys. */
  readonly defaultKeyStore: string
  /** By region: where its keys are made instead. */
  readonly regionKeyStores: Readonly<Record<string, string>>
}

export interface ClusterConfig {
  readonly clusterId: string
  /** The account that may claim it; without it, that of the installation. */
  readonly accountId?: string
  /** PEM file: the only certificate with which CreateCustomKeyStore may claim the store. */
  readonly trustAnchor?: string
}

/** The store of the roots: `hsm` in the configuration. */
export const rootsStore = 'default'

const namePattern = /^[a-zA-Z0-9_-]{1,64}$/
const variablePattern = /^[A-Za-z_][A-Za-z0-9_]*$/
/** A file in a directory, and not the directory itself or its parent (systemd.exec, LoadCredential). */
const credentialPattern = /^(?!\.{1,2}$)[A-Za-z0-9_.@-]{1,255}$/
/** 0 to 2 are stdin, stdout and stderr. */
const descriptors = { min: 3, max: 1_023 } as const
const objectsMaxMax = 100_000_000
const laneLimits: Readonly<Record<keyof LaneConfig, readonly [min: number, max: number]>> = {
  count: [1, 256], callDeadlineMs: [10, 600_000], slowCallDeadlineMs: [10, 3_600_000], queueMax: [1, 1_000_000], queueWaitMs: [1, 600_000],
  openGapMs: [0, 60_000], keepAliveMs: [0, 3_600_000],
}

/** Only a server looks into the files of trust anchors. */
export function readStores(reader: Reader, reading: 'server' | 'command' = 'command'): StoresConfig {
  const hsm = readStore('hsm', reader)
  const stores = new Map<string, StoreConfig & { readonly module: string }>()
  const clusters = new Map<string, ClusterConfig>()
  for (const name of reader.names('keyStores')) {
    const at = `keyStores.${name}`
    if (!namePattern.test(name) || name === rootsStore) {
      reader.skip(at, `"${name}" cannot name a key store: 1 to 64 letters, digits, _ or -, and not ${rootsStore}`)
    } else {
      const store = readStore(at, reader, { moduleNeeded: true })
      stores.set(name, { ...store, module: store.module ?? '' })
      clusters.set(name, readCluster(name, reader, reading))
    }
  }
  refuseSameToken(new Map([['hsm', hsm], ...[...stores].map(([name, store]) => [`keyStores.${name}`, store] as const)]), reader)
  refuseSameCluster(clusters, reader)
  const defaultKeyStore = reader.text('defaultKeyStore') ?? rootsStore
  if (defaultKeyStore !== rootsStore && !stores.has(defaultKeyStore)) {
    reader.fault(`defaultKeyStore is "${defaultKeyStore}", which keyStores does not have`)
  }
  const regionKeyStores = reader.map('regionKeyStores') ?? {}
  for (const [region, name] of Object.entries(regionKeyStores)) {
    if (name !== rootsStore && !stores.has(name)) reader.fault(`regionKeyStores.${region} is "${name}", which keyStores does not have`)
  }
  return { hsm, keyStores: Object.fromEntries(stores), clusters: Object.fromEntries(clusters), defaultKeyStore, regionKeyStores }
}

function readCluster(name: string, reader: Reader, reading: 'server' | 'command'): ClusterConfig {
  const at = `keyStores.${name}`
  const clusterId = reader.text(`${at}.clusterId`)
  if (clusterId !== undefined && !clusterIdPattern.test(clusterId)) {
    reader.fault(`${at}.clusterId must be cluster- and 11 to 16 letters or digits from 2 to 7`)
  }
  const trustAnchor = reader.path(`${at}.trustAnchor`)
  if (trustAnchor !== undefined && reading === 'server') checkTrustAnchor(`${at}.trustAnchor`, trustAnchor, reader)
  const accountId = reader.text(`${at}.account`)
  if (accountId !== undefined && !isAccountId(accountId)) reader.fault(`${at}.account must be 12 digits (in YAML within quotes)`)
  return {
    clusterId: clusterId ?? clusterIdOf(name), ...accountId !== undefined && { accountId }, ...trustAnchor !== undefined && { trustAnchor },
  }
}

function checkTrustAnchor(setting: string, file: string, reader: Reader): void {
  try {
    if (!certificateOf(readFileSync(file, 'utf8'))) reader.fault(`${setting}: ${file} is not one PEM certificate`)
  } catch (error) {
    reader.fault(`${setting} cannot be read: ${(error as Error).message}`)
  }
}

function refuseSameCluster(clusters: ReadonlyMap<string, ClusterConfig>, reader: Reader): void {
  const seen = new Map<string, string>()
  for (const [name, { clusterId }] of clusters) {
    const other = seen.get(clusterId)
    if (other !== undefined) reader.fault(`keyStores.${name} has the cluster id of keyStores.${other}`)
    seen.set(clusterId, name)
  }
}

function readStore(at: string, reader: Reader, { moduleNeeded } = { moduleNeeded: false }): StoreConfig {
  const token = readToken(at, reader)
  const pin = readPin(at, token.module !== undefined, reader)
  if (token.module === undefined) {
    if (moduleNeeded || pin || Object.keys(token).length > 0) reader.fault(`${at}.module is missing`)
  } else if ((token.tokenLabel === undefined) === (token.tokenSerial === undefined)) {
    reader.fault(`${at} needs exactly one of tokenLabel and tokenSerial`)
  }
  return { ...token, ...pin && { pin }, ...readWork(at, reader) }
}

/** Which token it is: means nothing without a module. */
function readToken(at: string, reader: Reader): Omit<StoreConfig, 'pin' | 'verifySeals'> {
  return given({
    module: reader.path(`${at}.module`),
    tokenLabel: reader.text(`${at}.tokenLabel`),
    tokenSerial: reader.text(`${at}.tokenSerial`),
    profile: reader.text(`${at}.profile`),
    environment: reader.map(`${at}.environment`),
    libraryParameters: reader.text(`${at}.libraryParameters`),
  })
}

/** How to work with a token, whichever it is. */
function readWork(at: string, reader: Reader): Pick<StoreConfig, 'host' | 'objectsMax' | 'lanes' | 'verifySeals' | 'verifyOpens'> {
  const lanes: Partial<Record<keyof LaneConfig, number>> = {}
  for (const [name, [min, max]] of Object.entries(laneLimits) as [keyof LaneConfig, readonly [number, number]][]) {
    const value = reader.integer(`${at}.lanes.${name}`, min, max)
    if (value !== undefined) lanes[name] = value
  }
  const host = reader.oneOf(`${at}.host`, ['inline', 'process'])
  const objectsMax = reader.integer(`${at}.objectsMax`, 1, objectsMaxMax)
  const verifyOpens = reader.boolean(`${at}.verifyOpens`)
  return {
    ...given({ host, objectsMax, verifyOpens }), ...Object.keys(lanes).length > 0 && { lanes },
    verifySeals: reader.boolean(`${at}.verifySeals`) ?? true,
  }
}

function readPin(at: string, needed: boolean, reader: Reader): PinSource | undefined {
  const file = reader.path(`${at}.pinFile`)
  const environment = reader.text(`${at}.pinEnvironment`)
  const descriptor = reader.integer(`${at}.pinDescriptor`, descriptors.min, descriptors.max)
  const credential = reader.text(`${at}.pinCredential`)
  if (environment !== undefined && !variablePattern.test(environment)) {
    reader.fault(`${at}.pinEnvironment must be the name of a variable that holds the PIN`)
  }
  if (credential !== undefined && !credentialPattern.test(credential)) {
    reader.fault(`${at}.pinCredential must be the name of a systemd credential: a file name without a directory`)
  }
  const sources: readonly PinSource[] = [
    ...file === undefined ? [] : [{ file }], ...environment === undefined ? [] : [{ environment }],
    ...descriptor === undefined ? [] : [{ descriptor }], ...credential === undefined ? [] : [{ credential }],
  ]
  if (sources.length > 1 || (needed && sources.length === 0)) {
    reader.fault(`${at} needs exactly one of pinFile, pinEnvironment, pinDescriptor and pinCredential`)
  }
  return sources[0]
}

/** What one store made would be a stranger to the other. */
function refuseSameToken(stores: ReadonlyMap<string, StoreConfig>, reader: Reader): void {
  const seen = new Map<string, string>()
  for (const [at, { module, tokenLabel, tokenSerial, environment = {}, libraryParameters }] of stores) {
    if (!module) continue
    const token = JSON.stringify([module, tokenLabel, tokenSerial, Object.entries(environment).sort(), libraryParameters])
    const other = seen.get(token)
    if (other !== undefined) reader.fault(`${at} is the same token as ${other}`)
    seen.set(token, at)
  }
}

type Given<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the members that are undefined. */
function given<T extends object>(members: T): Given<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Given<T>
}
