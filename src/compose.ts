import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openAuditLog } from './adapters/audit-files/audit-log.js'
import { readCredentialsFile, writeCredentialsFile } from './adapters/credentials-file.js'
import { headFile } from './adapters/head-file.js'
import { nobleMlKem } from './adapters/noble-ml-kem.js'
import { lockDirectory } from './adapters/sql/directory-lock.js'
import { openSqlite } from './adapters/sql/sqlite.js'
import { systemClock } from './adapters/system-clock.js'
import { lookMs, TlsFiles } from './adapters/tls-files/tls-files.js'
import { createLog } from './adapters/winston-log.js'
import { contracts } from './api/operations.js'
import { attestationOf } from './compose/attestation.js'
import { openControl } from './compose/control.js'
import { openOtherStores } from './compose/custom-key-stores.js'
import type { OpenedKeyStores } from './compose/key-stores.js'
import { Opened } from './compose/opened.js'
import { openKeyStores } from './compose/tokens.js'
import type { Config } from './config.js'
import { rootMaterial } from './domain/material.js'
import { frontDoor } from './http/front-door.js'
import { jsonEndpoint } from './http/json/endpoint.js'
import { createHttpServer, type HttpServer } from './http/server.js'
import { deleteExpiredKeys, rotateDueKeys } from './jobs/due-keys.js'
import { every, type Repeated } from './jobs/every.js'
import { expireImportedMaterial, removeWrappingKeys } from './jobs/expire-material.js'
import type { AuditLog } from './ports/audit-log.js'
import type { Clock } from './ports/clock.js'
import type { Log } from './ports/log.js'
import type { Installation, Store } from './ports/store.js'
import { KeyPolicies } from './service/authorization/key-policies.js'
import { BackingKeys } from './service/backing-keys.js'
import { CapacityWatch } from './service/capacity.js'
import { AccessKeys } from './service/credentials.js'
import type { CustomKeyStoreRegistry } from './service/custom-key-stores/registry.js'
import { Directory } from './service/directory.js'
import { installation, InstallationError, type Administrator } from './service/first-start.js'
import { GrantIndex } from './service/grants/index.js'
import { GrantTokens } from './service/grants/tokens.js'
import { CertificateCallers } from './service/identities/certificates.js'
import { IdentityDirectory } from './service/identities/directory.js'
import { ImportTokens } from './service/imports/tokens.js'
import { InvocationMemory } from './service/invocations.js'
import { KeyPairs } from './service/key-pairs/key-pairs.js'
import { KeyVersions } from './service/key-versions.js'
import { LastUsage } from './service/last-usage.js'
import { operations } from './service/operations.js'
import { Pages } from './service/paging.js'
import { performer } from './service/perform.js'
import { Recipients } from './service/recipients.js'
import { readiness } from './service/readiness.js'
import { reconcile, reportKeysWithoutRegion, reportKeysWithoutStore, reportOrphans } from './service/reconcile.js'
import { acceptRollback, StoreHead } from './service/rollback.js'
import { firstRoots, rowAuthenticator } from './service/roots.js'
import { recordRotation } from './service/rotate-keys.js'
import type { Services } from './service/services.js'
import { Turns } from './service/turns.js'

/** Requests in flight at a stop get this long to finish. */
const closeDeadlineMs = 10_000
const ownerOnlyDirectory = 0o700
/** How far GetKeyLastUsage may be behind after a crash. */
const lastUsageLagMsMax = 60_000

export interface Server {
  readonly url: string
  readonly credentialsFile: string
  readonly services: Services
  /** The work that otherwise runs by the clock. */
  readonly jobs: Readonly<Record<
    'rotateDueKeys' | 'deleteExpiredKeys' | 'expireMaterial' | 'reconcile' | 'advanceHead' | 'lookAtCapacity' |
    'flushLastUsage' | 'forgetInvocations' | 'lookAtTls',
    Repeated
  >>
  /** Finishes what is in flight, then lets go of everything. */
  close(): Promise<void>
}

/** What a test may replace. */
export interface Parts { readonly clock?: Clock, readonly log?: Log }

/** Builds the whole service from its configuration and serves. Whatever was opened is closed again if a later step fails. */
export async function serve(config: Config, parts: Parts = {}): Promise<Server> {
  const opened = new Opened()
  try {
    return await build(config, parts.log ?? logOf(config), parts.clock ?? systemClock, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function build(config: Config, log: Log, clock: Clock, opened: Opened): Promise<Server> {
  mkdirSync(config.dataDir, { recursive: true, mode: ownerOnlyDirectory })
  const lock = lockDirectory(config.dataDir)
  opened.push(async () => lock.release())
  const keyStores = opened.add(await openKeyStores(config, log))
  const hsm = keyStores.roots
  const store = opened.add(await openSqlite({ file: databaseFile(config), authenticator: rowAuthenticator(hsm, firstRoots.mac) }))
  const credentialsFile = join(config.dataDir, 'admin.env')
  const customKeyStores = await openOtherStores(config, keyStores, store)
  const installed = await installation({
    keyStores, store, clock, accountId: config.accountId,
    handOver: administrator => writeCredentialsFile(credentialsFile, credentialsOf(administrator, config)),
  })
  // Names this process in what it leaves behind.
  const owner = randomUUID()
  const audit = opened.add(await openAudit({ config, keyStores, store, clock, log, owner, installed }))
  const services = await servicesOf({ config, keyStores, customKeyStores, store, audit, clock, log, owner, installed })
  const head = new StoreHead(store.instance, headFile(join(config.audit.directory, 'store-head')), installed)
  await checkRollback(head, services, config)
  const tls = config.tls && new TlsFiles(config.tls, log, clock)
  const jobs = await startJobs(services, config, owner, opened, head, tls)
  const http = httpServer(config, services, tls)
  const { port } = await http.listen(config.listen.port, config.listen.host)
  opened.push(() => http.close(closeDeadlineMs))
  const url = urlOf(config, port)
  updateEndpoint(credentialsFile, url, config.regions[0] ?? '')
  await openControl(config, services, opened)
  reportUnknown(services, keyStores)
  return { url, credentialsFile, services, jobs, close: () => opened.close() }
}

interface Wiring {
  readonly config: Config, readonly keyStores: OpenedKeyStores, readonly store: Store, readonly clock: Clock, readonly log: Log
  readonly owner: string, readonly installed: Installation
}

async function openAudit({ config, keyStores: { roots: hsm }, store, clock, log, owner, installed }: Wiring): Promise<AuditLog> {
  const root = rootMaterial('audit', installed.roots.audit)
  return openAuditLog({
    directory: config.audit.directory,
    limits: { segmentBytesMax: config.audit.segmentBytesMax },
    sign: digest => hsm.sign(root, 'ECDSA_SHA_256', digest),
    publicKey: await hsm.publicKey(root),
    rootVersion: installed.roots.audit,
    checkpoints: store.checkpoints,
    instance: owner,
    clock,
    log,
  })
}

async function servicesOf(
  { config, keyStores, customKeyStores, store, audit, clock, log, owner, installed }: Wiring & {
    readonly audit: AuditLog, readonly customKeyStores: CustomKeyStoreRegistry
  },
): Promise<Services> {
  const directory = new Directory(store)
  const keyVersions = new KeyVersions({ keyStores, store, directory, clock, log, owner })
  return {
    accountId: installed.accountId,
    regions: config.regions,
    hsm: keyStores.roots,
    keyStores, store, directory, audit, clock, log,
    identities: new IdentityDirectory(store),
    keyPolicies: new KeyPolicies(log),
    grantIndex: new GrantIndex(store),
    capacity: new CapacityWatch(keyStores, log),
    keyVersions, customKeyStores,
    backingKeys: new BackingKeys({
      keyStores, store, directory, log, versions: keyVersions,
      sealsPerVersionMax: config.kms.sealsPerVersionMax,
      onSpentRotation: view => recordRotation(view, 'budget', { audit, clock }),
    }),
    pages: new Pages(keyStores.roots, installed.roots.mac),
    recipients: new Recipients({ attestation: attestationOf(config), hsm: keyStores.roots, clock }),
    grantTokens: new GrantTokens(keyStores.roots, installed.roots.mac),
    importTokens: new ImportTokens(keyStores.roots, installed.roots.mac),
    lastUsage: new LastUsage(store.keyUsages, installed.createdAt, log),
    invocations: new InvocationMemory(store.invocations, clock, log),
    turns: new Turns(),
    keyPairs: new KeyPairs(nobleMlKem),
    limits: config.kms,
  }
}

/** Whoever put back an older database must say that this was meant: what it has forgotten may matter (service/rollback.ts). */
async function checkRollback(head: StoreHead, services: Services, { acceptRollback: accepted }: Config): Promise<void> {
  if (head.isBehind()) {
    if (!accepted) {
      throw new InstallationError('the database is older than it was when this service last ran. If it was restored on purpose, start '
        + 'once with CLAVIGER_ACCEPT_ROLLBACK=yes: pending deletions are then cancelled, and every key rotates before it encrypts again')
    }
    await acceptRollback(services)
  }
  await head.advance()
}

/** What a crash left behind is cleared, and what is due is done, before the first call is served. */
async function startJobs(
  services: Services, { jobs: { intervalMs } }: Config, owner: string, opened: Opened, head: StoreHead, tls: TlsFiles | undefined,
): Promise<Server['jobs']> {
  const { log } = services
  const removeOldWrappingKeys = removeWrappingKeys(services)
  const jobs = {
    reconcile: every(intervalMs, 'reconcile', async () => {
      // One batch after the other, until one finds nothing that it can take back.
      while ((await reconcile(services, owner, true)).undone > 0);
    }, log),
    rotateDueKeys: every(intervalMs, 'rotate due keys', async () => void await rotateDueKeys(services, owner), log),
    advanceHead: every(intervalMs, 'advance the head of the store', () => head.advance(), log),
    lookAtCapacity: every(intervalMs, 'look at the capacity of the key stores', () => services.capacity.look(), log),
    deleteExpiredKeys: every(intervalMs, 'delete expired keys', async () => void await deleteExpiredKeys(services, owner), log),
    expireMaterial: every(intervalMs, 'expire imported material', async () => {
      await expireImportedMaterial(services, owner)
      await removeOldWrappingKeys()
    }, log),
    flushLastUsage: every(
      Math.min(intervalMs, lastUsageLagMsMax), 'write the last usages of keys', () => services.lastUsage.flush(), log),
    forgetInvocations: every(intervalMs, 'forget old invocations', async () => void await services.invocations.forgetOld(), log),
    lookAtTls: every(lookMs, 'look at the files of TLS', async () => tls?.look(), log),
  }
  // What the last calls noted; the store is closed after that.
  opened.push(() => services.lastUsage.flush().catch(error => log.error('the last usages of keys could not be written', { error })))
  for (const job of Object.values(jobs)) opened.push(() => job.stop())
  await jobs.reconcile.now()
  await jobs.deleteExpiredKeys.now()
  return jobs
}

function httpServer(config: Config, services: Services, tls: TlsFiles | undefined): HttpServer {
  const { clock, log, store, hsm, identities } = services
  const { bodyBytesMax, inFlightMax, connectionsMax } = config.limits
  const rules = config.tls?.clients?.principals ?? []
  const deps = {
    credentials: new AccessKeys(store, hsm, identities), regions: new Set(config.regions), perform: performer(services), clock, log,
    certificates: new CertificateCallers({ rules, homeRegion: config.regions[0] ?? '', identities, clock, log }),
  }
  const server = createHttpServer({
    endpoint: frontDoor({ kms: jsonEndpoint({ service: 'kms', targetPrefix: 'TrentService.', contracts, operations }, deps) }),
    ready: () => readiness(services),
    limits: { bodyBytesMax, connectionsMax, requestsInFlightMax: inFlightMax },
    ...tls && { tls: tls.material },
    trustedProxies: config.trustedProxies,
    clock,
    log,
  })
  tls?.onChange(material => server.replaceTls(material))
  return server
}

/** What neither token nor database can explain alone; a store that comes later is looked at when it does. */
function reportUnknown(services: Services, keyStores: OpenedKeyStores): void {
  const { log } = services
  reportKeysWithoutRegion(services).catch((error: unknown) => log.warn('could not look for regions that are not served', { error }))
  reportKeysWithoutStore(services).catch((error: unknown) => log.warn('could not count the keys of the key stores', { error }))
  keyStores.onOpened(keyStore => {
    reportOrphans(services, keyStore).catch((error: unknown) => {
      log.warn('could not look for unknown objects in the HSM', { keyStore, error })
    })
  })
  services.capacity.look().catch((error: unknown) => log.warn('could not look at the capacity of the key stores', { error }))
}

export { controlSocket } from './compose/control.js'
export { pkcs11Config } from './compose/tokens.js'

export function logOf({ log: { level, format } }: Config): Log {
  return createLog({ level, format: format === 'auto' ? (process.stdout.isTTY ? 'readable' : 'json') : format })
}

export function databaseFile({ dataDir }: Config): string {
  return join(dataDir, 'claviger.db')
}

function credentialsOf({ accessKeyId, secret, accountId }: Administrator, config: Config): Readonly<Record<string, string>> {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_REGION: config.regions[0] ?? '',
    AWS_ENDPOINT_URL_KMS: urlOf(config, config.listen.port),
    CLAVIGER_ACCOUNT_ID: accountId,
  }
}

/** Port and home region may be others at every start. A file that the operator has taken away is not made again. */
function updateEndpoint(file: string, url: string, region: string): void {
  const credentials = readCredentialsFile(file)
  if (!credentials || (credentials.AWS_ENDPOINT_URL_KMS === url && credentials.AWS_REGION === region)) return
  writeCredentialsFile(file, { ...credentials, AWS_ENDPOINT_URL_KMS: url, AWS_REGION: region })
}

function urlOf({ listen: { host }, tls }: Config, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `${tls ? 'https' : 'http'}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}
