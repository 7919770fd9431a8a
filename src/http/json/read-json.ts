import { isUtf8 } from 'node:buffer'
import type { Members, Shape } from '../../api/shape.js'
import { KmsError } from '../../domain/errors.js'

/** Turns a JSON value into what its shape promises, or throws SerializationException with the text of the live service. */
export type Reader = (json: unknown) => unknown

/**
 * The body as JSON. Bytes that are not UTF-8 are refused instead of replaced: two different encryption contexts must never be read
 * as the same one. No text in the error: the parser's own repeats the input.
 */
export function parseJson(body: Uint8Array): unknown {
  if (!isUtf8(body)) throw unreadable()
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) as unknown
  } catch {
    throw unreadable()
  }
}

export function readerOf(shape: Shape): Reader {
  switch (shape.type) {
    case 'string': case 'enum': return readString
    case 'integer': return readInteger
    case 'boolean': return readBoolean
    case 'blob': return readBlob
    case 'timestamp': return readTimestamp
    case 'list': return listReader(shape.of)
    case 'map': return mapReader(shape.key, shape.value)
    case 'structure': return structureReader(shape.members)
  }
}

/** Members that are not in the shape are ignored; null is as good as absent; defaults are filled in. */
export function structureReader(members: Members): Reader {
  const rows = Object.entries(members).map(([name, shape]) => ({
    name, read: readerOf(shape), otherwise: 'default' in shape ? shape.default : undefined,
  }))
  return json => {
    if (!isObject(json)) throw new KmsError('SerializationException', Array.isArray(json) ? startOfList : 'Expected null')
    const structure: Record<string, unknown> = {}
    for (const { name, read, otherwise } of rows) {
      const member = json[name]
      const value = member === undefined || member === null ? otherwise : read(member)
      if (value !== undefined) structure[name] = value
    }
    return structure
  }
}

/** The whole input. What is not an object at all is unreadable rather than a mismatch. */
export function inputReader(members: Members): Reader {
  const read = structureReader(members)
  return json => {
    if (!isObject(json)) throw unreadable()
    return read(json)
  }
}

function listReader(of: Shape): Reader {
  const read = readerOf(of)
  return json => {
    if (!Array.isArray(json)) throw new KmsError('SerializationException', isObject(json) ? startOfStructure : 'Expected list or null')
    return json.map((item: unknown) => read(notNull(item)))
  }
}

/**
 * An object with a property for every pair, whatever its name: JSON.parse and Object.fromEntries define properties, they do not assign
 * them, so that `__proto__` is a key like any other. A null is refused, not dropped: less would be authenticated than was asked for.
 */
function mapReader(key: Shape, value: Shape): Reader {
  const [readKey, readValue] = [readerOf(key), readerOf(value)]
  return json => {
    if (!isObject(json)) throw new KmsError('SerializationException', Array.isArray(json) ? startOfList : 'Expected null')
    return Object.fromEntries(Object.entries(json).map(([name, item]) => [readKey(name) as string, readValue(notNull(item))]))
  }
}

const startOfList = 'Start of list found where not expected'
const startOfStructure = 'Start of structure or map found where not expected.'
const loneSurrogate = /\p{Surrogate}/u

/** Half a surrogate pair has no UTF-8: it would be written as U+FFFD, like every other half. */
function readString(json: unknown): string {
  if (typeof json !== 'string') throw mismatch(json, 'a String')
  if (loneSurrogate.test(json)) throw new KmsError('SerializationException', 'STRING_VALUE is not well-formed Unicode')
  return json
}

/** 32 bits, as the model says. A fraction is cut off. */
function readInteger(json: unknown): number {
  if (typeof json !== 'number') throw mismatch(json, 'an Integer')
  const value = Math.trunc(json)
  if (value !== (value | 0)) throw mismatch(json, 'an Integer')
  return value | 0
}

function readBoolean(json: unknown): boolean {
  if (typeof json !== 'boolean') throw mismatch(json, 'a Boolean')
  return json
}

/** Standard base64 in its one canonical form: what Buffer skips or guesses does not survive the way back. */
function readBlob(json: unknown): Uint8Array {
  if (typeof json !== 'string') throw mismatch(json, 'a Blob')
  const bytes = Buffer.from(json, 'base64')
  if (bytes.toString('base64') === json) return bytes
  bytes.fill(0)
  throw mismatch(json, 'a Blob')
}

/** The furthest that a Date can hold (ECMAScript, Time Values). */
const timeMaxMs = 8.64e15

function readTimestamp(json: unknown): Date {
  if (typeof json !== 'number') throw mismatch(json, 'milliseconds since epoch')
  const time = Math.round(json * 1000)
  if (Math.abs(time) > timeMaxMs) throw mismatch(json, 'milliseconds since epoch')
  return new Date(time)
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function notNull(json: unknown): unknown {
  if (json === null) throw new KmsError('SerializationException', 'NULL_VALUE found where not expected')
  return json
}

function mismatch(json: unknown, wanted: string): KmsError {
  if (Array.isArray(json)) return new KmsError('SerializationException', startOfList)
  if (typeof json === 'object') return new KmsError('SerializationException', startOfStructure)
  const token = typeof json === 'boolean' ? `${json ? 'TRUE' : 'FALSE'}_VALUE` : `${(typeof json).toUpperCase()}_VALUE`
  return new KmsError('SerializationException', `${token} can not be converted to ${wanted}`)
}

function unreadable(): KmsError {
  return new KmsError('SerializationException')
}
