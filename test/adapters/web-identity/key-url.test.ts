import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { identityProviders } from '../../../src/adapters/web-identity/identity-providers.js'
import { keptMs } from '../../../src/adapters/web-identity/issuer-keys.js'
import { keySetBytesMax } from '../../../src/adapters/web-identity/key-source.js'
import { MovedClock } from '../../support/clock.js'
import { jwt, keySet, newPair, type Pair } from '../../support/identity-provider.js'
import { RecordedLog } from '../../support/recorded.js'
import { refused } from '../../support/refusal.js'

const name = 'https://idp.example'
const claims = { iss: name, sub: 'someone' }
const freshMs = 10 * 60_000
const coolDownMs = 30_000
const token = (by: Pair) => jwt({ claims, algorithm: 'ES256', by })

describe('an identity provider whose keys are at a URL', () => {
  const [one, two] = [newPair('P-256', 'one'), newPair('P-256', 'two')]
  let server: http.Server
  let url: string
  let asked: string[]
  let answer: (response: http.ServerResponse) => void
  let clock: MovedClock
  let log: RecordedLog

  before(done => {
    server = http.createServer((request, response) => {
      asked.push(request.url ?? '')
      answer(response)
    }).listen(0, '127.0.0.1', done)
  })
  after(done => {
    server.closeAllConnections()
    server.close(done)
  })
  beforeEach(() => {
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
    asked = []
    clock = new MovedClock()
    log = new RecordedLog()
    has(one)
  })

  function has(...pairs: readonly Pair[]): void {
    answer = response => response.setHeader('content-type', 'application/json').end(keySet(...pairs))
  }

  function verifier() {
    const providers = identityProviders([{ issuer: name, audiences: ['x'], algorithms: ['ES256'], keys: { url } }], { clock, log })
    const issuer = providers.issuer(name)
    if (!issuer) throw new Error('the issuer is not there')
    return (of: string) => providers.verifiedPayload(issuer, of)
  }

  it('is asked once for many tokens at a time', async () => {
    const verify = verifier()
    await Promise.all(Array.from({ length: 20 }, () => verify(token(one))))
    await verify(token(one))
    expect(asked).to.deep.equal(['/jwks'])
  })

  it('is asked again when its keys are old', async () => {
    const verify = verifier()
    await verify(token(one))
    has(two)
    clock.advance(freshMs - 1)
    await verify(token(one))
    clock.advance(1)
    await verify(token(two))
    await refused(verify(token(one)), 'InvalidIdentityTokenException')
    expect(asked).to.have.length(2)
  })

  it('is asked again for a key that is not known, but not more often than every so often', async () => {
    const verify = verifier()
    await verify(token(one))
    has(one, two)
    await refused(verify(token(two)), 'InvalidIdentityTokenException')
    expect(asked).to.have.length(1)
    clock.advance(coolDownMs)
    await Promise.all(Array.from({ length: 20 }, () => verify(token(two))))
    expect(asked).to.have.length(2)
    const unknown = newPair('P-256', 'three')
    for (let tries = 0; tries < 20; tries++) await refused(verify(token(unknown)), 'InvalidIdentityTokenException')
    expect(asked).to.have.length(2)
    clock.advance(coolDownMs)
    for (let tries = 0; tries < 20; tries++) await refused(verify(token(unknown)), 'InvalidIdentityTokenException')
    expect(asked).to.have.length(3)
  })

  const faults: readonly (readonly [string, (response: http.ServerResponse) => void])[] = [
    ['answers with an error', response => response.writeHead(500).end(keySet(two))],
    ['answers with 201', response => response.writeHead(201).end(keySet(two))],
    ['redirects to another host', response => response.writeHead(302, { location: 'http://127.0.0.2:1/jwks' }).end()],
    ['redirects to itself', response => response.writeHead(301, { location: '/elsewhere' }).end()],
    ['answers with no JSON', response => response.end('<html>')],
    ['answers with no key set', response => response.end('{"keys":{}}')],
    ['answers without end', response => {
      const more = () => { if (!response.destroyed) response.write(' '.repeat(65_536), () => setImmediate(more)) }
      more()
    }],
    [`answers with more than ${keySetBytesMax} bytes`, response => response.end(keySet(two) + ' '.repeat(keySetBytesMax))],
    ['hangs up', response => response.destroy()],
  ]
  for (const [what, fault] of faults) {
    it(`keeps its keys for a while when it ${what}`, async () => {
      const verify = verifier()
      await verify(token(one))
      answer = fault
      clock.advance(freshMs)
      await verify(token(one))
      expect(log.entries.map(({ message }) => message)).to.deep.equal(['the keys of an identity provider cannot be read'])
      // No more often than every so often, whoever comes.
      await verify(token(one))
      await refused(verify(token(two)), 'InvalidIdentityTokenException')
      expect(asked).to.deep.equal(['/jwks', '/jwks'])
      clock.advance(keptMs)
      await refused(verify(token(one)), 'IDPCommunicationErrorException')
      has(two)
      clock.advance(coolDownMs)
      await verify(token(two))
    })
  }

  it('is waited for five seconds', async function () {
    this.timeout(15_000)
    answer = response => response.write('{')
    const before = Date.now()
    await refused(verifier()(token(one)), 'IDPCommunicationErrorException')
    expect(Date.now() - before).to.be.within(4_500, 9_000)
  })

  it('cannot be asked when it is not there', async () => {
    url = 'http://127.0.0.1:1/jwks'
    await refused(verifier()(token(one)), 'IDPCommunicationErrorException')
  })
})
