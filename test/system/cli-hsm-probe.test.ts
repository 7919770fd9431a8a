import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { findSoftHsm } from '../../src/adapters/pkcs11/token/softhsm-token.js'
import { removeDirectory, spawnServer, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { claviger, json } from './claviger.js'

const waitMs = 60_000

describe('claviger hsm probe', function suiteOfProbe() {
  this.timeout(waitMs)
  const module = findSoftHsm()
  let server: SpawnedServer
  let pinFile: string
  let softHsm: { readonly SOFTHSM2_CONF: string }

  before(async () => {
    server = await spawnServer()
    pinFile = join(server.dataDir, 'softhsm', 'pin')
    softHsm = { SOFTHSM2_CONF: join(server.dataDir, 'softhsm', 'softhsm2.conf') }
  })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  interface Report {
    readonly library: { readonly path: string, readonly cryptoki: string }
    readonly slots: readonly { readonly token: Token | null }[]
    readonly check: { readonly profile: string, readonly facts: readonly { readonly outcome: string }[] } | null
    readonly selfTest: { readonly token: string, readonly steps: readonly { readonly name: string, readonly outcome: string }[] } | null
  }
  interface Token {
    readonly label: string
    readonly profile: string
    readonly suites: Readonly<Record<string, boolean>>
    readonly mechanisms: readonly { readonly name: string | null }[]
  }

  it('of a module path tells library, tokens, mechanisms and what would work', async () => {
    const { library, slots, selfTest } = await json(['hsm', 'probe', '--module', module], undefined, softHsm) as Report
    expect([library.path, library.cryptoki]).to.deep.equal([realpathSync(module), '2.40'])
    const token = slots.map(slot => slot.token).find(each => each?.label === 'claviger')
    expect(token?.profile).to.equal('softhsm')
    expect(token?.suites.gcm).to.equal(true)
    expect(token?.mechanisms.map(({ name }) => name)).to.include.members(['CKM_AES_GCM', 'CKM_AES_KEY_GEN', 'CKM_ECDSA'])
    expect(selfTest).to.equal(null)
  })

  const ways: readonly (readonly [title: string, line: () => readonly string[], dataDir: () => string | undefined])[] = [
    ['a token and a PIN file', () => ['--module', module, '--token', 'claviger', '--pin-file', pinFile], () => undefined],
    ['a configuration file', () => ['--config', configuration()], () => undefined],
    ['the data directory of a server', () => [], () => server.dataDir],
  ]
  for (const [title, line, dataDir] of ways) {
    it(`with ${title} tests the token, and never shows the PIN`, async () => {
      const environment = title === 'a token and a PIN file' ? softHsm : {}
      const { code, stdout, output } = await claviger(['hsm', 'probe', ...line(), '--json'], dataDir(), environment)
      expect(code, output).to.equal(0)
      const { selfTest, check } = JSON.parse(stdout) as Report
      expect(check?.profile).to.equal('softhsm')
      expect(check?.facts.filter(({ outcome }) => outcome === 'differs')).to.deep.equal([])
      expect(selfTest?.token).to.equal('claviger')
      expect(selfTest?.steps).to.have.length.above(3)
      expect(selfTest?.steps.filter(({ outcome }) => outcome === 'failed')).to.deep.equal([])
      expect(output.includes(readFileSync(pinFile, 'utf8').trim())).to.equal(false)
    })
  }

  it('leaves the token as it was', async () => {
    const objects = () => readdirSync(join(server.dataDir, 'softhsm', 'tokens'), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.object')).sort()
    const before = objects()
    await json(['hsm', 'probe'], server.dataDir)
    expect(objects()).to.deep.equal(before)
  })

  it('prints lines for a reader without --json', async () => {
    const { code, stdout } = await claviger(['hsm', 'probe'], server.dataDir)
    expect(code).to.equal(0)
    expect(stdout).to.match(/token "claviger"[^]*oaep +device +raw[^]*CKM_AES_GCM/)
    expect(stdout).to.match(/"softhsm" against "claviger"[^]*self-test of "claviger"[^]*µs/)
  })

  it('has exit code 1 and a proposal when the profile is wrong', async () => {
    const line = ['hsm', 'probe', '--module', module, '--token', 'claviger', '--pin-file', pinFile, '--profile', 'nss']
    const { code, stdout } = await claviger(line, undefined, softHsm)
    expect(code).to.equal(1)
    expect(stdout).to.match(/^ {2}oaep +differs +raw$/m)
    expect(stdout).to.match(/a profile after what the device itself shows:\n\{\n {2}"name": "nss"/)
  })

  it('refuses a profile that there is not, with exit code 2', async () => {
    const { code, stderr } = await claviger(['hsm', 'probe', '--module', module, '--profile', 'nope'], undefined, softHsm)
    expect(code).to.equal(2)
    expect(stderr).to.match(/^claviger: there is no HSM profile named nope; there are: softhsm, cloudhsm, /)
  })

  it('of an installation that is not there makes none', async () => {
    const dataDir = temporaryDirectory()
    const { code, stderr } = await claviger(['hsm', 'probe'], dataDir)
    expect(code).to.equal(1)
    expect(stderr).to.match(/^claviger: there is no token in /)
    expect(readdirSync(dataDir)).to.deep.equal([])
  })

  it('of a module that is not there, or is none, has exit code 2', async () => {
    const { code, stderr } = await claviger(['hsm', 'probe', '--module', '/no/such/module.so'])
    expect([code, stderr]).to.deep.equal([2, 'claviger: there is no PKCS#11 module at /no/such/module.so\n'])
    expect((await claviger(['hsm', 'probe', '--module', '/etc/hostname'])).code).to.equal(2)
  })

  for (const line of [['--token', 'a'], ['--pin-file', '/a'], ['--module', module, '--config', '/a'], ['--module', module, '--store', 'a'],
    ['--profile', 'softhsm']]) {
    it(`refuses ${line.join(' ')} as it stands, with exit code 2`, async () => {
      const { code, stdout, stderr } = await claviger(['hsm', 'probe', ...line])
      expect([code, stdout]).to.deep.equal([2, ''])
      expect(stderr).to.match(/^claviger: --/)
    })
  }

  it('says which tokens there are when none has the label, with exit code 1', async () => {
    const { code, stdout, stderr } = await claviger(['hsm', 'probe', '--module', module, '--token', 'nope'], undefined, softHsm)
    expect([code, stdout, stderr]).to.deep.equal([1, '', 'claviger: no token is labelled "nope"; there are: "claviger"\n'])
  })

  it('gives one line to a slot whose token is not initialised', async () => {
    const { stdout } = await claviger(['hsm', 'probe', '--module', module], undefined, softHsm)
    expect(stdout).to.match(/^slot [0-9]+ \(.*\): not initialised\n\n/m)
    expect(stdout).to.include('operations the token could carry')
  })

  function configuration(): string {
    const file = join(temporaryDirectory(), 'hsm.yaml')
    writeFileSync(file, JSON.stringify({ hsm: { module, tokenLabel: 'claviger', pinFile, environment: softHsm } }))
    return file
  }
})

describe('claviger hsm selftest', function suiteOfSelfTest() {
  this.timeout(waitMs)
  let server: SpawnedServer

  before(async () => { server = await spawnServer() })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  const names = [
    'random bytes', 'AES-256 key', 'AES-GCM round trip, 32 bytes', 'AES-GCM round trip, 4096 bytes', 'AES-GCM round trip, empty plaintext',
    'AES-GCM refuses a changed tag', 'HMAC-SHA-256', 'ECDSA P-256 key pair', 'ECDSA P-256', 'RSA-OAEP with SHA-256, raw',
    'token object made, found and destroyed',
  ]

  it('times what symmetric keys and the roots rely on', async () => {
    interface Step { readonly name: string, readonly outcome: string, readonly microseconds: number }
    const report = await json(['hsm', 'selftest'], server.dataDir) as { token: string, profile: string, steps: readonly Step[] }
    expect([report.token, report.profile]).to.deep.equal(['claviger', 'softhsm'])
    expect(report.steps.map(({ name }) => name)).to.deep.equal(names)
    for (const { name, outcome, microseconds } of report.steps) expect([outcome, microseconds > 0], name).to.deep.equal(['ok', true])
  })

  it('prints a table without --json', async () => {
    const { code, stdout } = await claviger(['hsm', 'selftest'], server.dataDir)
    expect(code).to.equal(0)
    expect(stdout).to.match(/^self-test of "claviger" by profile "softhsm":\n {2}random bytes +ok +[0-9]+ µs\n/)
  })

  it('needs a PIN', async () => {
    const { code, stderr } = await claviger(['hsm', 'selftest', '--module', findSoftHsm()])
    expect([code, stderr]).to.deep.equal([2, 'claviger: a self-test needs a PIN: give --pin-file\n'])
  })

  it('refuses a key store that is not configured', async () => {
    expect((await claviger(['hsm', 'selftest', '--store', 'nope'], server.dataDir)).code).to.equal(2)
  })
})
