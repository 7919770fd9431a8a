import { readContentsNow, tlsContent, TlsFilesError, wipe, type TlsPaths } from '../adapters/tls-files/read.js'
import { patternFault, type CertificatePrincipal, type CertificateRule, type MatchedBy } from '../domain/certificate-rules.js'
import { parseIpRange, type IpRange } from '../domain/ip.js'
import { parsePrincipal } from '../domain/principal.js'
import type { Reader } from './reader.js'

export interface TlsConfig extends TlsPaths {
  /** Client certificates that let somebody in; undefined: none does. */
  readonly clients?: NonNullable<TlsPaths['clients']> & { readonly principals: readonly CertificateRule[] }
}

/** The first character keeps the order: JavaScript puts names that look like numbers first. */
const rulePattern = /^[a-zA-Z][a-zA-Z0-9_-]{0,63}$/
/** As the API takes service principals. */
const servicePattern = /^(?=.{1,128}$)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+){2,}$/
const matchedBy: readonly MatchedBy[] = ['spiffe', 'dns', 'subject']
const principalKinds: readonly CertificatePrincipal['kind'][] = ['user', 'role', 'service']

/** Only a server looks into the files: who runs a command need not be able to read the key. */
export function readTls(
  { certificate, key }: { readonly certificate?: string, readonly key?: string }, reader: Reader, reading: 'server' | 'command',
): TlsConfig | undefined {
  if ((certificate === undefined) !== (key === undefined)) reader.fault('tls needs both certificate and key')
  const clients = readClients(reader)
  if (certificate === undefined || key === undefined) {
    if (clients && certificate === undefined && key === undefined) reader.fault('tls.clientCa needs tls.certificate and tls.key')
    return undefined
  }
  const tls = { certificate, key, ...clients && { clients } }
  if (reading === 'server') checkFiles(tls, reader)
  return tls
}

function checkFiles(paths: TlsPaths, reader: Reader): void {
  const contents = readContentsNow(paths)
  try {
    tlsContent(paths, contents)
  } catch (error) {
    if (!(error instanceof TlsFilesError)) throw error
    for (const fault of error.faults) reader.fault(fault)
  } finally {
    wipe(contents)
  }
}

function readClients(reader: Reader): TlsConfig['clients'] {
  const ca = reader.paths('tls.clientCa')
  const crl = reader.paths('tls.clientCrl')
  const certificates = reader.oneOf('tls.clientCertificates', ['optional', 'required'])
  const principals = readPrincipals(reader)
  if (ca) {
    if (ca.length === 0) reader.fault('tls.clientCa must name at least one file')
    return { ca, crl: crl ?? [], required: certificates === 'required', principals }
  }
  const idle = { clientCrl: crl, clientCertificates: certificates, principals: principals.length > 0 ? principals : undefined }
  for (const [name, value] of Object.entries(idle)) if (value !== undefined) reader.fault(`tls.${name} needs tls.clientCa`)
  return undefined
}

function readPrincipals(reader: Reader): readonly CertificateRule[] {
  const rules: CertificateRule[] = []
  for (const name of reader.names('tls.principals')) {
    const at = `tls.principals.${name}`
    if (!rulePattern.test(name)) {
      reader.skip(at, `"${name}" cannot name a rule: a letter, then up to 63 letters, digits, _ or -`)
      continue
    }
    const rule = readRule(name, at, reader)
    if (rule) rules.push(rule)
  }
  return rules
}

function readRule(name: string, at: string, reader: Reader): CertificateRule | undefined {
  const match = exactlyOne(at, matchedBy, reader)
  const target = exactlyOne(at, principalKinds, reader)
  const region = reader.text(`${at}.region`)
  if (!match || !target) return undefined
  const rule: CertificateRule = {
    name, match: { by: match.name, pattern: match.value }, principal: { kind: target.name, name: target.value },
    ...region !== undefined && { region },
  }
  const isPrincipal = target.name === 'service' ? servicePattern.test(target.value) : parsePrincipal(target.value)?.kind === target.name
  if (!isPrincipal) reader.fault(`${at}.${target.name} must be ${target.name === 'service' ? 'the name of a service, such as '
    + 'backup.example.internal' : `the ARN of a ${target.name}`}`)
  const fault = patternFault(rule)
  if (fault !== undefined) reader.fault(`${at}.${match.name} ${fault}`)
  return rule
}

function exactlyOne<N extends string>(
  at: string, names: readonly N[], reader: Reader,
): { readonly name: N, readonly value: string } | undefined {
  const given = names.flatMap(name => {
    const value = reader.text(`${at}.${name}`)
    return value === undefined ? [] : [{ name, value }]
  })
  const [first, ...others] = given
  if (first && others.length === 0) return first
  reader.fault(`${at} needs exactly one of ${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`)
  return undefined
}

/** Whose word is taken for where a request came from. */
export function readTrustedProxies(reader: Reader): readonly IpRange[] {
  return (reader.texts('trustedProxies') ?? []).flatMap(text => {
    const range = parseIpRange(text)
    if (!range) reader.fault(`trustedProxies: "${text}" is neither an address nor a range such as 10.0.0.0/8`)
    else if (range.bits === 0) reader.fault(`trustedProxies: "${text}" is everybody, and then anybody could say to be anywhere`)
    return range ?? []
  })
}
