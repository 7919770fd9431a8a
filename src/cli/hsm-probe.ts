import { probeHsm, type ProbeReport } from '../inspect.js'
import { hasFailed, selfTestLines } from './hsm-selftest.js'
import { target, type TargetOptions } from './hsm-target.js'
import { exitCodes, print, table } from './output.js'

type Slot = ProbeReport['slots'][number]
type Token = Extract<NonNullable<Slot['token']>, { label: string }>
type Limit = Token['limits'][keyof Token['limits']]

/** Says what an HSM is and whether it would do. Exit code 1 when a token cannot be used, a test failed, or its profile is wrong. */
export async function hsmProbe(options: TargetOptions): Promise<void> {
  const report = await probeHsm(await target(options))
  if (options.token !== undefined) requireToken(report, options.token)
  print(options, report, () => [...library(report), ...report.slots.flatMap(slot), ...check(report), ...selfTest(report)])
  if (failed(report)) process.exitCode = exitCodes.bad
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
    `profile: ${token.profile}${token.profile === 'generic' ? ' (found out from the token, not from its name)' : ''}`,
    ...table(token.facts.map(({ fact, value, source }) => [`  ${fact}`, source, value])),
    `suites: ${names(token.suites, true) || 'none: the token lacks what sealing needs'}`,
    `root objects: ${token.roots ? 'can be kept here' : 'cannot all be kept here, so the service would not start'}`,
    `limits: ${Object.entries<Limit>({ ...token.limits }).map(([name, limit]) => `${name} ${limitText(limit)}`).join(', ')}`,
    `operations the token could carry: ${names(token.operations, true)}`,
    `operations it could not: ${names(token.operations, false) || 'none'}`,
    `key specs it has the mechanisms for: ${specs(token, true) || 'none'}`,
    `key specs it has not: ${specs(token, false) || 'none'}`,
    `mechanisms: ${token.mechanisms.map(({ type, name }) => name ?? type).join(' ')}`,
  ]
}

function names(offers: Readonly<Record<string, boolean>>, offered: boolean): string {
  return Object.entries(offers).filter(([, each]) => each === offered).map(([name]) => name).join(', ')
}

/** With what a token would need for those it cannot do. */
function specs({ keySpecs }: Token, wanted: boolean): string {
  return Object.entries(keySpecs).filter(([, { offered }]) => offered === wanted)
    .map(([name, { needs }]) => wanted || needs.length === 0 ? name : `${name} (needs ${needs.join(', ')})`).join(', ')
}

function limitText(limit: Limit): string {
  if (limit === null) return 'not told'
  return typeof limit === 'object' ? `${limit.min}-${limit.max}` : String(limit)
}

function check({ check: result }: ProbeReport): readonly string[] {
  if (!result) return []
  if ('failure' in result) return ['', `profile not checked: ${result.failure}`]
  const { proposal } = result
  return [
    '', `profile "${result.profile}" against "${result.token}":`,
    ...table(result.facts.map(({ fact, outcome, device }) => [`  ${fact}`, outcome, device ?? ''])),
    ...(proposal ? ['', 'a profile after what the device itself shows:', JSON.stringify(proposal, null, 2)] : []),
  ]
}

function selfTest({ selfTest: result }: ProbeReport): readonly string[] {
  if (!result) return ['', 'no check of the profile and no self-test: they need a PIN (--pin-file)']
  if ('failure' in result) return ['', `self-test: ${result.failure}`]
  return ['', ...selfTestLines(result)]
}

function failed({ slots, check: checked, selfTest: tested }: ProbeReport): boolean {
  if (slots.some(({ token }) => token !== null && 'failure' in token)) return true
  if (checked && ('failure' in checked || checked.facts.some(({ outcome }) => outcome === 'differs'))) return true
  return tested !== null && ('failure' in tested || hasFailed(tested))
}
