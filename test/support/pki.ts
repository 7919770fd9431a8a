import { execFileSync } from 'node:child_process'
import { writeFileSync, readFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from './server.js'

/** Certificates as openssl makes them. */

export interface Pair {
  /** PEM. */
  readonly certificate: string
  readonly key: string
}

export interface Wanted {
  /** As -subj takes it: `/O=Example/CN=backup`. */
  readonly subject?: string
  /** `URI:spiffe://…`, `DNS:…`, `IP:…`. */
  readonly names?: readonly string[]
  /** `clientAuth`, `serverAuth`; without it, the certificate does not say what it is for. */
  readonly usage?: string
  readonly from?: Date
  readonly until?: Date
  /** That of a CA below this one. */
  readonly isCa?: boolean
}

const dayMs = 86_400_000

/** A certification authority in a directory of its own, with a record of what it has issued. */
export class TestCa {
  readonly certificate: string
  readonly key: string
  readonly #directory: string
  #issued = 0

  /** Signed by itself, unless there is one above it; with the certificate of somebody who is none, a fraud. */
  constructor(name: string, { above, days = 30, own }: { readonly above?: TestCa, readonly days?: number, readonly own?: Pair } = {}) {
    this.#directory = temporaryDirectory()
    const made = own ?? (above ? above.issue({ subject: `/CN=${name}`, isCa: true }) : this.#selfSigned(name, days))
    this.certificate = made.certificate
    this.key = made.key
    const files = {
      'ca.pem': made.certificate, 'ca.key': made.key, 'index': '', 'serial': '1000', 'crlnumber': '01',
      'config': configuration(this.#directory),
    }
    for (const [file, text] of Object.entries(files)) writeFileSync(this.#at(file), text)
    mkdirSync(this.#at('certificates'))
  }

  issue({ subject = '/CN=somebody', names = [], usage, from, until, isCa = false }: Wanted): Pair {
    const name = `${this.#issued++}`
    const [request, key, certificate, extensions] = ['csr', 'key', 'pem', 'ext'].map(ending => this.#at(`${name}.${ending}`)) as
      [string, string, string, string]
    openssl('req', '-new', '-utf8', ...newKey, '-subj', subject, '-keyout', key, '-out', request)
    writeFileSync(extensions, [
      `basicConstraints = critical, CA:${isCa ? 'TRUE' : 'FALSE'}`,
      `keyUsage = critical, ${isCa ? 'keyCertSign, cRLSign' : 'digitalSignature'}`,
      ...usage === undefined ? [] : [`extendedKeyUsage = ${usage}`],
      ...names.length > 0 ? [`subjectAltName = ${names.join(', ')}`] : [],
    ].join('\n'))
    const [begin, end] = [from ?? new Date(Date.now() - dayMs), until ?? new Date(Date.now() + dayMs)].map(opensslTime) as [string, string]
    openssl('ca', ...this.#ca, '-in', request, '-out', certificate, '-extfile', extensions, '-startdate', begin, '-enddate', end)
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
  }

  revoke({ certificate }: Pair): void {
    const file = this.#at('revoked.pem')
    writeFileSync(file, certificate)
    openssl('ca', ...this.#ca, '-revoke', file)
  }

  /** The list of what was revoked so far, good for so many seconds. */
  crl(seconds = dayMs / 1_000): string {
    const file = this.#at('crl.pem')
    openssl('ca', ...this.#ca, '-gencrl', '-crlsec', String(seconds), '-out', file)
    return readFileSync(file, 'utf8')
  }

  get #ca(): readonly string[] {
    return ['-config', this.#at('config'), '-batch', '-notext', '-utf8']
  }

  #selfSigned(name: string, days: number): Pair {
    const [key, certificate] = [this.#at('own.key'), this.#at('own.pem')]
    openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-days', String(days), '-keyout', key, '-out', certificate,
      '-addext', 'keyUsage=critical,keyCertSign,cRLSign')
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
  }

  #at(file: string): string {
    return join(this.#directory, file)
  }
}

/** A certificate that nobody has issued. */
export function selfIssued(subject = '/CN=somebody', names: readonly string[] = []): Pair {
  const directory = temporaryDirectory()
  const [key, certificate] = [join(directory, 'key'), join(directory, 'pem')]
  const alternative = names.length > 0 ? ['-addext', `subjectAltName=${names.join(',')}`] : []
  openssl('req', '-x509', ...newKey, '-subj', subject, '-days', '2', '-keyout', key, '-out', certificate, ...alternative)
  return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'] as const

function openssl(...line: readonly string[]): void {
  execFileSync('/usr/bin/openssl', line, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** 20260101000000Z */
function opensslTime(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
}

function configuration(directory: string): string {
  return `
[ca]
default_ca = this
[this]
dir = ${directory}
database = $dir/index
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir/certificates
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_crl_days = 1
policy = any
preserve = yes
unique_subject = no
email_in_dn = yes
[any]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
emailAddress = optional
`
}
