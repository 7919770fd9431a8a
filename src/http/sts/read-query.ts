import { isUtf8 } from 'node:buffer'
import type { Members, Shape } from '../../api/shape.js'
import { KmsError } from '../../domain/errors.js'

/**
 * The parameters of a request as a tree: `Tags.member.1.Key` is the value at Tags, member, 1, Key. Maps all the way, so that no name means
 * anything to JavaScript.
 */
export interface Parameters { readonly value: string | undefined, readonly inner: ReadonlyMap<string, Parameters> }

interface Growing extends Parameters { value: string | undefined, readonly inner: Map<string, Growing> }

/** Fifty tags, as many transitive keys, ten policies and the rest come to 180. */
const parametersMax = 256
/** `Tags.member.1.Key` */
const depthMax = 4
const nameForm = /^[A-Za-z0-9]{1,64}(?:\.[A-Za-z0-9]{1,64})*$/
/** As the model of the API has it: 32 bits. */
const integerForm = /^-?[0-9]{1,10}$/
const positionForm = /^[1-9][0-9]{0,2}$/

/**
 * Reads a form (AWS Query protocol; URL Standard, application/x-www-form-urlencoded), strictly: what is encoded wrongly, comes twice or has
 * a name that cannot be one is a SerializationException, not something near it.
 */
export function parseForm(body: Uint8Array): Parameters {
  if (!isUtf8(body)) throw unreadable('The body is not UTF-8')
  const root = grown()
  if (body.length === 0) return root
  const pairs = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString().split('&', parametersMax + 1)
  if (pairs.length > parametersMax) throw unreadable(`There are more than ${parametersMax} parameters`)
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals))
    if (!nameForm.test(name)) throw unreadable('A parameter has a name that is none')
    add(root, name, equals < 0 ? '' : decoded(pair.slice(equals + 1)))
  }
  return root
}

/** Throws SerializationException. */
function add(root: Growing, name: string, value: string): void {
  const path = name.split('.')
  if (path.length > depthMax) throw unreadable(`The parameter ${name.slice(0, 64)} is nested too deeply`)
  let at = root
  for (const part of path) {
    let next = at.inner.get(part)
    if (!next) at.inner.set(part, next = grown())
    at = next
  }
  if (at.value !== undefined) throw unreadable(`The parameter ${name} is there twice`)
  at.value = value
}

function grown(): Growing {
  return { value: undefined, inner: new Map() }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw unreadable('A parameter is not encoded as it should be')
  }
}

/** Not the members of any operation: they say which one is asked for. */
const ofProtocol = ['Action', 'Version']

/**
 * The members of an operation. What the operation has no member for is refused: a misspelt `Policy` must not make a session that may do
 * more. Defaults are filled in.
 */
export function readMembers(members: Members, { inner }: Parameters): Record<string, unknown> {
  const rest = new Map(inner)
  for (const name of ofProtocol) rest.delete(name)
  return readStructure(members, rest, '')
}

function readStructure(members: Members, inner: ReadonlyMap<string, Parameters>, at: string): Record<string, unknown> {
  for (const name of inner.keys()) {
    if (!Object.hasOwn(members, name)) throw unreadable(`There is no parameter ${at}${name}`)
  }
  const structure: Record<string, unknown> = {}
  for (const [name, shape] of Object.entries(members)) {
    const parameters = inner.get(name)
    const value = parameters ? readValue(shape, parameters, at + name) : 'default' in shape ? shape.default : undefined
    if (value !== undefined) structure[name] = value
  }
  return structure
}

function readValue(shape: Shape, parameters: Parameters, at: string): unknown {
  switch (shape.type) {
    case 'string': case 'enum': return scalar(parameters, at)
    case 'integer': return readInteger(scalar(parameters, at), at)
    case 'structure': return readStructure(shape.members, innerOf(parameters, at), `${at}.`)
    case 'list': return readList(shape.of, parameters, at)
    case 'boolean': case 'blob': case 'timestamp': case 'map': throw new Error(`no operation of this API has a ${shape.type}`)
  }
}

/** `Name.member.1` and so on without a gap; `Name=` for a list of nothing, as the SDKs write it. */
function readList(of: Shape, parameters: Parameters, at: string): readonly unknown[] {
  if (parameters.value === '' && parameters.inner.size === 0) return []
  const inner = innerOf(parameters, at)
  const items = inner.get('member')
  if (!items || inner.size > 1) throw unreadable(`${at} must be a list: ${at}.member.1`)
  const numbered = [...innerOf(items, `${at}.member`)]
  const list: unknown[] = []
  for (const [position, item] of numbered) {
    if (!positionForm.test(position)) throw unreadable(`${at}.member.${position} is no member of a list`)
    list[Number(position) - 1] = readValue(of, item, `${at}.member.${position}`)
  }
  if (list.length > numbered.length) throw unreadable(`Members of ${at} are missing`)
  return list
}

function readInteger(text: string, at: string): number {
  const value = integerForm.test(text) ? Number(text) : NaN
  if (value !== (value | 0)) throw unreadable(`${at} must be a number`)
  return value
}

function scalar({ value, inner }: Parameters, at: string): string {
  if (value === undefined || inner.size > 0) throw unreadable(`${at} must be a single value`)
  return value
}

function innerOf({ value, inner }: Parameters, at: string): ReadonlyMap<string, Parameters> {
  if (value !== undefined) throw unreadable(`${at} cannot be a single value`)
  return inner
}

function unreadable(message: string): KmsError {
  return new KmsError('SerializationException', message)
}
