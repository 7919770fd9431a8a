import { pkcs11Config } from '../compose.js'
import { readConfig } from '../config.js'
import { probeHsm, UnusableInput, type ProbeReport, type ProbeTarget } from '../inspect.js'
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
  refuseMixed(options)
  const report = await probeHsm(await target(options))
  if (options.token !== undefined) requireToken(report, options.token)
  print(options, report, () => [...library(report), ...report.slots.flatMap(slot), ...selfTest(report)])
  if (failed(report)) process.exitCode = exitCodes.bad
}

/** An option that were passed over in silence would let one HSM be taken for another. */
function refuseMixed({ module, token, pinFile, config }: ProbeOptions): void {
  if (module !== undefined && config !== undefined) throw new UnusableInput('--module and --config each name an HSM: give one of them')
  if (module !== undefined) return
  if (token !== undefined) throw new UnusableInput('--token needs --module: a configuration names its token itself')
  if (pinFile !== undefined) throw new UnusableInput('--pin-file needs --module: a configuration names its PIN file itself')
}

function requireToken({ slots }: ProbeReport, label: string): void {
  const labels = slots.flatMap(({ token }) => token && 'label' in token && isInitialised(token) ? [token.label] : [])
  if (labels.includes(label)) return
  const others = labels.length > 0 ? `there are: ${labels.map(each => `"${each}"`).join(', ')}` : 'there is no token'
  throw new Error(`no token is labelled "${label}"; ${others}`)
}

function isInitialised({ flags }: Token): boolean {
  return flags.includes('initialised')
}

async function target({ module, token, pinFile, config }: ProbeOptions): Promise<ProbeTarget> {
  if (module === undefined) return pkcs11Config(readConfig({ ...process.env, ...config !== undefined && { CLAVIGER_CONFIG: config } }))
  return { module, ...token !== undefined && { tokenLabel: token }, ...pinFile !== undefined && { pin: { file: pinFile } } }
}

function library({ library: { path, manufacturer, description, version, cryptoki } }: ProbeReport): readonly string[] {
  return [`${path}: ${manufacturer.trim()}, ${description.trim()} ${version}, PKCS#11 ${cryptoki}`]
}

function slot({ slot: number, description, token }: Slot): readonly string[] {
  const title = `slot ${number} (${description.trim()})`
  if (!token) return ['', `${title}: empty`]
  if (!('label' in token)) return ['', `${title}: ${token.failure}`]
  // Its label and its mechanisms mean nothing yet.
  if (!isInitialised(token)) return ['', `${title}: not initialised`]
  return ['', `${title}: token "${token.label}"`, ...details(token).map(line => `  ${line}`)]
}

function details(token: Token): readonly string[] {
  return [
    `${token.manufacturer} ${token.model}, serial ${token.serial}, firmware ${token.firmware}; ${token.flags.join(', ') || 'no flags'}`,
    `profile: ${token.profile ?? 'none matches this token'}`,
    `suites: ${names(token.suites, true) || 'none: the token lacks what sealing needs'}`,
    `root objects: ${token.roots ? 'can be kept here' : 'cannot all be kept here, so the service would not start'}`,
    `limits: ${Object.entries<Limit>({ ...token.limits }).map(([name, limit]) => `${name} ${limitText(limit)}`).join(', ')}`,
    `operations the token could carry (the service may not have them yet): ${names(token.operations, true)}`,
    `operations it could not: ${names(token.operations, false) || 'none'}`,
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
