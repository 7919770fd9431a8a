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
      const { selfTest } = JSON.parse(stdout) as Report
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
    expect(stdout).to.match(/token "claviger"[^]*CKM_AES_GCM[^]*self-test of "claviger"[^]*µs/)
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

  for (const line of [['--token', 'a'], ['--pin-file', '/a'], ['--module', module, '--config', '/a']]) {
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
