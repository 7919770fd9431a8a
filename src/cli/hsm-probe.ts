import { pkcs11Config } from '../compose.js'
import { readConfig } from '../config.js'
import { probeHsm, type ProbeReport, type ProbeTarget } from '../inspect.js'
import { exitCodes, print, table, type OutputOptions } from './output.js'

interface ProbeOptions extends OutputOptions {
  readonly module?: string
  readonly token?: string
  readonly pinFile?: string
  readonly config?: string
}

type Slot = ProbeReport['slots'][number]
type Token = Extract<NonNullable<Slot['token']>, { label: string }>
type Limit = Token['limits'][keyof Token['limits']]

/** Says what an HSM is and whether it would do. Exit code 1 when a token cannot be used or its self-test failed. */
export async function hsmProbe(options: ProbeOptions): Promise<void> {
  const report = await probeHsm(await target(options))
  print(options, report, () => [...library(report), ...report.slots.flatMap(slot), ...selfTest(report)])
  if (failed(report)) process.exitCode = exitCodes.bad
}

async function target({ module, token, pinFile, config }: ProbeOptions): Promise<ProbeTarget> {
  if (module === undefined) return pkcs11Config(readConfig({ ...process.env, ...config !== undefined && { CLAVIGER_CONFIG: config } }))
  return { module, ...token !== undefined && { tokenLabel: token }, ...pinFile !== undefined && { pinFile } }
}

function library({ library: { path, manufacturer, description, version, cryptoki } }: ProbeReport): readonly string[] {
  return [`${path}: ${manufacturer.trim()}, ${description.trim()} ${version}, PKCS#11 ${cryptoki}`]
}

function slot({ slot: number, description, token }: Slot): readonly string[] {
  const title = `slot ${number} (${description.trim()})`
  if (!token) return ['', `${title}: empty`]
  if (!('label' in token)) return ['', `${title}: ${token.failure}`]
  return ['', `${title}: token "${token.label}"`, ...details(token).map(line => `  ${line}`)]
}

function details(token: Token): readonly string[] {
  return [
    `${token.manufacturer} ${token.model}, serial ${token.serial}, firmware ${token.firmware}; ${token.flags.join(', ') || 'no flags'}`,
    `profile: ${token.profile ?? 'none matches this token'}`,
    `suites: ${names(token.suites, true) || 'none: the token lacks what sealing needs'}`,
    `root objects: ${token.roots ? 'can be kept here' : 'cannot all be kept here, so the service would not start'}`,
    `limits: ${Object.entries<Limit>({ ...token.limits }).map(([name, limit]) => `${name} ${limitText(limit)}`).join(', ')}`,
    `operations the token can carry: ${names(token.operations, true)}`,
    `operations it cannot: ${names(token.operations, false) || 'none'}`,
    `mechanisms: ${token.mechanisms.map(({ type, name }) => name ?? type).join(' ')}`,
  ]
}

function names(offers: Readonly<Record<string, boolean>>, offered: boolean): string {
  return Object.entries(offers).filter(([, each]) => each === offered).map(([name]) => name).join(', ')
}

function limitText(limit: Limit): string {
  if (limit === null) return 'not told'
  return typeof limit === 'object' ? `${limit.min}-${limit.max}` : String(limit)
}

function selfTest({ selfTest: result }: ProbeReport): readonly string[] {
  if (!result) return ['', 'no self-test: it needs a PIN (--pin-file)']
  if ('failure' in result) return ['', `self-test: ${result.failure}`]
  return ['', `self-test of "${result.token}" on session keys:`, ...table(result.steps.map(step => [
    `  ${step.name}`, step.outcome, step.microseconds === undefined ? '' : `${step.microseconds} µs`, step.failure ?? '',
  ]))]
}

function failed({ slots, selfTest: result }: ProbeReport): boolean {
  if (slots.some(({ token }) => token !== null && 'failure' in token)) return true
  if (!result) return false
  return 'failure' in result || result.steps.some(({ outcome }) => outcome === 'failed')
}
