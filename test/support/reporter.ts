import Mocha from 'mocha'

/** What has come of the tests so far, and the title of the one that runs. A failing hook counts as a failed test. */
export interface Tally { passed: number, failed: number, skipped: number, current: string }

/** Mocha's readable output, with the failures once more at its end; keeps the tally as it goes. */
export function reporterWith(tally: Tally): Mocha.ReporterConstructor {
  return class extends Mocha.reporters.Spec {
    constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
      super(runner, options)
      runner.on('test', test => { tally.current = test.fullTitle() })
      runner.on('pass', () => { tally.passed += 1 })
      runner.on('fail', () => { tally.failed += 1 })
      runner.on('pending', () => { tally.skipped += 1 })
    }
  }
}

export function tallyLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}
