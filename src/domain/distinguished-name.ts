import { DerError, DerReader, derTags } from './der.js'

/*
 * Distinguished names (RFC 5280 section 4.1.2.4), and their texts in the manner of RFC 4514, but in the order in which the attributes stand
 * in the certificate. Two names are the same if every attribute is, to the letter: nothing is folded or normalised, so that none passes for
 * another.
 */

export interface NameAttribute {
  /** `CN`, or the object identifier of a type that the table has not. */
  readonly type: string
  readonly value: string
}

/** Its parts in order. Each has one attribute as a rule; one that has several is never the same as a configured one. */
export type DistinguishedName = readonly (readonly NameAttribute[])[]

/** RFC 4514 section 3, and two that OpenSSL writes so (RFC 4519, RFC 2985). */
const types: Readonly<Record<string, string>> = {
  CN: '2.5.4.3', C: '2.5.4.6', L: '2.5.4.7', ST: '2.5.4.8', STREET: '2.5.4.9', O: '2.5.4.10', OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25', UID: '0.9.2342.19200300.100.1.1',
  SERIALNUMBER: '2.5.4.5', EMAILADDRESS: '1.2.840.113549.1.9.1',
}
const typeByOid = new Map(Object.entries(types).map(([type, oid]) => [oid, type]))
const attributeForm = /^([A-Za-z]+)=/
const special = '"+,;<>\\'
const control = /[\u0000-\u001f\u007f-\u009f]/
/** String types that have one meaning each (X.690 section 8.23); T61, BMP and Universal strings are read differently by everybody. */
const strings: ReadonlyMap<number, RegExp | undefined> = new Map([
  [0x0c, undefined], [0x13, /^[A-Za-z0-9 '()+,\-./:=?]*$/], [0x16, /^[\u0020-\u007e]*$/],
])

/** undefined for a text that is not wholly one. `CN=backup,O=Example`: no space around the comma, no `+`, no quotes, no `#`. */
export function parseName(text: string): DistinguishedName | undefined {
  const parts: NameAttribute[][] = []
  let rest = text
  for (;;) {
    const [head, written = ''] = attributeForm.exec(rest) ?? []
    const type = written.toUpperCase()
    if (head === undefined || !Object.hasOwn(types, type)) return undefined
    const found = value(rest.slice(head.length))
    if (!found) return undefined
    parts.push([{ type, value: found.value }])
    if (found.rest === '') return parts
    rest = found.rest.slice(1)
  }
}

/** The value at the beginning, and what follows it: nothing, or a comma and more. */
function value(text: string): { readonly value: string, readonly rest: string } | undefined {
  const bytes: number[] = []
  let at = 0
  for (; at < text.length && text[at] !== ','; at++) {
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
    const escaped = character === '\\' ? escape(text.slice(at + 1)) : undefined
    if (escaped) {
      bytes.push(escaped.byte)
      at += escaped.length
      continue
    }
    const isOutside = at === 0 || at + 1 === text.length || text[at + 1] === ','
    if (special.includes(character) || (at === 0 && character === '#') || (isOutside && character === ' ')) return undefined
    bytes.push(...Buffer.from(character))
    at += character.length - 1
  }
  const decoded = utf8(Uint8Array.from(bytes))
  return decoded === undefined || decoded === '' || control.test(decoded) ? undefined : { value: decoded, rest: text.slice(at) }
}

function escape(text: string): { readonly byte: number, readonly length: number } | undefined {
  const character = text.charAt(0)
  if (character !== '' && `${special} #=`.includes(character)) return { byte: character.charCodeAt(0), length: 1 }
  const [digits] = /^[0-9a-fA-F]{2}/.exec(text) ?? []
  return digits === undefined ? undefined : { byte: Number.parseInt(digits, 16), length: 2 }
}

/** Of a Name in DER. Throws DerError for one that cannot be read, or that holds what no text can say. */
export function readName(der: Uint8Array): DistinguishedName {
  const reader = DerReader.only(der)
  const parts: NameAttribute[][] = []
  while (!reader.done) {
    const part = reader.enter(derTags.set)
    const attributes: NameAttribute[] = []
    while (!part.done) attributes.push(attribute(part.enter()))
    parts.push(attributes)
  }
  return parts
}

function attribute(reader: DerReader): NameAttribute {
  const oid = reader.oid()
  const tag = reader.tag ?? 0
  if (!strings.has(tag)) throw new DerError('a name has an attribute of another string type')
  const text = utf8(reader.read(tag))
  reader.end()
  if (text === undefined || control.test(text) || strings.get(tag)?.test(text) === false) {
    throw new DerError('an attribute of a name has characters that it may not have')
  }
  return { type: typeByOid.get(oid) ?? oid, value: text }
}

export function isSameName(one: DistinguishedName, other: DistinguishedName): boolean {
  return one.length === other.length && one.every((part, at) => isSamePart(part, other[at] ?? []))
}

function isSamePart(one: readonly NameAttribute[], other: readonly NameAttribute[]): boolean {
  const [own, others] = [one[0], other[0]]
  return one.length === 1 && other.length === 1 && own?.type === others?.type && own?.value === others?.value
}

/** As `parseName` takes it, where it has one attribute per part. */
export function textOfName(name: DistinguishedName): string {
  return name.map(part => part.map(({ type, value: text }) => `${type}=${escaped(text)}`).join('+')).join(',')
}

function escaped(text: string): string {
  return text.replace(/["+,;<>\\]|^[ #]| $/g, '\\$&')
}

/** A byte order mark is a character as good as any: left out, it would make two names one. */
function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
