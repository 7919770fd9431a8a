import type { Members, Shape } from '../../api/shape.js'

export const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/'

/** The answer of an operation (AWS Query protocol): the members that the contract knows and no others. */
export function resultXml(operation: string, members: Members | null, output: unknown, requestId: string): string {
  const result = members ? element(`${operation}Result`, structureXml(members, output ?? {})) : ''
  const metadata = element('ResponseMetadata', element('RequestId', escaped(requestId)))
  return `<${operation}Response xmlns="${namespace}">${result}${metadata}</${operation}Response>`
}

export function errorXml(type: 'Sender' | 'Receiver', code: string, message: string, requestId: string): string {
  const error = element('Type', type) + element('Code', code) + (message === '' ? '' : element('Message', escaped(message)))
  return `<ErrorResponse xmlns="${namespace}">${element('Error', error)}${element('RequestId', escaped(requestId))}</ErrorResponse>`
}

function structureXml(members: Members, value: unknown): string {
  return Object.entries(members).map(([name, shape]) => {
    const member = (value as Readonly<Record<string, unknown>>)[name]
    return member === undefined ? '' : element(name, valueXml(shape, member))
  }).join('')
}

function valueXml(shape: Shape, value: unknown): string {
  switch (shape.type) {
    case 'string': case 'enum': return escaped(value as string)
    case 'integer': case 'boolean': return String(value)
    case 'timestamp': return (value as Date).toISOString().replace('.000Z', 'Z')
    case 'structure': return structureXml(shape.members, value)
    case 'list': return (value as readonly unknown[]).map(item => element('member', valueXml(shape.of, item))).join('')
    case 'blob': case 'map': throw new Error(`no operation of this API answers a ${shape.type}`)
  }
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }
/** What XML 1.0 has no way to write (section 2.2), not even as a reference. Half a surrogate pair is among it. */
const unwritable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu

/** Readers make one character of the ends of lines (section 2.11), so a carriage return is written as a reference. */
export function escaped(text: string): string {
  return text.replace(unwritable, '\ufffd').replace(/[&<>"']/g, character => entities[character] ?? '').replaceAll('\r', '&#xD;')
}
