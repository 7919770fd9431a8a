import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inspect, parseArgs } from 'node:util'
import Mocha from 'mocha'
import { reporterWith, tallyLine } from './reporter.js'

/**
 * Runs compiled tests: `node dist/test/support/run.js [--grep text] [file or folder ...]`. The tally is the last line on stdout, and
 * the process ends with 1 unless something passed and nothing failed. A programme of its own because a test process that was left
 * early, or that does not end, must not look like success.
 */
const leftoverMsMax = 10_000

const tally = { passed: 0, failed: 0, skipped: 0, current: 'nothing yet' }
/** What went wrong outside of any test. */
const faults: string[] = []
let finished = false

process.on('exit', () => {
  if (!finished) fault('The run was left before its end.')
  else if (tally.passed + tally.failed === 0) fault('No test ran.')
  for (const text of faults) console.error(text)
  process.stdout.write(`${tallyLine(tally)}\n`)
  process.exitCode = tally.failed > 0 ? 1 : 0
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

// It would end a server. Mocha lets it pass, and hands it to us a second time.
const rejected = new WeakSet<Promise<unknown>>()
process.on('unhandledRejection', (reason, promise) => {
  if (rejected.has(promise)) return
  rejected.add(promise)
  fault(`A promise was rejected and nobody waited for it, in or after "${tally.current}": ${inspect(reason)}`)
})

try {
  await run()
} catch (error) {
  // Node would print it behind the last line.
  console.error(error)
  process.exit()
}

async function run(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { grep: { type: 'string' } } })
  const mocha = new Mocha({
    // What editors and plain `npx mocha` use, too.
    ...JSON.parse(readFileSync('.mocharc.json', 'utf8')) as Mocha.MochaOptions,
    reporter: reporterWith(tally),
    forbidOnly: process.env.CI !== undefined,
    ...values.grep === undefined ? {} : { grep: values.grep },
  })
  for (const path of positionals.length > 0 ? positionals : ['dist/test']) testFiles(path).forEach(file => mocha.addFile(file))
  await mocha.loadFilesAsync()
  mocha.run(() => {
    finished = true
    setTimeout(reportLeftovers, leftoverMsMax).unref()
  })
}

function testFiles(path: string): readonly string[] {
  if (!existsSync(path)) throw new Error(`no such file or folder: ${path}`)
  if (statSync(path).isFile()) return [path]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return names.filter(name => name.endsWith('.test.js')).sort().map(name => join(path, name))
}

/** Tests leave nothing running: what would keep the process alive is a fault of theirs. */
function reportLeftovers(): void {
  fault(`Something still runs ${leftoverMsMax} ms after the last test: ${process.getActiveResourcesInfo().join(', ')}`)
  process.exit()
}

function fault(text: string): void {
  tally.failed += 1
  faults.push(text)
}
