import type { Members, Shape } from '../../api/shape.js'

/** Adds a sentence for everything that is wrong with a value of the right type. */
export type Check = (value: unknown, path: string, faults: string[]) => void

/** The most that one answer lists, and the most of a value that it repeats: both end up in the audit log too. */
export const faultsMax = 10
export const echoedCharactersMax = 1024

/**
 * The most that a map holds, far above what an encryption context is for: it is sorted, authenticated and written to the audit log
 * as a whole, and nobody else is served meanwhile. Only the length of the request limits it in the live service.
 */
export const mapPairsMax = 1000
export const mapBytesMax = 64 * 1024

/** The rules of one value that is not a structure; answers those that are broken, in words. */
type Rules = (value: unknown) => readonly string[]

export function structureCheck(members: Members): Check {
  const rows = Object.entries(members).map(([name, shape]) => ({
    name, path: lowerCamel(name), required: shape.required ?? false, check: checkOf(shape),
  }))
  return (value, parent, faults) => {
    for (const { name, path, required, check } of rows) {
      const member = (value as Record<string, unknown>)[name]
      if (member !== undefined) check(member, parent + path, faults)
      else if (required) add(faults, 'null ', parent + path, 'Member must not be null')
    }
  }
}

function checkOf(shape: Shape): Check {
  switch (shape.type) {
    case 'structure': return inside(structureCheck(shape.members))
    case 'list': return listCheck(shape)
    case 'map': return mapCheck(shape)
    case 'string': case 'enum': case 'integer': case 'boolean': case 'blob': case 'timestamp': return scalarCheck(shape)
  }
}

function inside(check: Check): Check {
  return (value, path, faults) => check(value, `${path}.`, faults)
}

function scalarCheck(shape: Shape): Check {
  const rules = rulesOf(shape)
  const hidden = shape.type === 'blob' || ('sensitive' in shape && shape.sensitive === true)
  return (value, path, faults) => {
    for (const rule of rules(value)) add(faults, hidden ? '' : `'${String(value).slice(0, echoedCharactersMax)}' `, path, rule)
  }
}

/** A list is not repeated in the answer: it may be long, and grant tokens are nobody else's business. */
function listCheck(shape: Shape & { type: 'list' }): Check {
  const length = lengthRules(shape, items => (items as readonly unknown[]).length)
  const item = shape.of.type === 'structure' ? structureItems(checkOf(shape.of)) : scalarItems(rulesOf(shape.of))
  return (value, path, faults) => {
    for (const rule of length(value)) add(faults, '', path, rule)
    item(value, path, faults)
  }
}

function structureItems(check: Check): Check {
  return (value, path, faults) => {
    for (const [at, item] of (value as readonly unknown[]).entries()) {
      if (faults.length >= faultsMax) return
      check(item, `${path}.${at + 1}.member`, faults)
    }
  }
}

/** Items that are not structures have no path of their own: the first that breaks a rule speaks for all. */
function scalarItems(rules: Rules): Check {
  return (value, path, faults) => {
    for (const item of value as readonly unknown[]) {
      const broken = rules(item)
      if (broken.length > 0) return add(faults, '', path, `Member must satisfy constraint: [${broken.join(', ')}]`)
    }
  }
}

/**
 * No map of this API constrains its keys or values; a shape that did would be checked by nobody, so it does not compile. A map is
 * not repeated in the answer, for its length.
 */
function mapCheck({ key, value }: Shape & { type: 'map' }): Check {
  for (const shape of [key, value]) {
    if (shape.type !== 'string' || 'min' in shape || 'max' in shape || 'pattern' in shape) {
      throw new Error('constraints in maps are not supported')
    }
  }
  return (map, path, faults) => {
    for (const rule of mapRules(Object.entries(map as Readonly<Record<string, string>>))) add(faults, '', path, rule)
  }
}

function mapRules(pairs: readonly (readonly [string, string])[]): readonly string[] {
  if (pairs.length > mapPairsMax) return [`Member must have length less than or equal to ${mapPairsMax}`]
  const bytes = pairs.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  return bytes > mapBytesMax ? [`Member must have at most ${mapBytesMax} bytes of UTF-8 in its keys and values together`] : []
}

function rulesOf(shape: Shape): Rules {
  switch (shape.type) {
    case 'string': return both(lengthRules(shape, text => characters(text as string)), patternRule(shape.pattern))
    case 'blob': return lengthRules(shape, bytes => (bytes as Uint8Array).length)
    case 'integer': return rangeRules(shape, value => value as number, 'value')
    case 'enum': return enumRule(shape.values)
    case 'boolean': case 'timestamp': return nothing
    case 'list': case 'map': case 'structure': throw new Error(`a ${shape.type} inside a list is not supported here`)
  }
}

const nothing: Rules = () => []

function both(first: Rules, second: Rules): Rules {
  return second === nothing ? first : value => [...first(value), ...second(value)]
}

function lengthRules(shape: { min?: number, max?: number }, measure: (value: unknown) => number): Rules {
  return rangeRules(shape, measure, 'length')
}

function rangeRules({ min, max }: { min?: number, max?: number }, measure: (value: unknown) => number, what: 'value' | 'length'): Rules {
  return value => {
    const measured = measure(value)
    if (max !== undefined && measured > max) return [`Member must have ${what} less than or equal to ${max}`]
    if (min !== undefined && measured < min) return [`Member must have ${what} greater than or equal to ${min}`]
    return []
  }
}

function patternRule(pattern: string | undefined): Rules {
  if (pattern === undefined) return nothing
  const whole = new RegExp(`^(?:${pattern})$`, 'u')
  return text => whole.test(text as string) ? [] : [`Member must satisfy regular expression pattern: ${pattern}`]
}

function enumRule(values: readonly string[]): Rules {
  const known = new Set(values)
  return text => known.has(text as string) ? [] : [`Member must satisfy enum value set: [${values.join(', ')}]`]
}

/** Unicode code points, not UTF-16 units (Smithy, length trait). */
function characters(text: string): number {
  let count = text.length
  for (let at = 0; at < text.length - 1; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xd800) count--
  return count
}

function add(faults: string[], value: string, path: string, rule: string): void {
  if (faults.length < faultsMax) faults.push(`Value ${value}at '${path}' failed to satisfy constraint: ${rule}`)
}

function lowerCamel(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1)
}
