import { expect } from 'chai'
import { parseIpRange, type IpRange } from '../../src/domain/ip.js'
import { peerOf, proxiesMax, sourceOf } from '../../src/http/forwarded.js'
import { headersOf } from '../../src/http/message.js'

const trusted = ['10.0.0.0/8', '127.0.0.1', '2001:db8:ffff::/48'].map(text => parseIpRange(text) as IpRange)
const proxy = '10.0.0.5'

/** Headers as they come: names and values one after the other. */
function source(address: string, headers: readonly string[] = [], encrypted = false) {
  return sourceOf(peerOf(address, encrypted, trusted), headersOf(headers), trusted)
}

const from = (...chain: readonly string[]) => source(proxy, chain.flatMap(value => ['X-Forwarded-For', value])).sourceIp

describe('where a request came from', () => {
  it('is its peer when nothing else is said', () => {
    expect(source('192.0.2.1')).to.deep.equal({ sourceIp: '192.0.2.1', secure: false, forwarded: false })
    expect(source('192.0.2.1', [], true)).to.deep.equal({ sourceIp: '192.0.2.1', secure: true, forwarded: false })
  })

  it('is the peer, whatever a peer says that is no trusted proxy', () => {
    const headers = ['X-Forwarded-For', '10.1.1.1', 'X-Forwarded-Proto', 'https', 'Forwarded', 'for=10.1.1.1;proto=https']
    for (const peer of ['192.0.2.1', '11.0.0.5', '9.255.255.255', '127.0.0.2', '2001:db8:fffe::1', '::1']) {
      expect(source(peer, headers), peer).to.deep.equal({ sourceIp: peer, secure: false, forwarded: false })
    }
  })

  it('is nobody else where no proxy is trusted', () => {
    const headers = headersOf(['X-Forwarded-For', '192.0.2.1'])
    expect(sourceOf(peerOf(proxy, false, []), headers, [])).to.include({ sourceIp: proxy, forwarded: false })
  })

  it('is the proxy when it calls for itself', () => {
    expect(source(proxy, [], true)).to.deep.equal({ sourceIp: proxy, secure: true, forwarded: false })
  })

  it('is whom a trusted proxy names', () => {
    expect(from('192.0.2.7')).to.equal('192.0.2.7')
    expect(source('2001:db8:ffff::1', ['X-Forwarded-For', '192.0.2.7']).sourceIp).to.equal('192.0.2.7')
  })

  it('is the last that is no trusted proxy: what stands before it is its own word', () => {
    expect(from('10.9.9.9, 203.0.113.1, 192.0.2.7')).to.equal('192.0.2.7')
    expect(from('198.51.100.1, 192.0.2.7, 10.0.0.6, 127.0.0.1')).to.equal('192.0.2.7')
    expect(from('garbage, <script>, 192.0.2.7')).to.equal('192.0.2.7')
    expect(from(',,,192.0.2.7')).to.equal('192.0.2.7')
  })

  it('reads repeated headers as one list, in their order', () => {
    expect(from('192.0.2.7', '192.0.2.8')).to.equal('192.0.2.8')
    expect(from('192.0.2.7', '10.0.0.6')).to.equal('192.0.2.7')
    expect(source(proxy, ['x-forwarded-for', '192.0.2.7', 'X-FORWARDED-FOR', '10.0.0.6']).sourceIp).to.equal('192.0.2.7')
  })

  it('is the farthest of the proxies when there are only proxies', () => {
    expect(from('10.7.7.7, 10.0.0.6')).to.equal('10.7.7.7')
    expect(from('10.7.7.7')).to.equal('10.7.7.7')
  })

  for (const [entry, address] of [
    ['192.0.2.7:50123', '192.0.2.7'], ['  192.0.2.7\t', '192.0.2.7'], ['2001:DB8::7', '2001:db8::7'], ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:50123', '2001:db8::7'], ['::ffff:192.0.2.7', '192.0.2.7'], ['[::ffff:c000:207]:1', '192.0.2.7'],
  ] as const) {
    it(`reads ${JSON.stringify(entry)}`, () => {
      expect(from(entry)).to.equal(address)
    })
  }

  it('knows a trusted proxy however it is written', () => {
    for (const peer of ['::ffff:10.0.0.5', '10.0.0.5']) {
      expect(source(peer, ['X-Forwarded-For', '192.0.2.7']).sourceIp, peer).to.equal('192.0.2.7')
    }
    expect(from('192.0.2.7, ::ffff:10.0.0.6, [::ffff:a00:6]:80')).to.equal('192.0.2.7')
    expect(source('::ffff:10.0.0.5').sourceIp).to.equal('10.0.0.5')
  })

  for (const entry of [
    '', ' ', '192.0.2.7,', 'unknown', '_hidden', '192.0.2', '192.0.2.256', '192.0.2.07', '192.0.2.7:port', '192.0.2.7:123456', '192.0.2.7:',
    '[192.0.2.7]', '[2001:db8::7', '2001:db8::7]', '[2001:db8::7]x', '2001:db8::7%eth0', 'for=192.0.2.7', '"192.0.2.7"',
    '192.0.2.7 10.0.0.6', 'localhost', '0x7f.1', '3221225991', '192.0.2.7/32', '١٩٢.0.2.7', `${' '.repeat(9_000)}x`,
    `[${':'.repeat(9_000)}`,
  ]) {
    const shown = entry.length > 40 ? `${entry.length} characters` : JSON.stringify(entry)
    it(`is the proxy itself behind ${shown}`, () => {
      expect(from(`192.0.2.9, ${entry}`)).to.equal(proxy)
    })
  }

  it('is not looked for behind more proxies than the limit', () => {
    const proxies = (count: number) => Array.from({ length: count }, () => '10.0.0.6')
    expect(from(['192.0.2.7', ...proxies(proxiesMax - 1)].join(', '))).to.equal('192.0.2.7')
    expect(from(['192.0.2.7', ...proxies(proxiesMax)].join(', '))).to.equal(proxy)
    expect(from(proxies(proxiesMax + 1).join(', '))).to.equal(proxy)
  })

  it('is found behind any number of entries that its client made up', () => {
    expect(from(`${'10.0.0.6, '.repeat(1_000)}192.0.2.7`)).to.equal('192.0.2.7')
  })
})

describe('whether a request came over TLS', () => {
  const secure = (protos: readonly string[], encrypted: boolean) => source(proxy, [
    'X-Forwarded-For', '192.0.2.7', ...protos.flatMap(value => ['X-Forwarded-Proto', value]),
  ], encrypted).secure

  it('is what a trusted proxy says, and not what it itself came over', () => {
    for (const encrypted of [true, false]) {
      expect(secure(['https'], encrypted)).to.equal(true)
      expect(secure(['HTTPS'], encrypted)).to.equal(true)
      expect(secure(['http'], encrypted)).to.equal(false)
    }
  })

  it('is no where a trusted proxy does not say, or says it unclearly', () => {
    for (const protos of [[], [''], ['wss'], ['https, http'], ['http', 'https'], ['https,'], ['httpsx'], ['"https"']]) {
      expect(secure(protos, true), protos.join('|')).to.equal(false)
    }
    expect(secure(['https', 'https'], false)).to.equal(true)
  })

  it('may be said without naming anybody', () => {
    expect(source(proxy, ['X-Forwarded-Proto', 'https'])).to.deep.equal({ sourceIp: proxy, secure: true, forwarded: true })
  })
})
