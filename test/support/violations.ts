import type { Contract, Members, Shape } from '../../src/api/shape.js'
import { sampleInput, sampleOf } from './samples.js'

/** One way to break the contract of an operation, and how AWS KMS answers it (front end of the AWS JSON services). */
export interface Violation {
  readonly what: string
  readonly input: unknown
  readonly code: 'SerializationException' | 'ValidationException'
  /** undefined: the error comes without a message. */
  readonly message: string | undefined
}

type Scalar = Exclude<Shape, { type: 'list' | 'map' | 'structure' }>
type Put = (value: unknown) => unknown

/** Where a value is: its path in messages, and how it gets into an input that is right otherwise. */
interface Place { readonly name: string, readonly path: string, readonly put: Put }

/** Every member of the input, nested ones too, broken in every way that its shape has, one at a time. */
export function violationsOf({ name, input }: Contract): readonly Violation[] {
  const valid = sampleInput(name, input)
  return [...unreadable(), ...ofMembers(input, { name: '', path: '', put: value => ({ ...valid, ...value as object }) })]
}

/** What is not a JSON object is not read at all. */
function unreadable(): readonly Violation[] {
  return ['', '{', 'null', '[]', '"text"', '1', 'true', '{"KeyId":"a",}', '\u00ff{}'].map(input =>
    ({ what: `body ${input}`, input, code: 'SerializationException', message: undefined }))
}

function ofMembers(members: Members, at: Place): readonly Violation[] {
  return Object.entries(members).flatMap(([name, shape]) => {
    const lower = name.charAt(0).toLowerCase() + name.slice(1)
    const place = { name: `${at.name}${name}`, path: at.path + lower, put: (value: unknown) => at.put({ [name]: value }) }
    return [...shape.required ? missing(place) : [], ...ofShape(shape, place)]
  })
}

function missing({ name, path, put }: Place): readonly Violation[] {
  const message = listed([`Value null at '${path}' failed to satisfy constraint: Member must not be null`])
  return [undefined, null].map(value => ({ what: `${name} ${value}`, input: put(value), code: 'ValidationException', message }))
}

function ofShape(shape: Shape, place: Place): readonly Violation[] {
  return [...wrongTypes(shape, place), ...ofContent(shape, place)]
}

function ofContent(shape: Shape, place: Place): readonly Violation[] {
  const { name, path, put } = place
  switch (shape.type) {
    case 'structure': {
      const valid = sampleOf(shape) as object
      return ofMembers(shape.members, { name: `${name}.`, path: `${path}.`, put: value => put({ ...valid, ...value as object }) })
    }
    case 'list': return [...wrongLengths(shape, place), ...ofItems(shape.of, place)]
    case 'map': return [...wrongTypes(shape.value, inMap(place)), nullIn(inMap(place))]
    case 'string': case 'enum': case 'integer': case 'boolean': case 'blob': case 'timestamp': return wrongValues(shape, place)
  }
}

function inMap({ name, path, put }: Place): Place {
  return { name: `${name}{}`, path, put: value => put({ good: 'value', bad: value }) }
}

/** The second is wrong, so that its index shows. Scalars in lists have no path of their own. */
function ofItems(of: Shape, { name, path, put }: Place): readonly Violation[] {
  const item = { name: `${name}[]`, path: `${path}.2.member`, put: (value: unknown) => put([sampleOf(of), value]) }
  if (of.type === 'structure') return [nullIn(item), ...ofShape(of, item)]
  return [nullIn(item), ...wrongTypes(of, item), ...wrongScalars(of as Scalar).map(value => ({
    what: `${item.name} ${shown(value)}`, input: item.put(value), code: 'ValidationException' as const,
    message: listed([`Value at '${path}' failed to satisfy constraint: Member must satisfy constraint: `
      + `[${broken(of as Scalar, value).join(', ')}]`]),
  }))]
}

function nullIn({ name, put }: Place): Violation {
  return { what: `${name} null`, input: put(null), code: 'SerializationException', message: 'NULL_VALUE found where not expected' }
}

function wrongLengths({ of, min = 0, max }: Shape & { type: 'list' }, { name, path, put }: Place): readonly Violation[] {
  const lengths = [...min > 0 ? [min - 1] : [], ...max === undefined ? [] : [max + 1]]
  return lengths.map(length => ({
    what: `${name} of ${length}`, input: put(Array.from({ length }, () => sampleOf(of))), code: 'ValidationException',
    message: listed([`Value at '${path}' failed to satisfy constraint: ${rangeRule('length', length, { min, max })}`]),
  }))
}

function wrongValues(shape: Scalar, { name, path, put }: Place): readonly Violation[] {
  const hidden = shape.type === 'blob' || ('sensitive' in shape && shape.sensitive === true)
  return wrongScalars(shape).map(value => {
    const told = hidden ? '' : `'${String(value).slice(0, 1024)}' `
    const faults = broken(shape, value).map(rule => `Value ${told}at '${path}' failed to satisfy constraint: ${rule}`)
    return { what: `${name} ${shown(value)}`, input: put(value), code: 'ValidationException', message: listed(faults) }
  })
}

const oddCharacters = ['\u0001', '~', ' ', '\u00e4', '\u03a9', '!']

/** Values of the right JSON type that break a rule, on the wire. */
function wrongScalars(shape: Scalar): readonly unknown[] {
  switch (shape.type) {
    case 'enum': return ['', 'NO_SUCH_VALUE', shape.values[0]?.toLowerCase()]
    case 'integer': return outside(shape)
    case 'blob': return outside(shape).map(length => Buffer.alloc(length).toString('base64'))
    case 'string': {
      const texts = outside(shape).map(length => textOf(shape, length))
      return [...texts, ...shape.pattern === undefined ? [] : [mismatching(shape)]]
    }
    case 'boolean': case 'timestamp': return []
  }
}

function outside({ min, max }: { min?: number, max?: number }): readonly number[] {
  return [...min === undefined || min === 0 ? [] : [min - 1], ...max === undefined ? [] : [max + 1]]
}

/** Of that length, and matching the pattern if one that long can. */
function textOf(shape: Scalar & { type: 'string' }, length: number): string {
  const sample = String(sampleOf(shape))
  const candidates = ['a', 'A', '1'].map(character => sample.slice(0, length).padEnd(length, character))
  const ofPattern = { type: 'string', ...shape.pattern !== undefined && { pattern: shape.pattern } } as const
  return candidates.find(text => broken(ofPattern, text).length === 0) ?? candidates[0] ?? ''
}

/** Of a good length, with a character that the pattern has not. */
function mismatching(shape: Scalar & { type: 'string' }): string {
  const length = Math.max(1, String(sampleOf(shape)).length)
  const found = oddCharacters.map(character => character.repeat(length)).find(text => broken(shape, text).length > 0)
  if (found === undefined) throw new Error(`no text breaks ${shape.pattern ?? ''}`)
  return found
}

/** The rules that a value of the right type breaks: written from the documentation, not from the server. */
export function broken(shape: Scalar, value: unknown): readonly string[] {
  switch (shape.type) {
    case 'enum': return shape.values.includes(value as string) ? [] : [`Member must satisfy enum value set: [${shape.values.join(', ')}]`]
    case 'integer': return rules('value', value as number, shape)
    case 'blob': return rules('length', Buffer.from(value as string, 'base64').length, shape)
    case 'string': {
      const { pattern } = shape
      const matches = pattern === undefined || new RegExp(`^(?:${pattern})$`, 'u').test(value as string)
      return [...rules('length', [...value as string].length, shape),
        ...matches ? [] : [`Member must satisfy regular expression pattern: ${pattern}`]]
    }
    case 'boolean': case 'timestamp': return []
  }
}

interface Range { readonly min?: number | undefined, readonly max?: number | undefined }

function rules(what: 'value' | 'length', measured: number, range: Range): readonly string[] {
  const { min = -Infinity, max = Infinity } = range
  return measured < min || measured > max ? [rangeRule(what, measured, range)] : []
}

function rangeRule(what: 'value' | 'length', measured: number, { min, max = Infinity }: Range): string {
  return `Member must have ${what} ${measured > max ? `less than or equal to ${max}` : `greater than or equal to ${min ?? 0}`}`
}

function listed(faults: readonly string[]): string {
  return `${faults.length} validation error${faults.length === 1 ? '' : 's'} detected: ${faults.join('; ')}`
}

const startOfList = 'Start of list found where not expected'
const startOfStructure = 'Start of structure or map found where not expected.'
/** One value of every JSON type but null, which is as good as absent. */
const jsonValues: readonly unknown[] = ['a text', 1, true, false, ['a'], { a: 'b' }]
const targets = {
  string: 'a String', enum: 'a String', integer: 'an Integer', boolean: 'a Boolean', blob: 'a Blob', timestamp: 'milliseconds since epoch',
} as const
const jsonTypes = {
  string: 'string', enum: 'string', blob: 'string', integer: 'number', timestamp: 'number', boolean: 'boolean', list: 'list', map: 'object',
  structure: 'object',
} as const

function wrongTypes(shape: Shape, { name, put }: Place): readonly Violation[] {
  const values = jsonValues.filter(value => jsonType(value) !== jsonTypes[shape.type])
  const mismatches = values.map(value => ({ value, message: mismatchOf(shape, value) }))
  return [...mismatches, ...unconvertible(shape)].map(({ value, message }) =>
    ({ what: `${name} ${shown(value)}`, input: put(value), code: 'SerializationException', message }))
}

/** Of the right JSON type, and yet not what it stands for. */
function unconvertible({ type }: Shape): readonly { value: unknown, message: string }[] {
  const values = misfits[type] ?? []
  if (type === 'string' || type === 'enum') return values.map(value => ({ value, message: 'STRING_VALUE is not well-formed Unicode' }))
  return values.map(value => ({ value, message: mismatchOf({ type } as Shape, value) }))
}

const misfits: Readonly<Partial<Record<Shape['type'], readonly unknown[]>>> = {
  blob: ['a', 'AQ', 'A Q=', '!AQI', 'AR=='], integer: [2 ** 31, -(2 ** 31) - 1, 1e300], timestamp: [1e300],
  string: ['\ud800'], enum: ['\udc00'],
}

function mismatchOf({ type }: Shape, value: unknown): string {
  const found = jsonType(value)
  if (type === 'list') return found === 'object' ? startOfStructure : 'Expected list or null'
  if (type === 'map' || type === 'structure') return found === 'list' ? startOfList : 'Expected null'
  if (found === 'list') return startOfList
  if (found === 'object') return startOfStructure
  const token = found === 'boolean' ? String(value).toUpperCase() : found.toUpperCase()
  return `${token}_VALUE can not be converted to ${targets[type]}`
}

function jsonType(value: unknown): 'string' | 'number' | 'boolean' | 'list' | 'object' {
  if (Array.isArray(value)) return 'list'
  return typeof value as 'string' | 'number' | 'boolean' | 'object'
}

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 40 ? `${text.slice(0, 40)}…(${text.length})` : text
}
