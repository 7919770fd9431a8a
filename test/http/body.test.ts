import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { bodyReader, type Body, type BodyLimits, type BodyReader } from '../../src/http/body.js'

const limits: BodyLimits = {
  bodyBytesMax: 512 * 1024, bodyBytesUncounted: 16 * 1024, bodyBytesInAllMax: 2 ** 20, bodyBytesPerAddressMax: 2 ** 20,
  discardedBytesMax: 0,
}

/** As much of a request as the reader looks at. */
function requestWith(headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  return Object.assign(new EventEmitter(), { headers, destroy: () => {} }) as unknown as IncomingMessage
}

function send(request: IncomingMessage, bytes: Uint8Array, chunkLength = bytes.length): void {
  for (let at = 0; at < bytes.length; at += chunkLength) request.emit('data', Buffer.from(bytes.subarray(at, at + chunkLength)))
}

/** A body in one chunk that does not end. */
function begin(read: BodyReader, address: string, length: number, byte = 0): { request: IncomingMessage, body: Promise<Body> } {
  const request = requestWith()
  const body = read(request, address)
  send(request, new Uint8Array(length).fill(byte))
  return { request, body }
}

async function whole(read: BodyReader, address: string, length: number): Promise<Body> {
  const { request, body } = begin(read, address, length)
  request.emit('end')
  return body
}

function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe('a body', () => {
  const text = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 251))

  it('comes together the same from chunks of any length', async () => {
    for (const chunkLength of [1, 2, 1023, 1024, 1025, 4999, 5000]) {
      for (const headers of [{}, { 'content-length': '5000' }]) {
        const request = requestWith(headers)
        const body = bodyReader(limits)(request, 'a')
        send(request, text, chunkLength)
        request.emit('end')
        expect(text.equals(await body as Uint8Array)).to.equal(true)
      }
    }
  })

  it('may be empty', async () => {
    const request = requestWith()
    const body = bodyReader(limits)(request, 'a')
    request.emit('end')
    expect(await body).to.have.length(0)
  })

  it('takes no more memory in single bytes than in one piece', async () => {
    const read = bodyReader(limits)
    const request = requestWith()
    const before = usedBytes()
    const body = read(request, 'a')
    for (let at = 0; at < 200_000; at++) request.emit('data', Buffer.alloc(1, at))
    expect(usedBytes() - before).to.be.below(2 * 2 ** 20)
    request.emit('end')
    expect(await body).to.have.length(200_000)
  })

  it('does not stay behind in the buffers that it came in', async () => {
    const request = requestWith()
    const body = bodyReader(limits)(request, 'a')
    const chunks = [text.subarray(0, 2000), text.subarray(2000)].map(part => Buffer.from(part))
    for (const chunk of chunks) request.emit('data', chunk)
    request.emit('end')
    expect(await body).to.deep.equal(text)
    for (const chunk of chunks) expect(chunk.every(byte => byte === 0)).to.equal(true)
  })

  it('does not stay behind in a buffer that it has outgrown, nor in the last one when nobody gets it', async () => {
    const allocUnsafe = Buffer.allocUnsafe.bind(Buffer)
    const buffers: Buffer[] = []
    Buffer.allocUnsafe = size => {
      const buffer = allocUnsafe(size)
      buffers.push(buffer)
      return buffer.fill(0)
    }
    try {
      const { request, body } = begin(bodyReader(limits), 'a', 1000, 1)
      send(request, text)
      request.emit('close')
      expect(await body).to.equal('gone')
    } finally {
      Buffer.allocUnsafe = allocUnsafe
    }
    expect(buffers.filter(({ length }) => length >= 1024)).to.have.length(2)
    for (const buffer of buffers) expect(buffer.every(byte => byte === 0)).to.equal(true)
  })
})

describe('the memory that bodies share', () => {
  it('counts what is held, not what was sent', async () => {
    const read = bodyReader({ ...limits, bodyBytesInAllMax: 150_000 })
    const { request, body } = begin(read, 'a', 65_536)
    send(request, new Uint8Array(1))
    expect(await whole(read, 'b', 20_000)).to.equal('overloaded')
    request.emit('end')
    expect(await body).to.have.length(65_537)
    expect(await whole(read, 'b', 20_000)).to.have.length(20_000)
  })

  it('is not needed by small bodies', async () => {
    const read = bodyReader({ ...limits, bodyBytesInAllMax: 20_000 })
    begin(read, 'a', 20_000)
    expect(await whole(read, 'a', 16 * 1024)).to.have.length(16 * 1024)
    expect(await whole(read, 'a', 16 * 1024 + 1)).to.equal('overloaded')
  })

  it('cannot be used up from one address', async () => {
    const read = bodyReader({ ...limits, bodyBytesPerAddressMax: 100_000 })
    const held = begin(read, 'a', 90_000)
    expect(await whole(read, 'a', 20_000)).to.equal('overloaded')
    expect(await whole(read, 'b', 20_000)).to.have.length(20_000)
    held.request.emit('close')
    expect(await held.body).to.equal('gone')
    expect(await whole(read, 'a', 100_000)).to.have.length(100_000)
  })

  it('is given back whatever becomes of a body', async () => {
    const read = bodyReader({ ...limits, bodyBytesMax: 50_000, bodyBytesInAllMax: 50_000 })
    for (let round = 0; round < 5; round++) {
      const tooLarge = begin(read, 'a', 30_000)
      send(tooLarge.request, new Uint8Array(20_001))
      expect(await tooLarge.body).to.equal('too-large')
      const gone = begin(read, 'a', 30_000)
      expect(await whole(read, 'a', 30_000)).to.equal('overloaded')
      gone.request.emit('close')
      await gone.body
    }
    expect(await whole(read, 'b', 50_000)).to.have.length(50_000)
  })
})
