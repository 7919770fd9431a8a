import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openAuditLog } from './adapters/audit-files/audit-log.js'
import { AuditFileEvents } from './adapters/audit-files/events.js'
import { writeCredentialsFile } from './adapters/credentials-file.js'
import { headFile } from './adapters/head-file.js'
import { nobleMlKem } from './adapters/noble-ml-kem.js'
import { lockDirectory } from './adapters/sql/directory-lock.js'
import { openSqlite } from './adapters/sql/sqlite.js'
import { systemClock } from './adapters/system-clock.js'
import { TlsFiles } from './adapters/tls-files/tls-files.js'
import { createLog } from './adapters/winston-log.js'
import { attestationOf } from './compose/attestation.js'
import { credentialsOf, updateEndpoint, urlOf } from './compose/credentials-file.js'
import { openOtherStores } from './compose/custom-key-stores.js'
import { doorsOf } from './compose/doors.js'
import { admissionOf, httpInFlightMax } from './compose/guards.js'
import { startJobs, type Jobs } from './compose/jobs.js'
import type { OpenedKeyStores } from './compose/key-stores.js'
import { Opened } from './compose/opened.js'
import { openControl, reportUnknown } from './compose/operator.js'
import { signingCredentials, stsServices } from './compose/sts.js'
import { openKeyStores } from './compose/tokens.js'
import type { Config } from './config.js'
import { rootMaterial } from './domain/material.js'
import { frontDoor } from './http/front-door.js'
import { createHttpServer, type HttpServer } from './http/server.js'
import type { AuditLog } from './ports/audit-log.js'
import type { Clock } from './ports/clock.js'
import type { Log } from './ports/log.js'
import type { Installation, Store } from './ports/store.js'
import { AccessKeyUsages } from './service/access-key-usage.js'
import { allOperations } from './service/all-operations.js'
import { DualControl } from './service/approvals/dual-control.js'
import { KeyPolicies } from './service/authorization/key-policies.js'
import { BackingKeys } from './service/backing-keys.js'
import { CapacityWatch } from './service/capacity.js'
import type { CustomKeyStoreRegistry } from './service/custom-key-stores/registry.js'
import { Directory } from './service/directory.js'
import { installation, InstallationError } from './service/first-start.js'
import { GrantIndex } from './service/grants/index.js'
import { GrantTokens } from './service/grants/tokens.js'
import { CertificateCallers } from './service/identities/certificates.js'
import { IdentityDirectory } from './service/identities/directory.js'
import { ImportTokens } from './service/imports/tokens.js'
import { InvocationMemory } from './service/invocations.js'
import { KeyPairs } from './service/key-pairs/key-pairs.js'
import { KeyVersions } from './service/key-versions.js'
import { LastUsage } from './service/last-usage.js'
import { Pages } from './service/paging.js'
import { performer } from './service/perform.js'
import { Recipients } from './service/recipients.js'
import { readiness } from './service/readiness.js'
import { acceptRollback, StoreHead } from './service/rollback.js'
import { firstRoots, rowAuthenticator } from './service/roots.js'
import { recordRotation } from './service/rotate-keys.js'
import type { Services } from './service/services.js'
import { FailingSources } from './service/throttle/failing-sources.js'
import { Turns } from './service/turns.js'

/** Requests in flight at a stop get this long to finish. */
const closeDeadlineMs = 10_000
const ownerOnlyDirectory = 0o700

export interface Server {
  readonly url: string
  readonly credentialsFile: string
  readonly services: Services
  readonly jobs: Jobs
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
  const sources = new FailingSources(config.throttle.failures, clock, log)
  const tls = config.tls && new TlsFiles(config.tls, log, clock)
  const jobs = await startJobs({ services, config, owner, opened, head, sources, tls })
  const http = httpServer({ config, services, sources, tls })
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
  const identities = new IdentityDirectory(store)
  const keyVersions = new KeyVersions({ keyStores, store, directory, clock, log, owner })
  return {
    accountId: installed.accountId,
    regions: config.regions,
    hsm: keyStores.roots,
    keyStores, store, directory, identities, audit, clock, log,
    admission: admissionOf(config, identities, clock),
    auditEvents: new AuditFileEvents(config.audit.directory),
    dualControl: new DualControl({ rules: config.dualControl, operations: allOperations, owner }),
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
    sts: stsServices({ config, hsm: keyStores.roots, macVersion: installed.roots.mac, clock, log }),
    lastUsage: new LastUsage(store.keyUsages, installed.createdAt, log),
    accessKeyUsages: new AccessKeyUsages(store.credentials, log),
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

interface Serving {
  readonly config: Config, readonly services: Services, readonly sources: FailingSources, readonly tls: TlsFiles | undefined
}

function httpServer({ config, services, sources, tls }: Serving): HttpServer {
  const { clock, log, identities } = services
  const { bodyBytesMax, connectionsMax } = config.limits
  const rules = config.tls?.clients?.principals ?? []
  const deps = {
    credentials: signingCredentials(services), regions: new Set(config.regions), perform: performer(services), clock, log, sources,
    certificates: new CertificateCallers({ rules, homeRegion: config.regions[0] ?? '', identities, clock, log }),
  }
  const server = createHttpServer({
    endpoint: frontDoor(doorsOf(deps)),
    ready: () => readiness(services),
    limits: { bodyBytesMax, connectionsMax, requestsInFlightMax: httpInFlightMax(config) },
    ...tls && { tls: tls.material },
    trustedProxies: config.trustedProxies,
    clock,
    log,
  })
  tls?.onChange(material => server.replaceTls(material))
  return server
}

export { controlSocket } from './compose/operator.js'
export { pkcs11Config } from './compose/tokens.js'

export function logOf({ log: { level, format } }: Config): Log {
  return createLog({ level, format: format === 'auto' ? (process.stdout.isTTY ? 'readable' : 'json') : format })
}

export function databaseFile({ dataDir }: Config): string {
  return join(dataDir, 'claviger.db')
}
