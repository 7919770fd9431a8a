import { createHash } from 'node:crypto'
import type { Members, Shape } from '../../api/shape.js'

/**
 * The members of a call as JSON and back, by their shapes: as they stand on the wire (bytes in base64, times in epoch seconds), but sorted
 * by name, so that the same call is the same text. Only for contracts without sensitive members.
 */
export function inputText(members: Members, input: unknown): string {
  return JSON.stringify(writeStructure(members, input))
}

export function inputOf(members: Members, text: string): unknown {
  return readStructure(members, JSON.parse(text))
}

export function hashOfInput(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

type Structure = Readonly<Record<string, unknown>>
type Turning = (shape: Shape, value: unknown) => unknown

function writeStructure(members: Members, value: unknown): Structure {
  return eachMember(members, value, Object.keys(members).sort(), write)
}

function readStructure(members: Members, value: unknown): Structure {
  return eachMember(members, value, Object.keys(members), read)
}

/** Own properties, so that nothing is taken for a member that a prototype has. */
function eachMember(members: Members, value: unknown, names: readonly string[], turn: Turning): Structure {
  const structure = value as Structure
  return Object.fromEntries(names.flatMap(name => {
    const shape = members[name]
    const member = Object.hasOwn(structure, name) ? structure[name] : undefined
    return shape === undefined || member === undefined ? [] : [[name, turn(shape, member)] as const]
  }))
}

function write(shape: Shape, value: unknown): unknown {
  switch (shape.type) {
    case 'blob': return Buffer.from(value as Uint8Array).toString('base64')
    case 'timestamp': return (value as Date).getTime() / 1_000
    case 'list': return (value as readonly unknown[]).map(item => write(shape.of, item))
    case 'map': return Object.fromEntries(Object.entries(value as Structure).sort(([a], [b]) => (a < b ? -1 : 1)))
    case 'structure': return writeStructure(shape.members, value)
    case 'string': case 'enum': case 'integer': case 'boolean': return value
  }
}

function read(shape: Shape, value: unknown): unknown {
  switch (shape.type) {
    case 'blob': return new Uint8Array(Buffer.from(value as string, 'base64'))
    case 'timestamp': return new Date(Math.round(value as number * 1_000))
    case 'list': return (value as readonly unknown[]).map(item => read(shape.of, item))
    case 'structure': return readStructure(shape.members, value)
    case 'map': case 'string': case 'enum': case 'integer': case 'boolean': return value
  }
}
