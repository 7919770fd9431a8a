import type { Members, Shape } from '../../api/shape.js'

/** A value to what JSON.stringify can write; undefined leaves the member out. */
type Writer = (value: unknown) => unknown

const compiled = new WeakMap<Members, Writer>()

/**
 * The body of a successful answer: the members that the contract knows and no others, bytes as base64, times as epoch seconds
 * with up to 3 decimals; nothing at all for a contract without output. Takes over the blobs of `output`: the sensitive ones are
 * overwritten here, because nobody after this has a use for them.
 */
export function encodeOutput(members: Members | null, output: unknown): string {
  if (!members) return ''
  let write = compiled.get(members)
  if (!write) compiled.set(members, write = structureWriter(members))
  return JSON.stringify(write(output ?? {}))
}

function writerOf(shape: Shape): Writer {
  switch (shape.type) {
    case 'blob': return shape.sensitive ? writeAndWipe : writeBlob
    case 'timestamp': return value => (value as Date).getTime() / 1000
    case 'list': return listWriter(shape.of)
    case 'structure': return structureWriter(shape.members)
    case 'string': case 'enum': case 'integer': case 'boolean': case 'map': return value => value
  }
}

function structureWriter(members: Members): Writer {
  const rows = Object.entries(members).map(([name, shape]) => ({ name, write: writerOf(shape) }))
  return value => {
    const json: Record<string, unknown> = {}
    for (const { name, write } of rows) {
      const member = (value as Record<string, unknown>)[name]
      if (member !== undefined) json[name] = write(member)
    }
    return json
  }
}

function listWriter(of: Shape): Writer {
  const write = writerOf(of)
  return value => (value as readonly unknown[]).map(write)
}

function writeBlob(value: unknown): string {
  const { buffer, byteOffset, byteLength } = value as Uint8Array
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}

function writeAndWipe(value: unknown): string {
  const text = writeBlob(value)
  ;(value as Uint8Array).fill(0)
  return text
}
