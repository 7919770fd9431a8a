import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { Agent } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { HttpLimits } from '../../src/http/limits.js'
import type { HttpRequest } from '../../src/http/message.js'
import { createHttpServer, type HttpServer } from '../../src/http/server.js'
import type { ClientTrust, TlsMaterial } from '../../src/ports/tls.js'
import { selfIssued, TestCa, type Pair } from '../support/pki.js'
import { post, secured, tlsOptions } from '../support/tls-client.js'
import { rawRequest, recordingLog } from './fixtures.js'
import { echo, eventually, gate } from './served.js'

const hourMs = 3_600_000

describe('a TLS listener that asks for client certificates', () => {
  let [ca, other]: [TestCa, TestCa] = [] as never
  let [serverPair, client]: [Pair, Pair] = [] as never
  const servers: HttpServer[] = []

  before(() => {
    ca = new TestCa('ours')
    other = new TestCa('another')
    serverPair = ca.issue({ subject: '/CN=server', names: ['DNS:localhost', 'IP:127.0.0.1'] })
    client = ca.issue({ subject: '/CN=client', names: ['DNS:client.example.org'] })
  })
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close(0)
  })

  const material = (trust: Partial<ClientTrust> = {}): TlsMaterial =>
    ({ ...serverPair, clients: { ca: [ca.certificate], crl: [], required: false, ...trust } })

  async function serve(trust: Partial<ClientTrust> = {}, endpoint = echo(), limits: Partial<HttpLimits> = {}) {
    const log = recordingLog()
    const server = createHttpServer({
      endpoint, tls: material(trust), ready: async () => ({ ok: true, checks: {} }), clock: Date, log, limits,
    })
    servers.push(server)
    const { port } = await server.listen(0, '127.0.0.1')
    return { server, port, log, endpoint, url: `https://localhost:${port}` }
  }

  /** The request as the endpoint was given it. */
  async function seen(own: Pair | undefined, trust: Partial<ClientTrust> = {}): Promise<HttpRequest> {
    const { url, endpoint } = await serve(trust)
    await post(url, { ca: ca.certificate, own })
    return endpoint.seen[0] as HttpRequest
  }

  it('hands over the certificate of a client that TLS vouches for', async () => {
    const { certificate } = await seen(client)
    expect(certificate?.distrust).to.equal(undefined)
    expect(certificate?.certificate.dnsNames).to.deep.equal(['client.example.org'])
  })

  it('takes a client without one, whose requests have none', async () => {
    expect(await seen(undefined)).not.to.have.property('certificate')
  })

  it('takes one that comes with the CA between', async () => {
    const between = new TestCa('between', { above: ca })
    const { certificate, key } = between.issue({ names: ['DNS:below.example.org'] })
    const chained = await seen({ certificate: certificate + between.certificate, key })
    expect(chained.certificate?.certificate.dnsNames).to.deep.equal(['below.example.org'])
    expect(chained.certificate).not.to.have.property('distrust')
    expect((await seen({ certificate, key })).certificate?.distrust).to.equal('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  })

  const bad: Readonly<Record<string, readonly [reason: string, make: () => Pair]>> = {
    'of an unknown CA': ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', () => other.issue({ names: ['DNS:client.example.org'] })],
    'of a CA that is called like ours': ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', () => new TestCa('ours').issue({})],
    'that is signed by itself': ['DEPTH_ZERO_SELF_SIGNED_CERT', () => selfIssued('/CN=client', ['DNS:client.example.org'])],
    'that has expired': ['CERT_HAS_EXPIRED', () => ca.issue({ until: new Date(Date.now() - hourMs) })],
    'that is not valid yet': ['CERT_NOT_YET_VALID', () => ca.issue({ from: new Date(Date.now() + hourMs) })],
    'for servers only': ['INVALID_PURPOSE', () => ca.issue({ usage: 'serverAuth' })],
    'for signed code only': ['INVALID_PURPOSE', () => ca.issue({ usage: 'codeSigning' })],
    'of somebody who is no CA': ['UNSPECIFIED', () => {
      const issuer = ca.issue({ subject: '/CN=no CA' })
      const made = new TestCa('no CA', { own: issuer }).issue({})
      return { ...made, certificate: made.certificate + issuer.certificate }
    }],
  }
  for (const [which, [reason, make]] of Object.entries(bad)) {
    it(`does not vouch for a certificate ${which}`, async () => {
      const { certificate } = await seen(make())
      expect(certificate?.distrust).to.equal(reason)
    })

    it(`has no connection for a certificate ${which} where a good one is required, and says why`, async () => {
      const { url, endpoint, log } = await serve({ required: true })
      const own = make()
      expect(await post(url, { ca: ca.certificate, own }).catch(() => 'refused')).to.equal('refused')
      expect(endpoint.seen).to.deep.equal([])
      expect(log.entries).to.have.length(1)
      expect(log.entries[0]?.fields).to.include({
        sourceIp: '127.0.0.1', why: reason, serialNumber: new X509Certificate(own.certificate).serialNumber,
      })
    })
  }

  it('takes a certificate that may be used for clients, among other things', async () => {
    expect((await seen(ca.issue({ usage: 'clientAuth' }))).certificate?.distrust).to.equal(undefined)
    expect((await seen(ca.issue({ usage: 'serverAuth, clientAuth' }))).certificate?.distrust).to.equal(undefined)
  })

  it('requires one where that is asked for, also for its health', async () => {
    const { url, endpoint } = await serve({ required: true })
    for (const path of ['/', '/livez']) {
      expect(await post(url, { ca: ca.certificate }, { path }).catch(() => 'refused'), path).to.equal('refused')
    }
    expect((await post(url, { ca: ca.certificate, own: client })).status).to.equal(200)
    expect(endpoint.seen).to.have.length(1)
  })

  describe('with a revocation list', () => {
    let [one, another]: [Pair, Pair] = [] as never
    let crl: string

    before(() => {
      one = ca.issue({})
      another = ca.issue({})
      ca.revoke(one)
      crl = ca.crl()
    })

    it('does not vouch for what is on it', async () => {
      expect((await seen(one, { crl: [crl] })).certificate?.distrust).to.equal('CERT_REVOKED')
      expect((await seen(another, { crl: [crl] })).certificate).not.to.have.property('distrust')
    })

    it('reads all lists', async () => {
      for (const lists of [[crl, other.crl()], [other.crl(), crl]]) {
        expect((await seen(one, { crl: lists, ca: [ca.certificate, other.certificate] })).certificate?.distrust).to.equal('CERT_REVOKED')
      }
    })

    it('does not vouch for a CA that has none', async () => {
      const trust = { ca: [ca.certificate, other.certificate], crl: [crl] }
      expect((await seen(other.issue({}), trust)).certificate?.distrust).to.equal('UNABLE_TO_GET_CRL')
    })

    it('does not vouch for anybody when the list is out of date', async () => {
      const short = ca.crl(1)
      await pause(2_100)
      expect((await seen(another, { crl: [short] })).certificate?.distrust).to.equal('CRL_HAS_EXPIRED')
    })
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    describe(`with ${version}`, () => {
      const options = { minVersion: version, maxVersion: version } as const

      /** The session that a client could resume, after one request. */
      async function sessionOf(port: number, own: Pair | undefined): Promise<Buffer | undefined> {
        const socket = await secured(port, { ca: ca.certificate, own, options })
        let session: Buffer | undefined
        socket.on('session', (given: Buffer) => { session = given })
        socket.write(rawRequest('/', 'x'))
        await once(socket, 'data')
        // TLS 1.3 hands them out after the handshake.
        await pause(50)
        socket.destroy()
        return session ?? socket.getSession()
      }

      it('resumes no session, whoever had it', async () => {
        const { port, endpoint } = await serve()
        for (const own of [client, undefined]) {
          const session = await sessionOf(port, own)
          const socket = await secured(port, { ca: ca.certificate, options: { ...options, ...session && { session } } })
          expect(socket.isSessionReused()).to.equal(false)
          socket.write(rawRequest('/', 'x'))
          await once(socket, 'data')
          socket.destroy()
          expect(endpoint.seen.at(-1)).not.to.have.property('certificate')
        }
      })

      it('is for every version that is not older than 1.2', async () => {
        const { port } = await serve()
        const socket = await secured(port, { ca: ca.certificate, own: client, options })
        expect(socket.getProtocol()).to.equal(version)
        socket.destroy()
      })
    })
  }

  it('speaks no older version', async () => {
    const { port } = await serve()
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const options = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const
      const refusal: unknown = await secured(port, { ca: ca.certificate, own: client, options }).catch((error: unknown) => error)
      expect(refusal, version).to.have.property('code', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    }
  })

  it('negotiates nothing anew: a connection stays whose it was', async () => {
    const { port, endpoint } = await serve()
    const socket = await secured(port, { ca: ca.certificate, options: { maxVersion: 'TLSv1.2' } })
    const failed = await new Promise(resolve => {
      socket.on('error', resolve)
      socket.renegotiate({}, error => resolve(error ?? 'negotiated'))
    })
    expect(failed).to.have.property('code', 'ERR_SSL_NO_RENEGOTIATION')
    expect(endpoint.seen).to.deep.equal([])
    socket.destroy()
  })

  describe('when other CAs or lists come', () => {
    const kept = () => new Agent({ keepAlive: true, maxSockets: 1 })
    const without = () => ({ ca: [other.certificate] })

    it('ends connections that nobody waits for, so that their clients show their certificates anew', async () => {
      const { server, url, endpoint, log } = await serve()
      const agent = kept()
      const call = () => post(url, { ca: ca.certificate, own: client }, { agent })
      await call()
      const [socket] = Object.values(agent.freeSockets).flat() as unknown as [TLSSocket]
      const closed = once(socket, 'close')
      server.replaceTls(material(without()))
      await closed
      expect(log.entries.map(({ message, fields }) => [message, fields])).to.deep.equal([
        ['other client certificates are trusted', { connectionsEnded: 1 }],
      ])
      await call()
      expect(endpoint.seen.map(({ certificate }) => certificate?.distrust)).to.deep.equal([undefined, 'SELF_SIGNED_CERT_IN_CHAIN'])
      agent.destroy()
    })

    it('answers what was begun, tells its client to go, and believes no other request on that connection', async () => {
      const held = gate()
      const { server, port, endpoint } = await serve({}, echo(() => held.opened))
      const socket = await secured(port, { ca: ca.certificate, own: client })
      let received = ''
      socket.setEncoding('latin1').on('data', text => { received += String(text) }).on('error', () => {})
      socket.write(rawRequest('/', 'one'))
      await eventually(() => endpoint.seen.length === 1)
      server.replaceTls(material({ crl: [ca.crl()] }))
      socket.write(rawRequest('/', 'two'))
      await eventually(() => endpoint.seen.length === 2)
      const closed = once(socket, 'close')
      held.open()
      await closed
      expect(received).to.match(/^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n/).and.match(/\r\n\r\n3$/)
      expect(endpoint.seen.map(({ certificate }) => certificate?.distrust)).to.deep.equal([
        undefined, 'the CA or the revocation list is another since it was shown',
      ])
    })

    it('ends handshakes that had begun before', async () => {
      const { server, port } = await serve()
      const [raw, done] = [connectTcp(port, '127.0.0.1'), connectTcp(port, '127.0.0.1')]
      raw.on('error', () => {})
      await Promise.all([once(raw, 'connect'), once(done, 'connect')])
      const secure = connect({ socket: done, ...tlsOptions({ ca: ca.certificate }) })
      // What is answered has shaken hands on the server's side, too, and the other had come before it.
      secure.write(rawRequest('/', 'x'))
      await once(secure, 'data')
      server.replaceTls(material(without()))
      raw.resume()
      await once(raw, 'close')
      expect(secure.destroyed).to.equal(false)
      secure.destroy()
    })

    it('leaves alone those who have shown none, and everybody when only the server\'s certificate is new', async () => {
      const { server, url, endpoint, log } = await serve()
      const next = ca.issue({ subject: '/CN=next', names: ['DNS:localhost'] })
      const [plain, certified] = [kept(), kept()]
      const callBoth = async () => {
        await post(url, { ca: ca.certificate }, { agent: plain })
        await post(url, { ca: ca.certificate, own: client }, { agent: certified })
      }
      await callBoth()
      const sockets = [plain, certified].flatMap(agent => Object.values(agent.freeSockets).flat())
      server.replaceTls({ ...material(), ...next })
      await callBoth()
      expect([plain, certified].flatMap(agent => Object.values(agent.freeSockets).flat())).to.deep.equal(sockets)
      expect(log.entries).to.deep.equal([])
      const socket = await secured(Number(new URL(url).port), { ca: ca.certificate })
      expect(socket.getPeerCertificate().subject.CN).to.equal('next')
      socket.destroy()
      server.replaceTls({ ...material(without()), ...next })
      await post(url, { ca: ca.certificate }, { agent: plain })
      expect(Object.values(plain.freeSockets).flat()).to.deep.equal(sockets.slice(0, 1))
      expect(endpoint.seen).to.have.length(5)
      for (const agent of [plain, certified]) agent.destroy()
    })

    it('goes on with the old ones when the new cannot be used', async () => {
      const { server, url } = await serve()
      expect(() => server.replaceTls({ ...material(), key: client.key })).to.throw()
      expect((await post(url, { ca: ca.certificate, own: client })).status).to.equal(200)
    })
  })

  it('has a client show its certificate anew after a while, between two requests', async () => {
    const { url, endpoint } = await serve({}, echo(), { certifiedConnectionMsMax: 1_000 })
    const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true })]
    const call = async () => [
      await post(url, { ca: ca.certificate, own: client }, { agent: agents[0] as Agent }),
      await post(url, { ca: ca.certificate }, { agent: agents[1] as Agent }),
    ].map(({ closes }) => closes)
    expect(await call()).to.deep.equal([false, false])
    await pause(1_100)
    expect(await call()).to.deep.equal([true, false])
    expect(await call()).to.deep.equal([false, false])
    expect(endpoint.seen.every(({ certificate }) => certificate?.distrust === undefined)).to.equal(true)
    for (const agent of agents) agent.destroy()
  })
})
