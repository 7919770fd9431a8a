import { Agent } from 'node:https'
import { KMS } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { kmsClient, refusal } from '../support/clients.js'
import { forwardingProxy, type ForwardingOptions, type ForwardingProxy } from '../support/forwarding-proxy.js'
import type { Pair } from '../support/pki.js'
import { allowing } from '../support/callers.js'
import { auditEvents } from './audit-records.js'
import { suite, type Suite } from './suite.js'
import { arnOf, serverPair, tlsSuite, unsigned, userWith } from './tls-suite.js'

const Plaintext = Buffer.from('x')

/** A key that may be used under this condition only. */
async function keyUnder(kms: KMS, accountId: string, condition: object): Promise<string> {
  const principal = { Principal: { AWS: accountId }, Resource: '*' }
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', ...principal, Action: 'kms:*' },
      { Effect: 'Deny', ...principal, Action: 'kms:Encrypt', Condition: condition },
    ],
  })
  return (await kms.createKey({ Policy })).KeyMetadata?.KeyId ?? ''
}

const withoutTls = { Bool: { 'aws:SecureTransport': 'false' } }
const notFrom = (...ranges: readonly string[]) => ({ NotIpAddress: { 'aws:SourceIp': ranges } })

/** An HTTP client that shows its own headers to whatever it talks to. It signs for the server, whatever is in between. */
function clientWith(on: Pick<Suite, 'server'>, url: string, headers: Readonly<Record<string, string>> = {}, agent?: Agent): KMS {
  const kms = kmsClient(on.server, { endpoint: url, maxAttempts: 1, ...agent && { requestHandler: { httpsAgent: agent } } })
  kms.middlewareStack.add(next => args => {
    Object.assign((args.request as { headers: Record<string, string> }).headers, headers)
    return next(args)
  }, { step: 'finalizeRequest', priority: 'low' })
  return kms
}

async function isAllowed(call: Promise<unknown>): Promise<boolean> {
  return call.then(() => true, async error => {
    expect((await refusal(Promise.reject(error as Error))).code).to.equal('AccessDeniedException')
    return false
  })
}

describe('conditions on where a request comes from', () => {
  const proxies: ForwardingProxy[] = []
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close()
  })

  async function through(options: ForwardingOptions): Promise<string> {
    const proxy = await forwardingProxy(options)
    proxies.push(proxy)
    return proxy.url
  }

  describe('over HTTP, with a trusted proxy in front', () => {
    const on = suite({ settings: { trustedProxies: ['127.0.0.1', '10.0.0.0/8'] } })
    let [safeOnly, ofOffice]: [string, string] = ['', '']

    before(async () => {
      const { accountId } = on.server.admin
      safeOnly = await keyUnder(on.kms, accountId, withoutTls)
      ofOffice = await keyUnder(on.kms, accountId, notFrom('192.0.2.0/24', '2001:db8::/32'))
    })

    const encrypts = (kms: KMS, KeyId: string) => isAllowed(kms.encrypt({ KeyId, Plaintext }))
    const lastEvent = () => auditEvents(on.server.dataDir).at(-1)
    /** A proxy that has had the request from this address. */
    const from = (address: string, proto = 'https') => through({
      to: on.server.url, says: () => ({ 'x-forwarded-for': address, 'x-forwarded-proto': proto }),
    })

    it('are about the client behind it', async () => {
      const url = await from('192.0.2.7')
      expect(await encrypts(clientWith(on, url), ofOffice)).to.equal(true)
      expect(lastEvent()?.sourceIPAddress).to.equal('192.0.2.7')
      expect(await encrypts(clientWith(on, await from('2001:db8::1')), ofOffice)).to.equal(true)
      expect(await encrypts(clientWith(on, await from('198.51.100.7')), ofOffice)).to.equal(false)
      expect(await encrypts(clientWith(on, await from('192.0.2.7, 198.51.100.7, 10.0.0.9')), ofOffice)).to.equal(false)
      expect(lastEvent()?.sourceIPAddress).to.equal('198.51.100.7')
    })

    it('are about the proxy where it does not say who it is', async () => {
      expect(await encrypts(clientWith(on, await from('unknown')), ofOffice)).to.equal(false)
      expect(lastEvent()?.sourceIPAddress).to.equal('127.0.0.1')
    })

    it('are true of TLS where the proxy says so, and only there', async () => {
      expect(await encrypts(clientWith(on, await from('192.0.2.7', 'https')), safeOnly)).to.equal(true)
      expect(await encrypts(clientWith(on, await from('192.0.2.7', 'http')), safeOnly)).to.equal(false)
      expect(await encrypts(on.kms, safeOnly)).to.equal(false)
    })

    it('are not what a client says of itself to a proxy', async () => {
      const url = await through({ to: on.server.url })
      const liar = clientWith(on, url, {
        'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https', 'forwarded': 'for=192.0.2.7;proto=https',
      })
      // The proxy adds 127.0.0.1, which is trusted: so the liar is a proxy, too, and is believed. From elsewhere it would not be.
      expect(await encrypts(liar, ofOffice)).to.equal(true)
      expect(await encrypts(liar, safeOnly)).to.equal(false)
      const outside = await through({
        to: on.server.url, says: ({ headers }) => ({ 'x-forwarded-for': `${String(headers['x-forwarded-for'])}, 198.51.100.7` }),
      })
      expect(await encrypts(clientWith(on, outside, { 'x-forwarded-for': '192.0.2.7' }), ofOffice)).to.equal(false)
    })
  })

  describe('over HTTP, with nobody to be trusted', () => {
    const on = suite()

    it('are about whoever is at the other end', async () => {
      const { accountId } = on.server.admin
      const here = await keyUnder(on.kms, accountId, notFrom('127.0.0.0/8'))
      const office = await keyUnder(on.kms, accountId, notFrom('192.0.2.0/24'))
      const safeOnly = await keyUnder(on.kms, accountId, withoutTls)
      const liar = clientWith(on, on.server.url, { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' })
      for (const kms of [on.kms, liar]) {
        expect(await isAllowed(kms.encrypt({ KeyId: here, Plaintext }))).to.equal(true)
        expect(await isAllowed(kms.encrypt({ KeyId: office, Plaintext }))).to.equal(false)
        expect(await isAllowed(kms.encrypt({ KeyId: safeOnly, Plaintext }))).to.equal(false)
      }
      expect(auditEvents(on.server.dataDir).at(-1)?.sourceIPAddress).to.equal('127.0.0.1')
    })
  })

  describe('over TLS', () => {
    const principals = {
      anne: { dns: 'anne.example.org', user: arnOf('user', 'anne') }, proxy: { subject: 'CN=proxy', user: arnOf('user', 'proxy') },
    }
    const on = tlsSuite({ principals }, { trustedProxies: ['127.0.0.1'] })
    let [anne, proxy]: [Pair, Pair] = [] as never
    let [safeOnly, ofOffice]: [string, string] = ['', '']

    before(async () => {
      anne = on.ca.issue({ names: ['DNS:anne.example.org'] })
      proxy = on.ca.issue({ subject: '/CN=proxy' })
      for (const name of ['anne', 'proxy']) await userWith(on.server, name, allowing('kms:*'))
      const { accountId } = on.server.admin
      safeOnly = await keyUnder(on.kms, accountId, withoutTls)
      ofOffice = await keyUnder(on.kms, accountId, notFrom('192.0.2.0/24'))
    })

    const encrypts = (kms: KMS, KeyId: string) => isAllowed(kms.encrypt({ KeyId, Plaintext }))
    const agentOf = (own?: Pair) => new Agent({ ca: on.ca.certificate, ...own && { cert: own.certificate, key: own.key } })

    it('are true of TLS without a proxy', async () => {
      expect(await encrypts(on.kms, safeOnly)).to.equal(true)
      expect(await encrypts(on.by(anne), safeOnly)).to.equal(true)
    })

    it('are not true of TLS to the proxy\'s server alone', async () => {
      const plain = await through({ to: on.server.url, agent: agentOf() })
      expect(await encrypts(clientWith(on, plain), safeOnly)).to.equal(false)
      const secure = await through({ to: on.server.url, agent: agentOf(), tls: serverPair(on.ca) })
      expect(await encrypts(clientWith(on, secure, {}, agentOf()), safeOnly)).to.equal(true)
      const silent = await through({
        to: on.server.url, agent: agentOf(), tls: serverPair(on.ca), says: () => ({ 'x-forwarded-for': '192.0.2.7' }),
      })
      expect(await encrypts(clientWith(on, silent, {}, agentOf()), safeOnly)).to.equal(false)
      expect(await encrypts(clientWith(on, silent, {}, agentOf()), ofOffice)).to.equal(true)
    })

    it('do not make a client of a proxy who it is: neither by the proxy\'s certificate nor by its own', async () => {
      expect(await encrypts(on.by(proxy), safeOnly)).to.equal(true)
      const url = await through({ to: on.server.url, agent: agentOf(proxy), tls: serverPair(on.ca) })
      const behind = new KMS({ ...unsigned(), endpoint: url, maxAttempts: 1, requestHandler: { httpsAgent: agentOf(anne) } })
      expect((await refusal(behind.listKeys({}))).code).to.equal('MissingAuthenticationTokenException')
      expect(await encrypts(clientWith(on, url, {}, agentOf()), safeOnly)).to.equal(true)
      behind.destroy()
    })
  })
})
