import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { freshToken } from '../softhsm.js'
import { faultModule } from './build.js'
import { FaultControl, imitationText, type Imitation } from './control.js'

export interface FaultToken {
  /** The token behind the fault module. Names no profile: the token says itself what it imitates. */
  readonly config: Pkcs11Config
  readonly control: FaultControl
  /** One line per call, if asked for: see readTrace. */
  readonly traceFile: string
}

export interface FaultTokenOptions {
  /** For the life of every process that uses the token; those of the control file go with the next `set`. */
  readonly imitate?: readonly Imitation[]
  readonly trace?: boolean
}

const ownerOnlyFile = 0o600
let made = 0

/** A fresh SoftHSM token behind the fault module; as with freshToken, not while a token is open in this process. */
export async function faultToken(options: FaultTokenOptions = {}): Promise<FaultToken> {
  const token = await freshToken()
  return throughFaultModule(token, dirname(token.environment?.SOFTHSM2_CONF ?? ''), options)
}

/** Any token behind the fault module; what that needs of files is put into the directory. */
export async function throughFaultModule(token: Pkcs11Config, directory: string, options: FaultTokenOptions = {}): Promise<FaultToken> {
  made += 1
  const { profile: _, ...rest } = token
  const imitations = options.imitate ?? []
  const control = new FaultControl(join(directory, `faults-${made}`))
  const traceFile = join(directory, `trace-${made}`)
  writeFileSync(traceFile, '')
  const environment = {
    ...token.environment,
    FAULT_MODULE: token.module,
    FAULT_CONTROL: control.file,
    FAULT_IMITATE: imitations.map(imitationText).join(','),
    FAULT_TRACE: options.trace ? traceFile : '',
  }
  const pin = vendorPin(token, join(directory, `pin-${made}`), imitations)
  return { config: { ...rest, ...pin, module: await faultModule(), environment }, control, traceFile }
}

/** The token's own PIN in the vendor's form, in a file of its own. */
function vendorPin({ pin }: Pkcs11Config, file: string, imitations: readonly Imitation[]): Pick<Pkcs11Config, 'pin'> {
  const prefix = imitations.map(({ imitate }) => pinPrefixes.get(imitate)).find(each => each !== undefined)
  if (!pin) return {}
  if (prefix === undefined) return { pin }
  if (!('file' in pin)) throw new Error('the PIN for an imitation is made from a file')
  writeFileSync(file, prefix + readFileSync(pin.file, 'utf8'), { mode: ownerOnlyFile })
  return { pin: { file } }
}

const pinPrefixes = new Map<Imitation['imitate'], string>([['cloudhsm', 'crypto-user:'], ['yubihsm', '0001']])
