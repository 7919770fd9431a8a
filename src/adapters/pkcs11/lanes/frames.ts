/**
 * What travels between the server and a lane process, in both directions, over a stream of bytes:
 *
 *   u32 length of the rest | u32 length of the head | u8 number of parts | u32 length of each part | head, JSON | the parts
 *
 * All numbers are big-endian. Bytes go as parts and never as JSON, so that every place that held a plaintext or a PIN can be overwritten.
 */
export interface Frame {
  readonly head: unknown
  /** Views of one memory that belongs to this frame alone. */
  readonly parts: readonly Uint8Array[]
}

/** The other side speaks something else. There is no way back into the stream. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** Without the length itself. A list of all objects of a large token is the longest thing said. */
export const frameBytesMax = 32 * 1024 * 1024
export const partsMax = 8
const lengthBytes = 4
const fixedBytes = 5
const partLengthBytes = 4
const reusedBytes = 16 * 1024
const noBytes: Buffer = Buffer.alloc(0)

/** Encodes frames into memory that it uses again: write what `encode` gives, then `wipe`, before the next. */
export class FrameWriter {
  private readonly memory = Buffer.alloc(reusedBytes)
  private last: Buffer = noBytes

  encode(head: object, parts: readonly Uint8Array[] = []): Buffer {
    if (parts.length > partsMax) throw new FrameError(`a frame has at most ${partsMax} parts`)
    const text = JSON.stringify(head)
    const headAt = lengthBytes + fixedBytes + parts.length * partLengthBytes
    // No UTF-16 unit takes more than three bytes in UTF-8.
    const most = parts.reduce((sum, part) => sum + part.length, headAt + text.length * 3)
    const target = most <= reusedBytes ? this.memory : Buffer.alloc(most)
    const headBytes = target.write(text, headAt)
    let at = headAt + headBytes
    parts.forEach((part, index) => {
      target.writeUInt32BE(part.length, lengthBytes + fixedBytes + index * partLengthBytes)
      target.set(part, at)
      at += part.length
    })
    if (at - lengthBytes > frameBytesMax) throw new FrameError(`a frame has at most ${frameBytesMax} bytes`)
    target.writeUInt32BE(at - lengthBytes, 0)
    target.writeUInt32BE(headBytes, lengthBytes)
    target.writeUInt8(parts.length, lengthBytes * 2)
    this.last = target.subarray(0, at)
    return this.last
  }

  /** Overwrites the last frame. */
  wipe(): void {
    this.last.fill(0)
    this.last = noBytes
  }
}

/** Takes the stream in pieces of any size. After a FrameError it must not be used again. */
export class FrameReader {
  private readonly length = Buffer.alloc(lengthBytes)
  private lengthHave = 0
  private body: Buffer | undefined
  private bodyHave = 0

  /** Hands over each frame that these bytes complete, and overwrites them. Throws FrameError. */
  push(bytes: Buffer, take: (frame: Frame) => void): void {
    let at = 0
    try {
      while (at < bytes.length) {
        at += this.body ? this.addToBody(this.body, bytes, at) : this.addToLength(bytes, at)
        if (this.body?.length === this.bodyHave) this.complete(this.body, take)
      }
    } finally {
      bytes.fill(0)
    }
  }

  /** Overwrites what is there of an unfinished frame. */
  wipe(): void {
    this.body?.fill(0)
  }

  private addToLength(bytes: Buffer, from: number): number {
    const count = bytes.copy(this.length, this.lengthHave, from, from + lengthBytes - this.lengthHave)
    this.lengthHave += count
    if (this.lengthHave < lengthBytes) return count
    const length = this.length.readUInt32BE()
    if (length < fixedBytes || length > frameBytesMax) throw new FrameError(`a frame of ${length} bytes`)
    // Memory of its own: parts of it are given away as what their new owner may overwrite.
    this.body = Buffer.allocUnsafeSlow(length)
    this.lengthHave = this.bodyHave = 0
    return count
  }

  private addToBody(body: Buffer, bytes: Buffer, from: number): number {
    const count = bytes.copy(body, this.bodyHave, from)
    this.bodyHave += count
    return count
  }

  private complete(body: Buffer, take: (frame: Frame) => void): void {
    this.body = undefined
    take(decode(body))
  }
}

function decode(body: Buffer): Frame {
  const headBytes = body.readUInt32BE(0)
  const count = body.readUInt8(lengthBytes)
  const headAt = fixedBytes + count * partLengthBytes
  if (count > partsMax || headAt + headBytes > body.length) throw new FrameError('a frame shorter than it says')
  const parts: Uint8Array[] = []
  let at = headAt + headBytes
  for (let index = 0; index < count; index++) {
    const end = at + body.readUInt32BE(fixedBytes + index * partLengthBytes)
    if (end > body.length) throw new FrameError('a frame shorter than its parts')
    parts.push(body.subarray(at, end))
    at = end
  }
  if (at !== body.length) throw new FrameError('a frame longer than its parts')
  return { head: parsed(body.toString('utf8', headAt, headAt + headBytes)), parts }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FrameError('the head of a frame is not JSON', { cause: error })
  }
}
