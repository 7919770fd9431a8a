import { expect } from 'chai'
import { readConfig } from '../../src/config.js'
import { defaultLimits } from '../../src/http/limits.js'
import { randomFrom, rawRequest } from './fixtures.js'
import { describeServed, echo, eventually, gate, serve } from './served.js'

describeServed('the limit on bodies', () => {
  const limits = { bodyBytesMax: 1000, discardedBytesMax: 10_000 }

  it('lets the largest through', async () => {
    const { client } = await serve(echo(), limits)
    expect(await client().write(rawRequest('/', 'x'.repeat(1000))).answers(1)).to.match(/\r\n\r\n1000$/)
  })

  it('refuses a declared length before anything of it has come', async () => {
    const { client } = await serve(echo(), limits)
    expect(await client().write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n').answers(1)).to.match(/^HTTP\/1\.1 413 /)
  })

  it('refuses chunks as soon as they are too many', async () => {
    const { client } = await serve(echo(), limits)
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
    expect(await client().write(`${head}3e9\r\n${'x'.repeat(1001)}`).answers(1)).to.match(/^HTTP\/1\.1 413 /)
  })

  it('leaves the connection usable when the rest is not long', async () => {
    const { client } = await serve(echo(), limits)
    const one = client().write(rawRequest('/', 'x'.repeat(5000)))
    await one.answers(1)
    expect(await one.write(rawRequest('/', 'ok')).answers(2)).to.match(/\r\n\r\n2$/)
  })

  it('ends the connection when the rest is long', async () => {
    const { client } = await serve(echo(), limits)
    const one = client().write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n')
    await one.answers(1)
    one.write('x'.repeat(20_000))
    await one.closed
  })

  it('holds for all bodies together that are being read', async () => {
    const { client } = await serve(echo(), { ...limits, bodyBytesUncounted: 0, bodyBytesInAllMax: 1500 })
    const first = client().write(rawRequest('/', 'x'.repeat(1000)).slice(0, -1))
    const second = client()
    let refused = ''
    // The first may not have arrived yet when a later one is judged.
    for (let at = 1; !refused.includes('overloaded'); at++) refused = await second.write(rawRequest('/', 'x'.repeat(1000))).answers(at)
    expect(await first.write('x').answers(1)).to.match(/\r\n\r\n1000$/)
    expect(await client().write(rawRequest('/', 'x'.repeat(1000))).answers(1)).to.match(/\r\n\r\n1000$/)
  })

  it('is large enough for the largest legal request', () => {
    expect(defaultLimits.bodyBytesMax).to.be.above(262_144 * 4 / 3 + 131_072)
  })
})

describeServed('a client that holds as many unfinished bodies as it can', () => {
  const unfinished = rawRequest('/', 'x'.repeat(defaultLimits.bodyBytesMax)).slice(0, -1)
  const count = defaultLimits.bodyBytesInAllMax / defaultLimits.bodyBytesMax

  it('is told to slow down, and does not keep out ordinary calls, nor the large ones of others', async () => {
    const { client } = await serve(echo())
    const held = Array.from({ length: count }, () => client().write(unfinished))
    const refused = () => held.filter(({ received }) => received.includes('overloaded')).length
    await eventually(() => refused() === count * 3 / 4)
    expect(await client().write(rawRequest('/', 'x'.repeat(16 * 1024))).answers(1)).to.match(/\r\n\r\n16384$/)
    // Elsewhere the loopback device has one address.
    if (process.platform !== 'linux') return
    expect(await client('127.0.0.2').write(rawRequest('/', 'x'.repeat(100_000))).answers(1)).to.match(/\r\n\r\n100000$/)
  })
})

describeServed('clients behind a trusted proxy', () => {
  it('do not use up what there is for each other', async () => {
    const limits = { bodyBytesMax: 1000, bodyBytesUncounted: 0, bodyBytesPerAddressMax: 1500 }
    const { client } = await serve(echo(), limits, [{ network: [127, 0, 0, 1], bits: 32 }])
    const bodyFrom = (address: string) => rawRequest('/', 'x'.repeat(1000), [`X-Forwarded-For: ${address}`])
    const held = client().write(bodyFrom('192.0.2.1').slice(0, -1))
    const second = client()
    let refused = ''
    for (let at = 1; !refused.includes('overloaded'); at++) refused = await second.write(bodyFrom('192.0.2.1')).answers(at)
    expect(await client().write(bodyFrom('192.0.2.2')).answers(1)).to.match(/\r\n\r\n1000$/)
    expect(await held.write('x').answers(1)).to.match(/\r\n\r\n1000$/)
  })
})

describe('the limits that can be configured', () => {
  it('have one default each', () => {
    const { bodyBytesMax, requestsInFlightMax, connectionsMax } = defaultLimits
    expect(readConfig({}).limits).to.deep.include({ bodyBytesMax, inFlightMax: requestsInFlightMax, connectionsMax })
  })
})

describeServed('a client that goes away', () => {
  it('does no harm while its body is read', async () => {
    const kms = echo()
    const { client } = await serve(kms)
    for (let at = 0; at < 20; at++) {
      const one = client().write(rawRequest('/', 'body').slice(0, -2))
      await new Promise(resolve => one.socket.once('connect', resolve))
      one.socket.resetAndDestroy()
      await one.closed
    }
    expect(await client().write(rawRequest('/', 'ok')).answers(1)).to.match(/\r\n\r\n2$/)
    expect(kms.seen).to.have.length(1)
  })

  it('does no harm while its answer is made', async () => {
    const held = gate()
    const kms = echo(() => held.opened)
    const { client } = await serve(kms)
    const one = client().write(rawRequest('/', 'gone'))
    await eventually(() => kms.seen.length === 1)
    one.socket.resetAndDestroy()
    await one.closed
    held.open()
    expect(await client().write(rawRequest('/', 'ok')).answers(1)).to.match(/\r\n\r\n2$/)
  })
})

describeServed('the limit on requests in flight', () => {
  it('tells the others at once to slow down, and lets them in again afterwards', async () => {
    const held = gate()
    const kms = echo(() => held.opened)
    const { client, log } = await serve(kms, { requestsInFlightMax: 2 })
    const busy = [client(), client()].map(one => one.write(rawRequest('/', 'x')))
    await eventually(() => kms.seen.length === 2)
    const third = client().write(rawRequest('/', 'xx'))
    expect(await third.answers(1)).to.match(/\r\n\r\noverloaded$/)
    expect(log.entries.map(({ level }) => level)).to.deep.equal(['warn'])
    expect(await client().write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n').answers(1)).to.match(/^HTTP\/1\.1 200 /)
    held.open()
    for (const one of busy) expect(await one.answers(1)).to.match(/\r\n\r\n1$/)
    expect(await third.write(rawRequest('/', 'xx')).answers(2)).to.match(/\r\n\r\n2$/)
  })
})

describeServed('the limit on connections', () => {
  it('refuses those beyond it', async () => {
    const { client } = await serve(echo(), { connectionsMax: 1 })
    const first = client().write(rawRequest('/', ''))
    await first.answers(1)
    const second = client().write(rawRequest('/', ''))
    await second.closed
    expect(second.received).to.equal('')
    expect(await first.write(rawRequest('/', '')).answers(2)).to.match(/\r\n\r\n0$/)
  })
})

describeServed('what is not HTTP, or takes too long', () => {
  const malformed: readonly [string, string, string][] = [
    ['noise', '\0\x01\x02\r\n\r\n', '400'],
    ['a TLS handshake', '\x16\x03\x01\x02\0\x01\0', '400'],
    ['no host', 'POST / HTTP/1.1\r\n\r\n', '400'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', '400'],
    ['length and chunks', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', '400'],
    ['a negative length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', '400'],
    ['large headers', `POST / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
    ['a bare line feed in a header', 'POST / HTTP/1.1\r\nHost: a\r\nX: a\nX-Amz-Target: b\r\n\r\n', '400'],
  ]
  for (const [what, text, status] of malformed) {
    it(`gets ${status} and the end of the connection: ${what}`, async () => {
      const { client } = await serve()
      const one = client().write(Buffer.from(text, 'latin1'))
      await one.closed
      expect(one.received).to.match(new RegExp(`^HTTP/1\\.1 ${status} `))
    })
  }

  it('gets 408 when headers or body do not come in time', async () => {
    const { client } = await serve(echo(), { headersTimeoutMs: 100, requestTimeoutMs: 200, timeoutCheckMs: 20 })
    for (const begun of ['POST / HT', rawRequest('/', 'body').slice(0, -1)]) {
      const one = client().write(begun)
      await one.closed
      expect(one.received).to.match(/^HTTP\/1\.1 408 /)
    }
  })

  it('loses its connection when nothing moves on it', async () => {
    const { client } = await serve(echo(() => new Promise(() => {})), { socketIdleMaxMs: 50 })
    await client().write(rawRequest('/', 'x')).closed
  })

  it('loses its connection after an answer when no other request comes', async () => {
    // Node adds a second of its own, so that a client which keeps to the announced time does not run into the end.
    const { client } = await serve(echo(), { keepAliveTimeoutMs: 10 })
    const one = client().write(rawRequest('/', 'x'))
    await one.answers(1)
    await one.closed
  })

  it('never stops the server, whatever the bytes', async () => {
    const { client, log } = await serve()
    const random = randomFrom(4)
    const good = Buffer.from(rawRequest('/', 'body', ['Connection: close']))
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(good)
      for (let changes = random() * 6; changes > 0; changes--) bytes[Math.floor(random() * bytes.length)] = random() * 256
      const one = client().write(bytes)
      one.socket.end()
      await one.closed
    }
    expect(await client().write(rawRequest('/', 'ok')).answers(1)).to.match(/\r\n\r\n2$/)
    expect(log.entries.filter(({ level }) => level === 'error')).to.deep.equal([])
  })
})
