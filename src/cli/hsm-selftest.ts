import { selfTestHsm, UnusableInput, type SelfTestReport } from '../inspect.js'
import { target, type TargetOptions } from './hsm-target.js'
import { exitCodes, print, table } from './output.js'

/**
 * Tries what symmetric keys and the roots rely on, and RSA-OAEP, and takes the time. Nothing is left in the token. Exit code 1 when a step
 * failed.
 */
export async function hsmSelfTest(options: TargetOptions): Promise<void> {
  const hsm = await target(options)
  if (hsm.pin === undefined) throw new UnusableInput('a self-test needs a PIN: give --pin-file')
  const report = await selfTestHsm(hsm)
  print(options, report, () => selfTestLines(report))
  if (hasFailed(report)) process.exitCode = exitCodes.bad
}

export function hasFailed({ steps }: SelfTestReport): boolean {
  return steps.some(({ outcome }) => outcome === 'failed')
}

export function selfTestLines({ token, profile, steps }: SelfTestReport): readonly string[] {
  return [`self-test of "${token}" by profile "${profile}":`, ...table(steps.map(step => [
    `  ${step.name}`, step.outcome, step.microseconds === undefined ? '' : `${step.microseconds} µs`, step.failure ?? '',
  ]))]
}
