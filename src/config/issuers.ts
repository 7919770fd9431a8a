import { readFileSync } from 'node:fs'
import type { IssuerWithKeys } from '../adapters/web-identity/identity-providers.js'
import { keySetIn, type KeySource } from '../adapters/web-identity/key-source.js'
import { isAccountId } from '../domain/principal.js'
import { providerName, signatureAlgorithms, type SignatureAlgorithm } from '../domain/web-identity.js'
import { isLoopback } from './loopback.js'
import type { Reader } from './reader.js'

const namePattern = /^[a-zA-Z0-9_-]{1,64}$/
/** Prefixes of condition keys, which the claims of an issuer of that name would pass for. */
const takenHosts: ReadonlySet<string> = new Set(['aws', 'kms', 'sts', 'iam', 'claviger'])

/** The identity providers of `sts.issuers`. Only a server looks into the files of their keys. */
export function readIssuers(reader: Reader, reading: 'server' | 'command'): readonly IssuerWithKeys[] {
  const issuers: IssuerWithKeys[] = []
  const seen = new Map<string, string>()
  for (const name of reader.names('sts.issuers')) {
    const at = `sts.issuers.${name}`
    if (!namePattern.test(name)) {
      reader.skip(at, `"${name}" cannot name an issuer: 1 to 64 letters, digits, _ or -`)
      continue
    }
    const issuer = readIssuer(at, reader, reading)
    // In condition keys case makes no difference.
    const provider = providerName(issuer.issuer).toLowerCase()
    const other = seen.get(provider)
    if (other !== undefined && issuer.issuer !== '') reader.fault(`${at}.issuer is that of ${other}`)
    seen.set(provider, at)
    issuers.push(issuer)
  }
  return issuers
}

function readIssuer(at: string, reader: Reader, reading: 'server' | 'command'): IssuerWithKeys {
  const issuer = reader.text(`${at}.issuer`) ?? ''
  const url = urlIn(issuer)
  if (!url || /[?#]/.test(issuer) || takenHosts.has(url.host)) {
    reader.fault(`${at}.issuer must be the claim iss of its tokens, an https URL without query and fragment`)
  }
  const audiences = reader.texts(`${at}.audiences`) ?? []
  if (audiences.length === 0 || audiences.includes('')) {
    reader.fault(`${at}.audiences must name for whom its tokens may be: without that, tokens that were meant for others would be taken`)
  }
  const accounts = reader.texts(`${at}.accounts`)
  if (accounts && !accounts.every(isAccountId)) reader.fault(`${at}.accounts must be account ids of 12 digits (in YAML within quotes)`)
  return {
    issuer, audiences, algorithms: algorithmsAt(`${at}.algorithms`, reader), keys: keysAt(at, reader, reading), ...accounts && { accounts },
  }
}

function algorithmsAt(name: string, reader: Reader): readonly SignatureAlgorithm[] {
  const algorithms = reader.texts(name) ?? signatureAlgorithms
  const known = signatureAlgorithms.filter(algorithm => algorithms.includes(algorithm))
  if (known.length === 0 || known.length < algorithms.length) {
    reader.fault(`${name} must be some of ${signatureAlgorithms.join(', ')}, each once`)
  }
  return known
}

function keysAt(at: string, reader: Reader, reading: 'server' | 'command'): KeySource {
  const [file, url] = [reader.path(`${at}.jwksFile`), reader.text(`${at}.jwksUrl`)]
  if ((file === undefined) === (url === undefined)) reader.fault(`${at} needs exactly one of jwksFile and jwksUrl`)
  if (file !== undefined && reading === 'server') checkKeySet(`${at}.jwksFile`, file, reader)
  if (url !== undefined && !urlIn(url)) reader.fault(`${at}.jwksUrl must be an https URL; http is for loopback only`)
  return file === undefined ? { url: url ?? '' } : { file }
}

function checkKeySet(name: string, file: string, reader: Reader): void {
  try {
    keySetIn(readFileSync(file, 'utf8'))
  } catch (error) {
    reader.fault(`${name} (${file}) is not a JSON Web Key Set that can be read: ${(error as Error).message}`)
  }
}

/** undefined for what is not https, or http to this machine; and for what holds a password. */
function urlIn(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // What the parser would mend is no URL that anybody else writes like that.
  if (!url || !text.startsWith(`${url.protocol}//`) || /[\s@]/.test(text)) return undefined
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, '')))
  return isSafe ? url : undefined
}
