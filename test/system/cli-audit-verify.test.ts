import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, spawnServer, temporaryDirectory } from '../support/server.js'
import { claviger, json } from './claviger.js'
import { newKey } from './suite.js'

const waitMs = 60_000

describe('claviger audit verify', function suiteOfVerify() {
  this.timeout(waitMs)
  let dataDir: string
  let lines: number

  before(async () => {
    const server = await spawnServer()
    dataDir = server.dataDir
    const kms = kmsClient(server)
    const { id } = await newKey(kms)
    for (let at = 0; at < 10; at++) await kms.describeKey({ KeyId: id })
    await server.kill('SIGTERM')
    lines = linesOf(dataDir).length
  })
  after(() => removeDirectory(dataDir))

  interface Report {
    readonly ok: boolean
    readonly records: number
    readonly findings: readonly { readonly file: string, readonly what: string }[]
  }

  /** The same installation with another log. */
  function withLog(change: (lines: string[]) => readonly string[]): string {
    const copy = temporaryDirectory()
    cpSync(dataDir, copy, { recursive: true })
    writeFileSync(segmentOf(copy), change(linesOf(copy)).map(line => `${line}\n`).join(''))
    return copy
  }

  it('finds nothing in a log that nobody touched', async () => {
    const report = await json(['audit', 'verify'], dataDir) as Report
    expect([report.ok, report.findings, report.records]).to.deep.equal([true, [], lines])
    const { code, stdout } = await claviger(['audit', 'verify'], dataDir)
    expect(code).to.equal(0)
    expect(stdout).to.match(new RegExp(`^verified: ${lines} records, [0-9]+ checkpoints, 1 chains$`, 'm'))
  })

  it('needs neither HSM nor database when directory and public key are given', async () => {
    const audit = temporaryDirectory()
    cpSync(join(dataDir, 'audit'), audit, { recursive: true })
    const report = await json(['audit', 'verify', '--directory', audit, '--public-key', join(audit, 'audit-key-1.pem')]) as Report
    expect([report.ok, report.records]).to.deep.equal([true, lines])
  })

  const forgeries: readonly (readonly [title: string, change: (lines: string[]) => readonly string[]])[] = [
    ['a changed record', all => all.map((line, at) => at === 4 ? line.replace('"DescribeKey"', '"ListKeys"') : line)],
    ['a removed record', all => all.filter((_, at) => at !== 4)],
    ['exchanged records', all => all.map((line, at) => at === 4 ? all[5] ?? '' : at === 5 ? all[4] ?? '' : line)],
    ['a log that was cut off', all => all.slice(0, 5)],
    ['a log without its end', all => all.slice(0, -2)],
  ]
  for (const [title, change] of forgeries) {
    it(`finds ${title}, with exit code 1`, async () => {
      const forged = withLog(change)
      const { code, stdout } = await claviger(['audit', 'verify', '--json'], forged)
      const report = JSON.parse(stdout) as Report
      expect([code, report.ok]).to.deep.equal([1, false])
      expect(report.findings.map(({ file }) => file)).to.include(segmentOf(forged).split('/').at(-1))
      removeDirectory(forged)
    })
  }

  it('says for a reader where it found what', async () => {
    const { code, stdout } = await claviger(['audit', 'verify'], withLog(all => all.filter((_, at) => at !== 4)))
    expect(code).to.equal(1)
    expect(stdout).to.match(/\.jsonl:5: record 6 stands where record 5 is due[^]*^NOT VERIFIED: /m)
  })

  it('finds that there is no log at all', async () => {
    expect((await claviger(['audit', 'verify', '--directory', temporaryDirectory()])).code).to.equal(1)
  })

  it('cannot run without a log or a key, says so with their names, and has exit code 2', async () => {
    const audit = join(dataDir, 'audit')
    const noKey = join(temporaryDirectory(), 'key.pem')
    writeFileSync(noKey, 'no key')
    const gone = join(temporaryDirectory(), 'gone')
    for (const [line, reason] of [
      [['--directory', gone], `there is no directory ${gone}`],
      [['--directory', audit, '--public-key', noKey], `${noKey} is not a PEM public key`],
      [['--directory', audit, '--public-key', gone], `the public key cannot be read: ENOENT: no such file or directory, open '${gone}'`],
    ] as const) {
      const { code, stdout, stderr } = await claviger(['audit', 'verify', ...line])
      expect([code, stdout, stderr]).to.deep.equal([2, '', `claviger: ${reason}\n`])
    }
  })

  it('finds a log that is gone beside its database', async () => {
    const copy = withLog(all => all)
    removeDirectory(join(copy, 'audit'))
    const { code, stderr } = await claviger(['audit', 'verify'], copy)
    expect(code).to.equal(1)
    expect(stderr).to.match(/the audit log .* is gone, while its database .* is there/)
    removeDirectory(copy)
  })

  it('tells of a chain that is not closed how many records come after the last checkpoint', async () => {
    const { stdout } = await claviger(['audit', 'verify', '--directory', join(withLog(all => all.slice(0, 5)), 'audit')])
    expect(stdout).to.match(/not closed .*; [0-9]+ of 5 records come after the last checkpoint/)
  })

  function segmentOf(directory: string): string {
    const [file = ''] = readdirSync(join(directory, 'audit')).filter(name => name.endsWith('.jsonl'))
    return join(directory, 'audit', file)
  }

  function linesOf(directory: string): string[] {
    return readFileSync(segmentOf(directory), 'utf8').trimEnd().split('\n')
  }
})
