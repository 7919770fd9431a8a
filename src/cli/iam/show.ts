import type { Members, Shape } from '../../api/shape.js'
import { table } from '../output.js'

type Structure = Readonly<Record<string, unknown>>

/** The lines of an answer for a reader: tables of lists, and names beside values of everything else. */
export function shown(members: Members, value: unknown): readonly string[] {
  const entries = Object.entries(members).filter(([name]) => name !== 'IsTruncated' && name !== 'Marker')
  const [first] = entries
  // An answer that is one thing needs no heading.
  if (entries.length === 1 && first) {
    const [name, shape] = first
    const inner = (value as Structure)[name]
    if (shape.type === 'structure') return record(shape.members, (inner ?? {}) as Structure)
    if (shape.type === 'list' && shape.of.type === 'structure') return rows(shape.of.members, (inner ?? []) as readonly Structure[])
  }
  return record(Object.fromEntries(entries), value as Structure)
}

function record(members: Members, value: Structure): readonly string[] {
  const scalars = flatScalars(members, value)
  const nested = Object.entries(members).flatMap(([name, shape]) => nestedLines(name, shape, value[name]))
  return [...scalars.length > 0 ? table(scalars) : [], ...nested]
}

/** Scalars and lists of them; those of a structure in here behind its name. */
function flatScalars(members: Members, value: Structure): readonly (readonly [string, string])[] {
  return Object.entries(members).flatMap(([name, shape]): readonly (readonly [string, string])[] => {
    const inner = value[name]
    if (inner === undefined || isDocument(name) || (Array.isArray(inner) && inner.length === 0)) return []
    if (shape.type === 'structure') return flatScalars(shape.members, inner as Structure)
    if (isTags(shape)) return [[name, tagsText(inner as readonly Structure[])]]
    if (shape.type === 'list' && shape.of.type === 'structure') return []
    return [[name, cell(inner)]]
  })
}

function nestedLines(name: string, shape: Shape, value: unknown): readonly string[] {
  if (value === undefined || isTags(shape)) return []
  if (isDocument(name)) return ['', `${name}:`, ...indented(documentLines(value as string))]
  if (shape.type === 'structure') {
    return Object.entries(shape.members).flatMap(([member, of]) => nestedLines(member, of, (value as Structure)[member]))
  }
  if (shape.type !== 'list' || shape.of.type !== 'structure') return []
  const items = value as readonly Structure[]
  return items.length > 0 ? ['', `${name}:`, ...indented(listLines(shape.of.members, items))] : []
}

/** A list whose items hold more than cells has them one below the other. */
function listLines(members: Members, items: readonly Structure[]): readonly string[] {
  const isFlat = Object.entries(members).every(([name, shape]) => !isDocument(name) && (shape.type !== 'list' || isTags(shape)))
  if (isFlat) return rows(members, items)
  return items.flatMap((item, at) => [...at > 0 ? [''] : [], ...record(members, item)])
}

function rows(members: Members, items: readonly Structure[]): readonly string[] {
  const lines = items.map(item => new Map(flatScalars(members, item)))
  const names = columnNames(members).filter(name => lines.some(line => line.has(name)))
  const columns = names.length > 0 ? names : columnNames(members)
  return table([columns.map(heading), ...lines.map(line => columns.map(name => line.get(name) ?? ''))])
}

function columnNames(members: Members): readonly string[] {
  return Object.entries(members).flatMap(([name, shape]) => {
    if (isDocument(name)) return []
    if (shape.type === 'structure') return columnNames(shape.members)
    return shape.type === 'list' && shape.of.type === 'structure' && !isTags(shape) ? [] : [name]
  })
}

/** `UserName` as `USER NAME`. */
function heading(name: string): string {
  return name.replace(/(?<=[a-z0-9])[A-Z]/g, ' $&').toUpperCase()
}

function isDocument(name: string): boolean {
  return name.endsWith('Document')
}

function isTags(shape: Shape): boolean {
  return shape.type === 'list' && shape.of.type === 'structure' && 'Key' in shape.of.members && 'Value' in shape.of.members
}

function tagsText(tags: readonly Structure[]): string {
  return tags.map(({ Key, Value }) => `${String(Key)}=${String(Value)}`).join(' ')
}

function cell(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return Array.isArray(value) ? value.map(cell).join(', ') : String(value)
}

function documentLines(text: string): readonly string[] {
  try {
    return JSON.stringify(JSON.parse(text), null, 2).split('\n')
  } catch {
    return [text]
  }
}

export function indented(lines: readonly string[]): readonly string[] {
  return lines.map(line => line === '' ? '' : `  ${line}`)
}
