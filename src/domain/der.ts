/*
 * DER (X.690), as much of it as keys, signatures and CMS need. Reading is strict and pulls: what is not in its one canonical form is
 * refused, and nothing is read but what is asked for, so that no input can make it recurse or run on. Writing builds a tree and copies
 * every byte once, so that of a private key no half-made encodings are left in memory.
 */

export const derTags = {
  boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, null: 0x05, oid: 0x06, sequence: 0x30, set: 0x31,
} as const

/** A context-specific tag, [0] to [30]; primitive for IMPLICIT tagging of a primitive type. */
export function contextTag(number: number, form: 'constructed' | 'primitive' = 'constructed'): number {
  if (number < 0 || number > 30) throw new RangeError('a context tag of one byte is [0] to [30]')
  return (form === 'constructed' ? 0xa0 : 0x80) | number
}

/** The bytes are not the DER that was asked for. Never says what they are. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

/** Most bytes of a length field: 4 GiB is more than any input has. */
const lengthBytesMax = 4
const oidBytesMax = 32

/** Reads elements one after the other. Everything given out is a view of the input. */
export class DerReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** What is inside the one element that `bytes` are: a SEQUENCE unless it has another tag. */
  static only(bytes: Uint8Array, tag: number = derTags.sequence): DerReader {
    const reader = new DerReader(bytes)
    const inner = reader.read(tag)
    reader.end()
    return new DerReader(inner)
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  /** The tag of the next element; undefined at the end. */
  get tag(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** Throws unless everything was read. */
  end(): void {
    if (!this.done) throw new DerError('there are bytes behind the end')
  }

  /** The content of the next element, which must have this tag. */
  read(tag: number): Uint8Array {
    const { content, next } = this.#next(tag)
    this.#at = next
    return content
  }

  /** The content of the next element if it has this tag. */
  readOptional(tag: number): Uint8Array | undefined {
    return this.tag === tag ? this.read(tag) : undefined
  }

  /** The next element, tag and length included. */
  readWhole(tag: number): Uint8Array {
    const { next } = this.#next(tag)
    const whole = this.#bytes.subarray(this.#at, next)
    this.#at = next
    return whole
  }

  /** The elements inside the next one: a SEQUENCE unless it has another tag. */
  enter(tag: number = derTags.sequence): DerReader {
    return new DerReader(this.read(tag))
  }

  /** An INTEGER that is not negative: its magnitude without leading zeros; one zero byte for 0. */
  unsigned(): Uint8Array {
    const content = this.read(derTags.integer)
    const [first, second] = content
    if (first === undefined || first >= 0x80) throw new DerError('an INTEGER is empty or negative')
    if (first !== 0 || content.length === 1) return content
    if (second === undefined || second < 0x80) throw new DerError('an INTEGER has more bytes than it needs')
    return content.subarray(1)
  }

  /** An INTEGER from 0 to 255, such as a version. */
  smallNumber(): number {
    const [value, ...more] = this.unsigned()
    if (value === undefined || more.length > 0) throw new DerError('an INTEGER is too large')
    return value
  }

  octetString(): Uint8Array {
    return this.read(derTags.octetString)
  }

  /** A BIT STRING of whole bytes. */
  bitString(): Uint8Array {
    const content = this.read(derTags.bitString)
    if (content[0] !== 0) throw new DerError('a BIT STRING is not of whole bytes')
    return content.subarray(1)
  }

  /** In dots: `1.2.840.113549.1.1.1`. */
  oid(): string {
    return oidText(this.read(derTags.oid))
  }

  null(): void {
    if (this.read(derTags.null).length > 0) throw new DerError('a NULL has content')
  }

  #next(tag: number): { readonly content: Uint8Array, readonly next: number } {
    const found = this.#bytes[this.#at]
    if (found === undefined) throw new DerError('an element is missing')
    if (found !== tag) throw new DerError('an element has another tag')
    const { length, start } = this.#length(this.#at + 1)
    const next = start + length
    if (next > this.#bytes.length) throw new DerError('an element is longer than what holds it')
    return { content: this.#bytes.subarray(start, next), next }
  }

  #length(at: number): { readonly length: number, readonly start: number } {
    const first = this.#bytes[at]
    if (first === undefined) throw new DerError('a length is missing')
    if (first < 0x80) return { length: first, start: at + 1 }
    const start = at + 1 + (first & 0x7f)
    const bytes = this.#bytes.subarray(at + 1, start)
    const refused = bytes.length === 0 || bytes.length > lengthBytesMax || start > this.#bytes.length || bytes[0] === 0
    const length = refused ? 0 : bytes.reduce((sum, byte) => sum * 256 + byte, 0)
    if (length < 0x80) throw new DerError('a length is not in its shortest form')
    return { length, start }
  }
}

function oidText(content: Uint8Array): string {
  if (content.length > oidBytesMax || (content.at(-1) ?? 0x80) >= 0x80) throw new DerError('an OBJECT IDENTIFIER is broken off or too long')
  const arcs: number[] = []
  let arc = 0
  let fresh = true
  for (const byte of content) {
    if (fresh && byte === 0x80) throw new DerError('an OBJECT IDENTIFIER is not in its shortest form')
    arc = arc * 128 + (byte & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an OBJECT IDENTIFIER has too large a part')
    fresh = byte < 0x80
    if (!fresh) continue
    arcs.push(arc)
    arc = 0
  }
  const [both = 0, ...rest] = arcs
  const top = Math.min(Math.floor(both / 40), 2)
  return [top, both - top * 40, ...rest].join('.')
}

/** An element that is not encoded yet. The bytes in it are only referred to until `encodeDer` copies them. */
export interface DerNode {
  readonly tag: number
  readonly parts: readonly (Uint8Array | DerNode)[]
  /** Of the content, in bytes. */
  readonly length: number
}

export function der(tag: number, ...parts: readonly (Uint8Array | DerNode)[]): DerNode {
  return { tag, parts, length: parts.reduce((sum, part) => sum + encodedLength(part), 0) }
}

export function derSequence(...parts: readonly (Uint8Array | DerNode)[]): DerNode {
  return der(derTags.sequence, ...parts)
}

/** Of a big-endian number that is not negative, leading zeros or not. */
export function derUnsigned(value: Uint8Array | number): DerNode {
  const bytes = typeof value === 'number' ? bytesOf(value) : value
  const first = bytes.findIndex(byte => byte !== 0)
  const magnitude = first < 0 ? bytes.subarray(bytes.length) : bytes.subarray(first)
  const signed = (magnitude[0] ?? 0x80) >= 0x80
  return signed ? der(derTags.integer, Uint8Array.of(0), magnitude) : der(derTags.integer, magnitude)
}

export function derOctetString(...parts: readonly (Uint8Array | DerNode)[]): DerNode {
  return der(derTags.octetString, ...parts)
}

/** Of whole bytes. */
export function derBitString(...parts: readonly (Uint8Array | DerNode)[]): DerNode {
  return der(derTags.bitString, Uint8Array.of(0), ...parts)
}

export function derNull(): DerNode {
  return der(derTags.null)
}

/** From dots: `1.2.840.113549.1.1.1`. */
export function derOid(text: string): DerNode {
  const [top, second, ...rest] = text.split('.').map(Number)
  if (top === undefined || second === undefined) throw new TypeError('an object identifier has two parts at least')
  return der(derTags.oid, Uint8Array.from([top * 40 + second, ...rest].flatMap(base128)))
}

/** Memory of its own, shared with nothing: whoever encodes a secret overwrites it. */
export function encodeDer(node: DerNode): Uint8Array {
  const out = new Uint8Array(encodedLength(node))
  write(node, out, 0)
  return out
}

function write(part: Uint8Array | DerNode, out: Uint8Array, at: number): number {
  if (part instanceof Uint8Array) {
    out.set(part, at)
    return at + part.length
  }
  const head = [part.tag, ...lengthField(part.length)]
  out.set(head, at)
  return part.parts.reduce((next, inner) => write(inner, out, next), at + head.length)
}

function encodedLength(part: Uint8Array | DerNode): number {
  return part instanceof Uint8Array ? part.length : 1 + lengthField(part.length).length + part.length
}

function lengthField(length: number): readonly number[] {
  if (length < 0x80) return [length]
  const bytes = bytesOf(length)
  return [0x80 | bytes.length, ...bytes]
}

/** Big-endian, as short as can be; nothing for 0. */
function bytesOf(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.from(bytes)
}

function base128(arc: number): readonly number[] {
  const bytes = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 | rest % 128)
  return bytes
}
