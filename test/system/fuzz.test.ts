import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import { decodeCiphertextBlob } from '../../src/domain/ciphertext-blob.js'
import { altered, mutated, visible } from '../support/mutations.js'
import { errorOf, openSocket, RawClient, signed, Unanswered, type RawAnswer } from '../support/raw-client.js'
import { printSeedOfFailures, seeded, type Seeded } from '../support/seeded.js'
import { removeDirectory, spawnServer, type SpawnedServer } from '../support/server.js'

const connections = 48
const refused = '400 InvalidCiphertextException'
/** KMS API Reference, Decrypt: CiphertextBlob. */
const blobBytesMax = 6_144
/** Raw connections that are answered or closed by then; headers may take the server's 10 seconds. */
const rawWaitMsMax = 20_000
/** More than caches and garbage between two collections come to, less than what thousands of kept requests would. */
const memoryGrowthBytesMax = 200 * 1024 * 1024

describe('a server that is sent anything', function () {
  this.timeout(60_000)
  printSeedOfFailures()
  let random: Seeded
  let server: SpawnedServer
  let clients: RawClient[]
  let keyId: string
  let otherKeyId: string
  let blob: Buffer

  before(async () => {
    server = await spawnServer()
    clients = await Promise.all(Array.from({ length: connections }, () => RawClient.open(server)))
    keyId = await createKey()
    otherKeyId = await createKey()
    blob = await seal(keyId, Buffer.from('secret'))
    // Two versions, so that a changed version number can name another one that exists.
    expect((await first().call('RotateKeyOnDemand', { KeyId: keyId })).status).to.equal(200)
  })

  beforeEach(function () {
    random = seeded(this.currentTest?.title ?? '')
  })

  after(async () => {
    for (const client of clients) client.close()
    await server.kill()
    removeDirectory(server.dataDir)
  })

  afterEach('it is the same process, and works', async () => {
    const client = await RawClient.open(server)
    const { status, body } = await client.call('Decrypt', { CiphertextBlob: blob.toString('base64') })
    client.close()
    expect([status, (JSON.parse(body) as { Plaintext: string }).Plaintext]).to.deep.equal([200, Buffer.from('secret').toString('base64')])
    expect(() => process.kill(server.pid, 0)).to.not.throw()
    expect(server.output()).to.not.match(/"level":"error"|[Uu]nhandled|[Uu]ncaught|Warning/)
  })

  describe('as a ciphertext answers InvalidCiphertextException', () => {
    it('to every other value of every byte of a ciphertext', async () => {
      const others = Array.from({ length: 255 }, (_, at) => at + 1)
      await expectInvalid([...blob.keys()].flatMap(at => others.map(difference => altered(blob, at, difference))), {})
    })

    it('to every flipped bit, with the key named in the request', async () => {
      const bits = Array.from({ length: 8 }, (_, bit) => 1 << bit)
      const flipped = [...blob.keys()].flatMap(at => bits.map(bit => altered(blob, at, bit)))
      await expectInvalid(flipped, { KeyId: keyId })
    })

    it('to a change of every byte of the longest ciphertext of Encrypt', async () => {
      const long = await seal(keyId, random.bytes(4_096))
      await expectInvalid([...long.keys()].map(at => altered(long, at, 1 + random.below(255))), {})
    })

    it('to every shorter and to longer ones', async () => {
      const shorter = [...blob.keys()].slice(1).map(length => blob.subarray(0, length))
      const tails = [blob.subarray(1), blob.subarray(4), blob.subarray(26)]
      const longer = [1, 2, 15, 16, 17, 4_096, blobBytesMax - blob.length].map(length => Buffer.concat([blob, random.bytes(length)]))
      await expectInvalid([...shorter, ...tails, ...longer, Buffer.concat([random.bytes(1), blob])], {})
    })

    it('to parts of several ciphertexts put together', async () => {
      const [same, other] = [await seal(keyId, Buffer.from('secret')), await seal(otherKeyId, Buffer.from('secret'))]
      const cuts = [...blob.keys()].slice(1)
      const spliced = [same, other].flatMap(donor => cuts.map(at => Buffer.concat([blob.subarray(0, at), donor.subarray(at)])))
      // Cut inside what both have in common, the ciphertext comes out as the donor's own.
      await expectInvalid(spliced.filter(bytes => ![same, other].some(donor => donor.equals(bytes))), {})
      await expectInvalid([[blob, blob], [blob, same], [blob, other]].map(parts => Buffer.concat(parts)), {})
    })

    it('to random bytes, with and without the beginning of a ciphertext', async () => {
      const lengths = Array.from({ length: 300 }, () => 1 + random.below(blobBytesMax - blob.length))
      const noise = lengths.map(length => random.bytes(length))
      await expectInvalid(noise, {})
      await expectInvalid(noise, { KeyId: keyId })
      await expectInvalid(noise.map(bytes => Buffer.concat([blob.subarray(0, random.below(blob.length - 1)), bytes])), {})
    })

    it('to a ciphertext with another encryption context', async () => {
      const text = (bytesMax: number) => random.bytes(1 + random.below(bytesMax)).toString('hex')
      const contexts = Array.from({ length: 50 }, () => ({ [text(4)]: text(40) }))
      const answers = await inParallel(contexts, (client, context) =>
        client.call('Decrypt', { CiphertextBlob: blob.toString('base64'), EncryptionContext: context }))
      expect(counted(answers)).to.deep.equal({ [refused]: contexts.length })
    })
  })

  describe('as a request', () => {
    it('refuses random bytes as a signed body', async () => {
      const operations = ['CreateKey', 'Encrypt', 'Decrypt', 'ReEncrypt', 'TagResource', 'ListKeys']
      const bodies = Array.from({ length: 400 }, () => random.bytes(random.below(600)))
      const answers = await inParallel(bodies, (client, body) => send(client, `TrentService.${random.pick(operations)}`, body))
      expect(counted(answers)).to.deep.equal({ '400 SerializationException': bodies.length })
    })

    it('answers changed JSON with a refusal or as what it still says', async () => {
      const body = Buffer.from(JSON.stringify({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: { a: 'b' }, GrantTokens: [] }))
      const bodies = Array.from({ length: 600 }, () => mutated(body, random))
      const answers = await inParallel(bodies, (client, bytes) => send(client, 'TrentService.GenerateDataKey', bytes))
      for (const answer of answers) expect([200, 400], answer.body).to.include(answer.status)
      expect(Object.keys(counted(answers))).to.include.members(['400 SerializationException', '400 ValidationException'])
    })

    it('refuses deep, long and odd JSON', async () => {
      const bodies = [
        '['.repeat(200_000),
        `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
        `{"KeyId":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`,
        `{"KeyId":"${'a'.repeat(400_000)}"}`,
        `{"KeyId":"${keyId}","EncryptionContext":{${Array.from({ length: 10_000 }, (_, at) => `"${at}":1`).join()}}}`,
        '{"__proto__":{"KeyId":"a"}}', '{"KeyId":1e999}', 'null', '"', '\ufeff{}', '{"KeyId":"\\ud800"}',
      ]
      const answers = await inParallel(bodies, (client, body) => send(client, 'TrentService.GenerateDataKey', Buffer.from(body)))
      expect(answers.map(({ status }) => status)).to.deep.equal(bodies.map(() => 400))
    })

    it('refuses targets that are no operation', async () => {
      const odd = [
        '', '.', 'TrentService', 'TrentService.', 'trentservice.ListKeys', 'TrentService.listKeys', 'TrentService.ListKeys.ListKeys',
        ...['constructor', '__proto__', 'toString', '../ListKeys', 'ListKeys%00', '*'].map(name => `TrentService.${name}`),
      ]
      const noise = Array.from({ length: 100 }, () => `TrentService.${visible(random.bytes(1 + random.below(60))).replaceAll(' ', '~')}`)
      const answers = await inParallel([...odd, ...noise], (client, target) => send(client, target, Buffer.from('{}')))
      expect(counted(answers)).to.deep.equal({ '400 UnknownOperationException': odd.length + noise.length })
    })

    it('refuses a changed signature and Authorization headers that are none', async () => {
      const whole = signed({ target: 'TrentService.ListKeys', body: Buffer.from('{}') }, server).toString('latin1')
      const value = /^authorization:(.*)\r$/m.exec(whole)?.[1] ?? ''
      const any = () => random.oneIn(3) ? random.bytes(random.below(300)) : mutated(Buffer.from(value), random)
      const values = Array.from({ length: 300 }, any)
      // Space around the commas is the client's choice.
      const other = values.map(visible).filter(text => text.replaceAll(/ *, */g, ', ').trim() !== value)
      const answers = await inParallel(other, (client, text) => client.send(Buffer.from(whole.replace(value, () => text), 'latin1')))
      for (const answer of answers) expect(answer.status, answer.body).to.equal(400)
      expect(Object.keys(counted(answers))).to.include.members([
        '400 InvalidSignatureException', '400 IncompleteSignatureException', '400 UnrecognizedClientException',
      ])
    })
  })

  describe('as bytes on a connection', () => {
    it('ends the connection after what is not HTTP', async () => {
      const request = signed({ target: 'TrentService.ListKeys', body: Buffer.from('{}') }, server)
      const sent = [
        ...Array.from({ length: 100 }, () => random.bytes(1 + random.below(2_000))),
        ...Array.from({ length: 200 }, () => mutated(request, random)),
        ...notHttp.map(text => Buffer.from(text)),
      ]
      for (const received of await Promise.all(sent.map(bytes => sendRaw(bytes)))) expectNoFault(received)
    })

    it('ends the connection after headers that are too large or too many', async () => {
      const head = 'POST / HTTP/1.1\r\nHost: a\r\n'
      const long = 'a'.repeat(1_000_000)
      const sent = [`${head}X: ${long}`, head + 'X: a\r\n'.repeat(100_000), `POST /${long} HTTP/1.1\r\n\r\n`]
      const received = await Promise.all(sent.map(text => sendRaw(Buffer.from(text))))
      for (const text of received) expect(text).to.match(/^HTTP\/1\.1 431 |^$/)
    })

    it('answers pipelined requests in their order, and ends at garbage', async () => {
      const list = signed({ target: 'TrentService.ListKeys', body: Buffer.from('{}') }, server)
      const unknown = signed({ target: 'nothing', body: Buffer.from('{}') }, server)
      const received = await sendRaw(Buffer.concat([list, unknown, list]), 3)
      expect([...received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status)).to.deep.equal(['200', '400', '200'])
      for (let times = 0; times < 20; times++) expectNoFault(await sendRaw(Buffer.concat([list, random.bytes(500), list])))

      const client = await RawClient.open(server)
      expect((await client.send(list)).status).to.equal(200)
      expect((await client.send(Buffer.concat([Buffer.from('\0'), random.bytes(500)]))).status).to.equal(400)
      expect(await client.send(list).catch((error: unknown) => error)).to.be.instanceOf(Unanswered)
    })

    it('serves others while requests stay unfinished, and survives their end', async () => {
      const request = signed({ target: 'TrentService.ListKeys', body: Buffer.from('{}') }, server)
      const unfinished = Array.from({ length: 200 }, () => {
        const socket = openSocket(server).on('error', () => {})
        socket.write(request.subarray(0, 1 + random.below(request.length - 1)))
        return socket
      })
      const answers = await inParallel(Array.from({ length: 200 }), client => send(client, 'TrentService.ListKeys', Buffer.from('{}')))
      expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 200))
      for (const socket of unfinished) random.oneIn(2) ? socket.resetAndDestroy() : socket.end()
    })

    it('keeps no memory of all this', async () => {
      const before = residentBytes()
      const large = signed({ target: 'TrentService.Encrypt', body: random.bytes(500_000) }, server)
      for (let round = 0; round < 3; round++) {
        await inParallel(Array.from({ length: 100 }), client => client.send(large))
        await Promise.all(Array.from({ length: 100 }, () => sendRaw(random.bytes(10_000))))
      }
      expect(residentBytes() - before).to.be.below(memoryGrowthBytesMax)
    })
  })

  function first(): RawClient {
    return clients[0] as RawClient
  }

  async function createKey(): Promise<string> {
    return (JSON.parse((await first().call('CreateKey', {})).body) as { KeyMetadata: { KeyId: string } }).KeyMetadata.KeyId
  }

  async function seal(key: string, plaintext: Buffer): Promise<Buffer> {
    const { body } = await first().call('Encrypt', { KeyId: key, Plaintext: plaintext.toString('base64') })
    return Buffer.from((JSON.parse(body) as { CiphertextBlob: string }).CiphertextBlob, 'base64')
  }

  /** But for those that are whole and name a key which is not there: of them nobody is told more than of the keys of other accounts. */
  async function expectInvalid(blobs: readonly Buffer[], members: { readonly KeyId?: string }): Promise<void> {
    const answers = await inParallel(blobs, (client, bytes) =>
      client.call('Decrypt', { CiphertextBlob: bytes.toString('base64'), ...members }))
    const strange = members.KeyId === undefined ? blobs.filter(namesAnotherKey) : []
    expect(counted(answers)).to.deep.equal({
      ...strange.length < blobs.length && { [refused]: blobs.length - strange.length },
      ...strange.length > 0 && { '400 AccessDeniedException': strange.length },
    })
  }

  function namesAnotherKey(bytes: Buffer): boolean {
    const decoded = decodeCiphertextBlob(bytes)
    return decoded !== undefined && decoded.keyId !== keyId && decoded.keyId !== otherKeyId
  }

  function send(client: RawClient, target: string, body: Buffer): Promise<RawAnswer> {
    return client.send(signed({ target, body }, server))
  }

  async function inParallel<T>(items: readonly T[], call: (client: RawClient, item: T) => Promise<RawAnswer>): Promise<RawAnswer[]> {
    const answers: RawAnswer[] = []
    let next = 0
    await Promise.all(clients.map(async client => {
      for (let at = next++; at < items.length; at = next++) answers[at] = await call(client, items[at] as T)
    }))
    return answers
  }

  /** Everything that comes back until the connection ends. Our own end is announced after so many answers, as Node drops later ones. */
  function sendRaw(bytes: Buffer, answers = 0): Promise<string> {
    return new Promise(resolve => {
      const socket = openSocket(server)
      let received = ''
      socket.setTimeout(rawWaitMsMax, () => socket.destroy())
      socket.on('error', () => {}).on('close', () => resolve(received)).on('data', chunk => {
        received += chunk.toString('latin1')
        if ((received.match(/HTTP\/1\.1 /g) ?? []).length >= answers) socket.end()
      })
      socket.write(bytes)
      if (answers === 0) socket.end()
    })
  }

  function residentBytes(): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) * 1024
  }
})

const notHttp = [
  'GET / HTTP/9.9\r\n\r\n',
  '\r\n'.repeat(20_000),
  'POST / HTTP/1.1\r\n: \r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
]

function counted(answers: readonly RawAnswer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    const name = `${answer.status} ${errorOf(answer)}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** Refusals, or the answer to a request that a mutation left as good as it was: never a fault of the server. */
function expectNoFault(received: string): void {
  for (const [, status] of received.matchAll(/HTTP\/1\.1 (\d{3})/g)) expect(status, received).to.match(/^(200|4\d\d)$/)
}
