import { statSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import type { HsmStatus } from '../../src/ports/hsm.js'
import { killLeftovers, spawnForOneTest } from '../support/one-test.js'
import { spawnProgram, temporaryDirectory } from '../support/server.js'
import { claviger, json } from './claviger.js'

type Watched = HsmStatus & { readonly name: string, readonly capacity?: { readonly used: number } }

const waitMsMax = 30_000

describe('claviger hsm watch', function () {
  this.timeout(90_000)
  let dataDir: string
  beforeEach(() => { dataDir = temporaryDirectory() })
  afterEach(killLeftovers)

  /** Instead of a server. */
  async function answering(listener: RequestListener, act: () => Promise<void>): Promise<void> {
    const server = createServer(listener)
    await new Promise<void>(resolve => { server.listen(join(dataDir, 'control.sock'), resolve) })
    try {
      await act()
    } finally {
      server.closeAllConnections()
      await new Promise(resolve => { server.close(resolve) })
    }
  }

  it('shows what a running server is doing, as text and as JSON', async () => {
    await spawnForOneTest({ dataDir, settings: { hsm: { host: 'process', lanes: { count: 2 } } } })
    expect(statSync(join(dataDir, 'control.sock')).mode & 0o777).to.equal(0o600)
    const stores = await json(['hsm', 'watch', '--once'], dataDir) as readonly Watched[]
    expect(stores.map(({ name }) => name)).to.deep.equal(['default'])
    const [store] = stores
    expect(store).to.include({ host: 'process', profile: 'softhsm', suite: 'gcm', circuit: 'closed' })
    expect(store?.token?.label).to.equal('claviger')
    expect(store?.lanes).to.have.length(2)
    expect(store?.calls.done).to.be.greaterThan(0)
    const { code, stdout } = await claviger(['hsm', 'watch', '--once', '--store', 'default'], dataDir)
    expect(code).to.equal(0)
    expect(stdout).to.match(/^default: token "claviger" .* host process, circuit closed$/m).and.to.match(/^ {2}lane 2 +\w+ +pid \d+/m)
  })

  it('looks again and again, a line of JSON each time, until its reader is gone or its server', async () => {
    const server = await spawnForOneTest({ dataDir })
    const watched = spawnProgram(['hsm', 'watch', '--json', '--seconds', '0.1'], { dataDir })
    const unread = spawnProgram(['hsm', 'watch', '--seconds', '0.1'], { dataDir })
    unread.child.stdout.once('data', () => unread.child.stdout.destroy())
    expect((await unread.exited).code).to.equal(0)
    const deadline = Date.now() + waitMsMax
    while (watched.output().split('\n').length < 4 && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
    await server.kill('SIGTERM')
    const { code, stdout, stderr } = await watched.exited
    const lines = stdout.trimEnd().split('\n')
    expect(lines.length).to.be.greaterThan(2)
    for (const line of lines) expect(JSON.parse(line)).to.be.an('array')
    expect({ code, stderr }).to.deep.include({ code: 2 })
    expect(stderr).to.match(/^claviger: no running server answers on /)
  })

  it('cannot run without a server, or with arguments that mean nothing', async () => {
    const none = await claviger(['hsm', 'watch', '--once', '--json'], dataDir)
    expect(none).to.include({ code: 2, stdout: '' })
    expect(none.stderr).to.match(/^claviger: no running server answers on .*control\.sock: connect ENOENT/)
    for (const seconds of ['0', '-1', 'x', '3601', '']) {
      const { code, stderr } = await claviger(['hsm', 'watch', '--seconds', seconds], dataDir)
      expect(code, seconds).to.equal(2)
      expect(stderr).to.equal('claviger: --seconds must be between 0.1 and 3600\n')
    }
  })

  it('names the key stores that there are when it is asked for another', async () => {
    await answering((_, response) => response.end(JSON.stringify([{ name: 'default' }])), async () => {
      const { code, stderr } = await claviger(['hsm', 'watch', '--once', '--store', 'other'], dataDir)
      expect({ code, stderr }).to.deep.equal({ code: 2, stderr: 'claviger: there is no key store other; there are: default\n' })
    })
  })

  for (const [what, listener] of Object.entries<RequestListener>({
    'is no JSON': (_, response) => { response.end('no') },
    'breaks off': (_, response) => { response.write('[{'), setImmediate(() => response.destroy()) },
    'never ends': (_, response) => {
      response.on('error', () => undefined)
      const timer = setInterval(() => response.write(' '.repeat(1024 * 1024)), 1)
      response.on('close', () => clearInterval(timer))
    },
    'is an error': (_, response) => { response.writeHead(500).end('{}') },
  })) {
    it(`refuses an answer that ${what}`, async () => {
      await answering(listener, async () => {
        const { code, stderr } = await claviger(['hsm', 'watch', '--once'], dataDir)
        expect(code).to.equal(2)
        expect(stderr).to.match(/^claviger: no running server answers on .*\n$/)
      })
    })
  }
})
