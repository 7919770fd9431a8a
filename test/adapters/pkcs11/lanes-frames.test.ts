import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { laneHead } from '../../../src/adapters/pkcs11/lanes/calls.js'
import { FrameError, FrameReader, frameBytesMax, FrameWriter, partsMax, type Frame } from '../../../src/adapters/pkcs11/lanes/frames.js'
import { printSeedOfFailures, seeded } from '../../support/seeded.js'

const bytesOf = (head: object, ...parts: readonly Uint8Array[]): Buffer => Buffer.from(new FrameWriter().encode(head, parts))

function read(pieces: readonly Buffer[]): readonly Frame[] {
  const [reader, frames] = [new FrameReader(), [] as Frame[]]
  for (const piece of pieces) reader.push(Buffer.from(piece), frame => frames.push(frame))
  return frames
}

describe('frames', () => {
  printSeedOfFailures()

  it('come out as they went in, in pieces of any size', () => {
    const parts = [Buffer.alloc(0), randomBytes(1), randomBytes(300), randomBytes(70_000)]
    const stream = Buffer.concat([bytesOf({ one: 'ä€😀' }, ...parts), bytesOf({}), bytesOf({ two: [1, null] }, ...parts.slice(2))])
    for (const size of [1, 3, 4, 5, 64, 4096, stream.length]) {
      const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, at) => stream.subarray(at * size, (at + 1) * size))
      const frames = read(pieces)
      expect(frames.map(({ head }) => head)).to.deep.equal([{ one: 'ä€😀' }, {}, { two: [1, null] }])
      expect(frames[0]?.parts.map(part => Buffer.from(part))).to.deep.equal(parts)
      expect(frames[2]?.parts.map(part => Buffer.from(part))).to.deep.equal(parts.slice(2))
    }
  })

  it('leave nothing behind where they came through', () => {
    const secret = Buffer.from('a secret that nobody else has')
    const writer = new FrameWriter()
    for (const size of [secret.length, 100_000]) {
      const part = Buffer.alloc(size)
      secret.copy(part)
      const bytes = writer.encode({}, [part])
      const given = Buffer.from(bytes)
      writer.wipe()
      expect(bytes.includes(secret)).to.equal(false)
      expect(bytes.every(byte => byte === 0)).to.equal(true)
      new FrameReader().push(given, () => undefined)
      expect(given.every(byte => byte === 0)).to.equal(true)
    }
  })

  it('have limits', () => {
    const parts = Array.from({ length: partsMax + 1 }, () => Buffer.alloc(1))
    expect(() => bytesOf({}, ...parts)).to.throw(FrameError)
    expect(() => bytesOf({}, Buffer.alloc(frameBytesMax))).to.throw(FrameError)
    const tooLong = Buffer.alloc(4)
    tooLong.writeUInt32BE(frameBytesMax + 1)
    expect(() => read([tooLong])).to.throw(FrameError)
    expect(() => read([Buffer.alloc(4)])).to.throw(FrameError)
  })

  it('parse or are refused, whatever the bytes', () => {
    const choices = seeded('frames')
    const good = bytesOf({ operation: 'seal', material: { name: 'x' } }, randomBytes(20), randomBytes(32))
    let [parsed, refusals] = [0, 0]
    for (let round = 0; round < 5_000; round++) {
      const bytes = Buffer.from(good)
      for (let change = choices.below(3); change >= 0; change--) bytes[choices.below(bytes.length)] = choices.below(256)
      // What claims to be longer than it is only waits for more.
      bytes.writeUInt32BE(good.length - 4, 0)
      try {
        parsed += read([bytes]).length
      } catch (error) {
        expect(error).to.be.instanceOf(FrameError)
        refusals += 1
      }
    }
    expect(parsed + refusals).to.equal(5_000)
    expect(parsed).to.be.greaterThan(100)
    expect(refusals).to.be.greaterThan(100)
  })

  it('of a lane say one of few things', () => {
    for (const head of [null, 1, 'answer', [], {}, { operation: 'seal' }]) expect(() => laneHead({ head, parts: [] })).to.throw(FrameError)
    expect(laneHead({ head: { answer: {} }, parts: [] })).to.deep.equal({ answer: {} })
  })
})
