import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { allowing } from '../support/callers.js'
import { refusal } from '../support/clients.js'
import { TestCa, type Pair } from '../support/pki.js'
import { removeDirectory, spawnServer, temporaryDirectory } from '../support/server.js'
import { secured } from '../support/tls-client.js'
import { arnOf, serverPair, tlsSuite, userWith } from './tls-suite.js'

/** A few looks at the files, and a slow machine. */
const reloadMsMax = 20_000

async function subjectAt(url: string, ca: string): Promise<string> {
  const socket = await secured(Number(new URL(url).port), { ca })
  const { subject: { CN } } = socket.getPeerCertificate()
  socket.destroy()
  return String(CN)
}

describe('TLS of a running server', () => {
  const on = tlsSuite({ principals: { anne: { dns: 'anne.example.org', user: arnOf('user', 'anne') } } })
  const names = ['DNS:anne.example.org']
  let anne: Pair

  before(async () => {
    anne = on.ca.issue({ names })
    await userWith(on.server, 'anne', allowing('kms:*'))
  })
  // As it was, whatever a test has left.
  afterEach(async () => {
    on.write('clients.pem', on.ca.certificate)
    on.write('clients.crl', on.ca.crl())
    await look()
  })

  const look = () => on.server.jobs.lookAtTls.now()
  const code = async (own: Pair) => (await refusal(on.by(own).listKeys({}))).code
  const said = (message: string) => on.server.logged.filter(entry => entry.message === message)

  it('has another certificate as soon as the files have, and does not let go of anybody', async () => {
    const client = on.by(anne)
    await client.listKeys({})
    const open = await secured(Number(new URL(on.server.url).port), { ca: on.ca.certificate, own: anne })
    const next = serverPair(on.ca, '/CN=next')
    on.write('server.pem', next.certificate)
    on.write('server.key', next.key)
    await look()
    expect(await subjectAt(on.server.url, on.ca.certificate)).to.equal('next')
    expect(open.destroyed).to.equal(false)
    open.destroy()
    await client.listKeys({})
    expect(said('new TLS certificate').at(-1)?.fields).to.include({ names: 'DNS:localhost, IP Address:127.0.0.1' })
    expect(said('other client certificates are trusted')).to.deep.equal([])
  })

  it('keeps its certificate while the files do not fit together', async () => {
    const other = serverPair(on.ca, '/CN=half')
    const before = await subjectAt(on.server.url, on.ca.certificate)
    on.write('server.pem', other.certificate)
    for (let times = 0; times < 3; times++) {
      await look()
      expect(await subjectAt(on.server.url, on.ca.certificate)).to.equal(before)
    }
    expect(said('the files of TLS cannot be used: those of before stay in use')).to.have.length(1)
    on.write('server.key', other.key)
    await look()
    expect(await subjectAt(on.server.url, on.ca.certificate)).to.equal('half')
  })

  it('lets nobody in who is on the new revocation list, on no old connection and on no new one', async () => {
    const [revoked, other] = [on.ca.issue({ names }), on.by(anne)]
    const client = on.by(revoked)
    for (const each of [client, other]) await each.listKeys({})
    on.ca.revoke(revoked)
    on.write('clients.crl', on.ca.crl())
    await look()
    expect((await refusal(client.listKeys({}))).code).to.equal('UnrecognizedClientException')
    expect(on.server.logged.filter(({ level }) => level === 'warn').at(-1)?.fields).to.include({ why: 'CERT_REVOKED' })
    await other.listKeys({})
  })

  it('lets nobody in whose CA is gone, and those of a CA that has come', async () => {
    const newcomers = new TestCa('another CA')
    const [client, newcomer] = [on.by(anne), newcomers.issue({ names })]
    await client.listKeys({})
    expect(await code(newcomer)).to.equal('UnrecognizedClientException')
    on.write('clients.pem', newcomers.certificate)
    on.write('clients.crl', newcomers.crl())
    await look()
    expect((await refusal(client.listKeys({}))).code).to.equal('UnrecognizedClientException')
    await on.by(newcomer).listKeys({})
    on.write('clients.pem', newcomers.certificate + on.ca.certificate)
    on.write('clients.crl', newcomers.crl() + on.ca.crl())
    await look()
    await client.listKeys({})
    await on.by(newcomer).listKeys({})
  })
})

describe('TLS of the real program', function suiteOfProgram() {
  this.timeout(60_000)
  let directory: string
  beforeEach(() => { directory = temporaryDirectory() })
  afterEach(() => removeDirectory(directory))

  async function eventually(url: string, ca: string, subject: string): Promise<void> {
    const until = performance.now() + reloadMsMax
    while (await subjectAt(url, ca) !== subject) {
      if (performance.now() > until) throw new Error(`the certificate is not ${subject} after ${reloadMsMax} ms`)
      await pause(200)
    }
  }

  /** As the kubelet writes a Secret: a directory for each version, and a link that is moved in one step. */
  function publish(version: number, { certificate, key }: Pair): void {
    const name = `..version-${version}`
    const path = join(directory, name)
    mkdirSync(path)
    writeFileSync(join(path, 'tls.crt'), certificate)
    writeFileSync(join(path, 'tls.key'), key)
    symlinkSync(name, join(directory, '..data_tmp'))
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
  }

  it('follows a Secret of Kubernetes without a restart', async () => {
    const ca = new TestCa('a CA')
    publish(1, serverPair(ca, '/CN=first'))
    for (const file of ['tls.crt', 'tls.key']) symlinkSync(join('..data', file), join(directory, file))
    const server = await spawnServer({ settings: { tls: { certificate: join(directory, 'tls.crt'), key: join(directory, 'tls.key') } } })
    try {
      const { pid } = server
      expect(await subjectAt(server.url, ca.certificate)).to.equal('first')
      const kept = await secured(Number(new URL(server.url).port), { ca: ca.certificate })
      publish(2, serverPair(ca, '/CN=second'))
      await eventually(server.url, ca.certificate, 'second')
      expect([kept.getPeerCertificate().subject.CN, kept.destroyed]).to.deep.equal(['first', false])
      expect(server.pid).to.equal(pid)
      expect(server.output()).to.match(/"message":"new TLS certificate"/)
      kept.destroy()
    } finally {
      await server.kill()
      removeDirectory(server.dataDir)
    }
  })
})
