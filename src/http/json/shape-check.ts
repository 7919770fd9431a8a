import type { Members } from '../../api/shape.js'
import { KmsError } from '../../domain/errors.js'
import { structureCheck, type Check } from './constraints.js'
import { inputReader, type Reader } from './read-json.js'

interface Compiled { readonly read: Reader, readonly check: Check }

const compiled = new WeakMap<Members, Compiled>()

/**
 * JSON to the input that a contract promises its operation. Types come first: a mismatch anywhere is a SerializationException,
 * and only what has the right types is held against lengths, ranges, patterns and enumerations: a ValidationException that lists
 * every fault. Values that are sensitive, blobs and lists are never repeated. The caller owns the bytes of blobs.
 */
export function checkInput(members: Members, json: unknown): unknown {
  return checkConstraints(members, compiledFor(members).read(json))
}

/** The second half of it: of an input whose types are right. */
export function checkConstraints(members: Members, input: unknown): unknown {
  const faults: string[] = []
  compiledFor(members).check(input, '', faults)
  if (faults.length === 0) return input
  const count = `${faults.length} validation error${faults.length > 1 ? 's' : ''}`
  throw new KmsError('ValidationException', `${count} detected: ${faults.join('; ')}`)
}

function compiledFor(members: Members): Compiled {
  const known = compiled.get(members)
  if (known) return known
  const made = { read: inputReader(members), check: structureCheck(members) }
  compiled.set(members, made)
  return made
}
