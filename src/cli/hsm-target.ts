import { pkcs11Config } from '../compose.js'
import { readConfig } from '../config.js'
import { UnusableInput, type ProbeTarget } from '../inspect.js'
import type { OutputOptions } from './output.js'

/** Which HSM a command looks at: one of the configuration, or any module. */
export interface TargetOptions extends OutputOptions {
  readonly module?: string
  readonly token?: string
  readonly pinFile?: string
  readonly profile?: string
  readonly config?: string
  readonly store?: string
}

/** Throws UnusableInput: an option that were passed over in silence would let one HSM be taken for another. */
export async function target(options: TargetOptions): Promise<ProbeTarget> {
  const { module, token, pinFile, profile, config, store } = options
  if (module === undefined) {
    refuse({ token, 'pin-file': pinFile, profile }, 'needs --module: a configuration says that itself')
    return pkcs11Config(readConfig({ ...process.env, ...config !== undefined && { CLAVIGER_CONFIG: config } }), store)
  }
  refuse({ config, store }, 'names an HSM, and so does --module: give one of them')
  return {
    module, ...token !== undefined && { tokenLabel: token }, ...pinFile !== undefined && { pin: { file: pinFile } },
    ...profile !== undefined && { profile },
  }
}

function refuse(options: Readonly<Record<string, string | undefined>>, why: string): void {
  const [name] = Object.entries(options).find(([, value]) => value !== undefined) ?? []
  if (name !== undefined) throw new UnusableInput(`--${name} ${why}`)
}
