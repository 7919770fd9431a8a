import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { nextUpdateOf } from '../../domain/x509.js'
import type { TlsMaterial } from '../../ports/tls.js'

/** Where the parts of a listener's TLS are, each file PEM. */
export interface TlsPaths {
  readonly certificate: string
  readonly key: string
  readonly clients?: {
    /** Files of certificates of CAs. */
    readonly ca: readonly string[]
    /** Files of revocation lists. */
    readonly crl: readonly string[]
    readonly required: boolean
  }
}

/** What the files hold, with what there is to say of it. */
export interface TlsContent {
  readonly material: TlsMaterial
  readonly certificate: X509Certificate
  readonly clientCas: readonly X509Certificate[]
  /** When each revocation list is to be replaced. */
  readonly nextUpdates: readonly number[]
}

/** The files cannot be used. `faults` lists why, a sentence each. */
export class TlsFilesError extends Error {
  override readonly name = 'TlsFilesError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('; '))
    this.faults = faults
  }
}

/** By file: what is in it, or why it cannot be read. There is a private key in it: to be wiped after use. */
export type Contents = ReadonlyMap<string, Buffer | Error>

/** Longer than any list of revoked certificates that a server should have in memory. */
const fileBytesMax = 32 * 1024 * 1024
const blockForm = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g

export async function readContents(paths: TlsPaths): Promise<Contents> {
  const contents = new Map<string, Buffer | Error>()
  for (const file of filesOf(paths)) contents.set(file, await readFile(file).then(notTooLong, (error: Error) => error))
  return contents
}

export function readContentsNow(paths: TlsPaths): Contents {
  return new Map(filesOf(paths).map(file => [file, readNow(file)]))
}

function readNow(file: string): Buffer | Error {
  try {
    return notTooLong(readFileSync(file))
  } catch (error) {
    return error as Error
  }
}

function notTooLong(bytes: Buffer): Buffer | Error {
  return bytes.length > fileBytesMax ? new Error(`it is longer than ${fileBytesMax} bytes`) : bytes
}

export function wipe(contents: Contents): void {
  for (const content of contents.values()) if (Buffer.isBuffer(content)) content.fill(0)
}

function filesOf({ certificate, key, clients }: TlsPaths): readonly string[] {
  return [certificate, key, ...clients?.ca ?? [], ...clients?.crl ?? []]
}

/** Throws TlsFilesError with everything that is wrong: a file that is half written, or parts that do not fit together. */
export function tlsContent(paths: TlsPaths, contents: Contents): TlsContent {
  const faults: string[] = []
  const read = <T>(setting: string, file: string, kind: string, parse: (pem: string) => T): T | undefined => {
    const content = contents.get(file) ?? Buffer.alloc(0)
    if (content instanceof Error) {
      faults.push(`${setting} cannot be read: ${content.message}`)
      return undefined
    }
    try {
      return parse(content.toString('latin1'))
    } catch {
      // OpenSSL's own words ("DECODER routines::unsupported") help nobody.
      faults.push(`${setting}: ${file} is not a PEM ${kind}`)
      return undefined
    }
  }
  const chain = read('tls.certificate', paths.certificate, 'certificate', certificatesIn)
  const key = read('tls.key', paths.key, 'private key without a passphrase', pem => createPrivateKey(pem))
  const clientCas = paths.clients?.ca.flatMap(file => read('tls.clientCa', file, 'file of CA certificates', authoritiesIn) ?? [])
  const crls = paths.clients?.crl.flatMap(file => read('tls.clientCrl', file, 'file of revocation lists', crlsIn) ?? [])
  const [certificate] = chain ?? []
  if (certificate && key && !certificate.checkPrivateKey(key)) {
    faults.push(`tls.key (${paths.key}) is not the key of tls.certificate (${paths.certificate})`)
  }
  if (faults.length > 0 || !chain || !certificate || !key) throw new TlsFilesError(faults)
  const material: TlsMaterial = {
    certificate: pemOf(chain), key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ...paths.clients && {
      clients: {
        ca: (clientCas ?? []).map(one => one.toString()), crl: (crls ?? []).map(({ pem }) => pem), required: paths.clients.required,
      },
    },
  }
  checkUse(material, paths)
  const nextUpdates = (crls ?? []).flatMap(({ nextUpdate }) => nextUpdate ?? [])
  return { material, certificate, clientCas: clientCas ?? [], nextUpdates }
}

/** What OpenSSL refuses, such as a key that is too short for its security level. */
function checkUse({ certificate, key, clients }: TlsMaterial, paths: TlsPaths): void {
  try {
    createSecureContext({ cert: certificate, key, ...clients && { ca: [...clients.ca], crl: [...clients.crl] } })
  } catch (error) {
    const { message } = error as Error
    throw new TlsFilesError([`TLS cannot use tls.certificate (${paths.certificate}) or what clients are checked by: ${message}`])
  }
}

/** All PEM blocks of one kind. Throws if there is none, or if anything in the text was broken off. */
function blocksIn(pem: string, label: string): readonly string[] {
  const blocks = [...pem.matchAll(blockForm)]
  const borders = pem.match(/-----(?:BEGIN|END)/g)?.length ?? 0
  const wanted = blocks.filter(([, of]) => of === label).map(([block]) => block)
  if (borders !== 2 * blocks.length || wanted.length === 0) throw new Error(`there is no whole ${label} in it`)
  return wanted
}

function certificatesIn(pem: string): readonly X509Certificate[] {
  return blocksIn(pem, 'CERTIFICATE').map(block => new X509Certificate(block))
}

/** Whoever has the key of a certificate among these could make others, if OpenSSL let it. */
function authoritiesIn(pem: string): readonly X509Certificate[] {
  const certificates = certificatesIn(pem)
  if (!certificates.every(({ ca }) => ca)) throw new Error('one of them is no CA')
  return certificates
}

/** Node takes the first list of a text and passes over the rest. */
function crlsIn(pem: string): readonly { readonly pem: string, readonly nextUpdate: number | undefined }[] {
  return blocksIn(pem, 'X509 CRL').map(block => {
    const der = Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64')
    return { pem: block, nextUpdate: nextUpdateOf(der) }
  })
}

function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map(one => one.toString()).join('')
}
