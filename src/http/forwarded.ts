import { isInRange, parseIp, type IpAddress, type IpRange } from '../domain/ip.js'

/** Who is at the other end of a connection; the same for all its requests. */
export interface Peer {
  readonly sourceIp: string
  readonly encrypted: boolean
  /** Whether it is a proxy whose word is taken. */
  readonly isTrusted: boolean
}

/** Where a request came from. */
export interface Source {
  readonly sourceIp: string
  /** Whether it came over TLS, as far as that can be known. */
  readonly secure: boolean
  /** A proxy brought it: what is known of the connection is known of the proxy. */
  readonly forwarded: boolean
}

/** Proxies one behind the other that a request is followed back through. */
export const proxiesMax = 16
/** The longest IPv6 address with brackets and a port has 53. */
const entryCharactersMax = 64

export function peerOf(remoteAddress: string, encrypted: boolean, trusted: readonly IpRange[]): Peer {
  const address = parseIp(remoteAddress)
  if (!address) return { sourceIp: remoteAddress, encrypted, isTrusted: false }
  return { sourceIp: textOf(address, remoteAddress), encrypted, isTrusted: isTrusted(address, trusted) }
}

/**
 * Where a request came from: its peer, or, if that is a trusted proxy, whom the proxy names. `X-Forwarded-For` is read from the right,
 * where each proxy adds whom it had the request from: past trusted proxies to the first other. What stands left of that is its client's
 * word and is not looked at. After an entry that is no address, or too many proxies, the peer's own address stays; a scheme that is not
 * `https` throughout, or is missing, is not TLS. Whoever is no trusted proxy may send whatever headers it likes.
 */
export function sourceOf(peer: Peer, headers: ReadonlyMap<string, string>, trusted: readonly IpRange[]): Source {
  const { sourceIp, encrypted: secure } = peer
  if (!peer.isTrusted) return { sourceIp, secure, forwarded: false }
  const [chain, schemes] = [headers.get('x-forwarded-for'), headers.get('x-forwarded-proto')]
  if (chain === undefined && schemes === undefined) return { sourceIp, secure, forwarded: false }
  return { sourceIp: clientIn(chain ?? '', trusted) ?? sourceIp, secure: isHttps(schemes ?? ''), forwarded: true }
}

function clientIn(chain: string, trusted: readonly IpRange[]): string | undefined {
  const entries = chain.split(',')
  const nearest = entries.slice(-proxiesMax).reverse()
  for (const entry of nearest) {
    const text = addressIn(entry)
    const address = parseIp(text)
    if (!address) return undefined
    if (!isTrusted(address, trusted)) return textOf(address, text)
  }
  // Nobody but proxies: the farthest of them is where it began.
  const farthest = addressIn(entries[0] ?? '')
  return entries.length > proxiesMax ? undefined : textOf(parseIp(farthest) ?? [], farthest)
}

/** An entry without the port that some proxies add, and without the brackets that an IPv6 address then has. */
function addressIn(entry: string): string {
  const text = entry.trim()
  if (text.length > entryCharactersMax) return ''
  const [, bracketed, ipv4] = /^(?:\[([^\]]*:[^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(text) ?? []
  return bracketed ?? ipv4 ?? text
}

/** IPv4 as such, however it was written. */
function textOf(address: IpAddress, written: string): string {
  return address.length === 4 ? address.join('.') : written.toLowerCase()
}

function isTrusted(address: IpAddress, trusted: readonly IpRange[]): boolean {
  return trusted.some(range => isInRange(address, range))
}

/** Of several proxies every one must have had it over TLS. */
function isHttps(schemes: string): boolean {
  return schemes.split(',').every(scheme => scheme.trim().toLowerCase() === 'https')
}
