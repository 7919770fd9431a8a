/** An address as its bytes: 4 of IPv4, 16 of IPv6. One of IPv4 that is written in IPv6 (`::ffff:a.b.c.d`) is one of IPv4. */
export type IpAddress = readonly number[]

export interface IpRange { readonly network: IpAddress, readonly bits: number }

/** RFC 4291 section 2.5.5.2: the first twelve bytes of an IPv4-mapped address. */
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
const octet = /^(0|[1-9][0-9]{0,2})$/
const group = /^[0-9a-fA-F]{1,4}$/

/** undefined for what is no address. Strict: no leading zeros in IPv4, no zone, no brackets. */
export function parseIp(text: string): IpAddress | undefined {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  return bytes?.length === 16 && mappedPrefix.every((byte, at) => bytes[at] === byte) ? bytes.slice(12) : bytes
}

/** An address, or one with `/` and the length of its prefix (RFC 4632); undefined for anything else. */
export function parseIpRange(text: string): IpRange | undefined {
  const [address = '', length, ...rest] = text.split('/')
  const network = parseIp(address)
  if (!network || rest.length > 0) return undefined
  // Of a mapped address the prefix is counted as it is written.
  const written = address.includes(':') ? 128 : 32
  const bits = (length === undefined ? written : octet.test(length) ? Number(length) : NaN) - (written - network.length * 8)
  return bits >= 0 && bits <= network.length * 8 ? { network, bits } : undefined
}

export function isInRange(address: IpAddress, { network, bits }: IpRange): boolean {
  if (address.length !== network.length) return false
  for (let at = 0, left = bits; left > 0; at++, left -= 8) {
    const mask = left >= 8 ? 0xff : (0xff << (8 - left)) & 0xff
    if (((address[at] ?? 0) & mask) !== ((network[at] ?? 0) & mask)) return false
  }
  return true
}

function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every(part => octet.test(part) && Number(part) < 256)) return undefined
  return parts.map(Number)
}

function parseIpv6(text: string): IpAddress | undefined {
  const [left = '', right, ...rest] = text.split('::')
  if (rest.length > 0) return undefined
  const [head, tail] = [groups(left, right === undefined), groups(right ?? '', true)]
  if (!head || !tail) return undefined
  const missing = 16 - head.length - tail.length
  if (right === undefined ? missing !== 0 : missing < 2) return undefined
  return [...head, ...new Array<number>(missing).fill(0), ...tail]
}

/** The last one may be written as IPv4 where `mayEndInIpv4` says so. */
function groups(text: string, mayEndInIpv4: boolean): IpAddress | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const last = parts.at(-1) ?? ''
  const ipv4 = mayEndInIpv4 && last.includes('.') ? parseIpv4(last) : undefined
  const plain = ipv4 ? parts.slice(0, -1) : parts
  if (!plain.every(part => group.test(part))) return undefined
  const bytes: number[] = []
  for (const part of plain) {
    const number = Number.parseInt(part, 16)
    bytes.push(number >> 8, number & 0xff)
  }
  return ipv4 ? [...bytes, ...ipv4] : bytes
}
