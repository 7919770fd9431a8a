import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parse } from 'yaml'
import type { IssuerWithKeys } from './adapters/web-identity/identity-providers.js'
import { readDualControl } from './config/dual-control.js'
import { readIssuers } from './config/issuers.js'
import { isLoopback } from './config/loopback.js'
import { ConfigError, Reader } from './config/reader.js'
import { readStores, type StoresConfig } from './config/stores.js'
import { readThrottle, type ThrottleConfig } from './config/throttle.js'
import { readTls, readTrustedProxies, type TlsConfig } from './config/tls.js'
import type { ApprovalRule } from './domain/approval.js'
import type { IpRange } from './domain/ip.js'
import { defaultLimits } from './http/limits.js'

/** Everything that can be set, checked and frozen. Made once at start from environment and file; see hsm-config/softhsm.yaml. */
export interface Config extends StoresConfig {
  readonly dataDir: string
  readonly listen: { readonly host: string, readonly port: number }
  readonly tls: TlsConfig | undefined
  /** Whose X-Forwarded-For and X-Forwarded-Proto are believed. */
  readonly trustedProxies: readonly IpRange[]
  /** PEM files of the roots under which attestation documents are trusted; none: `Recipient` is refused. */
  readonly attestation: { readonly roots: readonly string[] }
  /** undefined: random at first start. */
  readonly accountId: string | undefined
  /** The first is the home region. */
  readonly regions: readonly string[]
  readonly limits: {
    readonly bodyBytesMax: number, readonly inFlightMax: number, readonly inFlightPerAccountMax: number, readonly connectionsMax: number
  }
  /** Whose tokens AssumeRoleWithWebIdentity takes. */
  readonly sts: { readonly issuers: readonly IssuerWithKeys[] }
  readonly throttle: ThrottleConfig
  /** Which operations wait for the approval of others. */
  readonly dualControl: readonly ApprovalRule[]
  readonly kms: { readonly onDemandRotationsMax: number, readonly sealsPerVersionMax: number }
  /** A server whose event loop does not turn for so long is killed and started anew. */
  readonly supervisor: { readonly hangSeconds: number }
  readonly jobs: { readonly intervalMs: number }
  readonly audit: { readonly directory: string, readonly segmentBytesMax: number }
  /** The operator knows that the database is older than the audit log or the token, and wants to go on from it. */
  readonly acceptRollback: boolean
  readonly log: { readonly level: 'error' | 'warn' | 'info' | 'debug', readonly format: 'json' | 'readable' | 'auto' }
}

export { ConfigError }

type Environment = Readonly<Record<string, string | undefined>>

/** SP 800-38D section 8.3. */
const sealsPerVersionLimit = 2 ** 32
/** KMS developer guide, Quotas. */
const onDemandRotationsDefault = 25
/** As in an ARN and in a credential scope; `onprem-1` is as good as `us-east-1`. */
const regionPattern = /^[a-z0-9]+(-[a-z0-9]+){0,7}$/

/** What a variable may be called; those of the scripts are named here, so that they are not taken for misspelt ones. */
const knownVariables: ReadonlySet<string> = new Set([
  'CLAVIGER_CONFIG', 'CLAVIGER_DATA_DIR', 'CLAVIGER_LISTEN', 'CLAVIGER_TLS_CERTIFICATE', 'CLAVIGER_TLS_KEY', 'CLAVIGER_ACCOUNT_ID',
  'CLAVIGER_REGIONS', 'CLAVIGER_ACCEPT_ROLLBACK', 'CLAVIGER_TLS_NAMES', 'CLAVIGER_NODE_HEADERS', 'CLAVIGER_CLIENT_CERTIFICATE',
  'CLAVIGER_CLIENT_KEY',
])
/** What Kubernetes tells every pod of a Service named claviger (Kubernetes, Service, Environment variables). */
const kubernetesPattern = /^CLAVIGER_(SERVICE_(HOST|PORT)[A-Z0-9_]*|PORT_[0-9]+_[A-Z0-9_]+|PORT(?==(tcp|udp|sctp):))=/

/** Throws ConfigError with every fault. Only a server looks into the TLS files: who runs a command need not be able to read the key. */
export function readConfig(environment: Environment = process.env, reading: 'server' | 'command' = 'command'): Config {
  const file = environment.CLAVIGER_CONFIG ? resolve(environment.CLAVIGER_CONFIG) : undefined
  const reader = new Reader(file ? readFile(file) : {}, file ? dirname(file) : process.cwd())
  // The file is asked even where the environment decides: else the setting that it overrides would be taken for an unknown one.
  const either = (variable: string, inFile: string | undefined) => environment[variable] === '' ? inFile : environment[variable] ?? inFile
  const dataDir = resolve(either('CLAVIGER_DATA_DIR', reader.path('dataDir')) ?? 'data')
  const certificate = either('CLAVIGER_TLS_CERTIFICATE', reader.path('tls.certificate'))
  const key = either('CLAVIGER_TLS_KEY', reader.path('tls.key'))
  const tls = readTls({ ...certificate && { certificate: resolve(certificate) }, ...key && { key: resolve(key) } }, reader, reading)
  const attestationRoots = reader.paths('attestation.roots') ?? []
  if (reading === 'server') checkRoots(attestationRoots, reader)
  const regionsInFile = reader.texts('regions')
  const acceptRollbackInFile = reader.boolean('acceptRollback')
  const stores = readStores(reader, reading)
  findUnknownVariables(environment, new Set([...knownVariables, ...pinVariables(stores)]), reader)
  const config: Config = {
    dataDir,
    listen: listen(either('CLAVIGER_LISTEN', reader.text('listen')) ?? '127.0.0.1:8080', tls !== undefined, reader),
    tls,
    trustedProxies: readTrustedProxies(reader),
    attestation: { roots: attestationRoots },
    accountId: accountId(either('CLAVIGER_ACCOUNT_ID', reader.text('accountId')), reader),
    regions: regions(listOf(environment.CLAVIGER_REGIONS) ?? regionsInFile ?? ['us-east-1'], reader),
    ...stores,
    limits: limits(reader),
    sts: { issuers: readIssuers(reader, reading) },
    throttle: readThrottle(reader),
    dualControl: readDualControl(reader),
    kms: {
      onDemandRotationsMax: reader.integer('kms.onDemandRotationsMax', 0, 10_000) ?? onDemandRotationsDefault,
      sealsPerVersionMax: reader.integer('kms.sealsPerVersionMax', 1, sealsPerVersionLimit) ?? sealsPerVersionLimit,
    },
    supervisor: { hangSeconds: reader.integer('supervisor.hangSeconds', 2, 600) ?? 10 },
    jobs: { intervalMs: (reader.integer('jobs.intervalSeconds', 1, 86_400) ?? 60) * 1_000 },
    audit: {
      directory: reader.path('audit.directory') ?? join(dataDir, 'audit'),
      segmentBytesMax: reader.integer('audit.segmentBytes', 65_536, 2 ** 31) ?? 64 * 1024 * 1024,
    },
    acceptRollback: yes('CLAVIGER_ACCEPT_ROLLBACK', environment, reader) ?? acceptRollbackInFile ?? false,
    log: {
      level: reader.oneOf('log.level', ['error', 'warn', 'info', 'debug']) ?? 'info',
      format: reader.oneOf('log.format', ['json', 'readable', 'auto']) ?? 'auto',
    },
  }
  for (const region of Object.keys(config.regionKeyStores)) {
    if (!config.regions.includes(region)) reader.fault(`regionKeyStores names ${region}, which regions does not have`)
  }
  for (const { name, region } of tls?.clients?.principals ?? []) {
    if (region !== undefined && !config.regions.includes(region)) {
      reader.fault(`tls.principals.${name}.region is ${region}, which regions does not have`)
    }
  }
  reader.finish()
  return frozen(config)
}

function limits(reader: Reader): Config['limits'] {
  const inFlightMax = reader.integer('limits.inFlight', 1, 100_000) ?? defaultLimits.requestsInFlightMax
  const inFlightPerAccountMax = reader.integer('limits.inFlightPerAccount', 1, 100_000) ?? Math.ceil(inFlightMax / 2)
  if (inFlightPerAccountMax > inFlightMax) reader.fault('limits.inFlightPerAccount must not be more than limits.inFlight')
  return {
    bodyBytesMax: reader.integer('limits.bodyBytes', 16_384, 16 * 1024 * 1024) ?? defaultLimits.bodyBytesMax,
    inFlightMax, inFlightPerAccountMax,
    connectionsMax: reader.integer('limits.connections', 1, 1_000_000) ?? defaultLimits.connectionsMax,
  }
}

/** A variable that holds a PIN may be called as ours are. */
function pinVariables({ hsm, keyStores }: StoresConfig): readonly string[] {
  return [hsm, ...Object.values(keyStores)].flatMap(({ pin }) => pin && 'environment' in pin ? [pin.environment] : [])
}

function findUnknownVariables(environment: Environment, known: ReadonlySet<string>, reader: Reader): void {
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('CLAVIGER_') || !value || known.has(name)) continue
    if (!kubernetesPattern.test(`${name}=${value}`)) reader.fault(`there is no variable ${name}`)
  }
}

function yes(variable: string, environment: Environment, reader: Reader): boolean | undefined {
  const value = environment[variable]
  if (!value) return undefined
  if (value !== 'yes' && value !== 'no') reader.fault(`${variable} must be yes or no`)
  return value === 'yes'
}

/** Whether each can issue certificates is looked at whenever one is used. */
function checkRoots(files: readonly string[], reader: Reader): void {
  for (const file of files) checkRoot(file, reader)
}

function checkRoot(file: string, reader: Reader): void {
  let pem
  try {
    pem = readFileSync(file)
  } catch (error) {
    return reader.fault(`attestation.roots cannot be read: ${(error as Error).message}`)
  }
  try {
    new X509Certificate(pem)
  } catch {
    reader.fault(`attestation.roots: ${file} is not a PEM certificate`)
  }
}

function listen(text: string, tls: boolean, reader: Reader): Config['listen'] {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:]+)\]|([^:]+)):([0-9]{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain ?? ''
  const port = Number(digits)
  if (!host || port > 65_535) reader.fault(`listen must be host:port, not "${text}"`)
  else if (!tls && !isLoopback(host)) {
    reader.fault(`a listener that is not loopback (${host}) needs TLS: give tls.certificate and tls.key, or listen on 127.0.0.1`)
  }
  return { host, port }
}

function listOf(text: string | undefined): readonly string[] | undefined {
  return text ? text.split(',').map(name => name.trim()) : undefined
}

function accountId(text: string | undefined, reader: Reader): string | undefined {
  if (text !== undefined && !/^[0-9]{12}$/.test(text)) reader.fault('accountId must be 12 digits (in YAML within quotes)')
  return text
}

function regions(names: readonly string[], reader: Reader): readonly string[] {
  if (names.length === 0) reader.fault('regions must name at least one region')
  for (const name of names) if (!regionPattern.test(name)) reader.fault(`"${name}" is not the name of a region`)
  if (new Set(names).size < names.length) reader.fault('regions names one region twice')
  return names
}

function frozen<T extends object>(value: T): T {
  for (const member of Object.values(value) as unknown[]) if (typeof member === 'object' && member !== null) frozen(member)
  return Object.freeze(value)
}

function readFile(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8')) ?? {}
  } catch (error) {
    throw new ConfigError([`${file}: ${(error as Error).message}`])
  }
}
