import { copyFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { throughFaultModule, type FaultToken } from '../../support/fault-module/token.js'
import { freshToken } from '../../support/softhsm.js'

/**
 * A fresh token behind the fault module, for this process: the SoftHSM behind is a copy, which has a state of its own. As with freshToken,
 * not while a token is open here.
 */
export async function faultTokenHere(): Promise<FaultToken> {
  const token = await freshToken()
  const directory = dirname(token.environment?.SOFTHSM2_CONF ?? '')
  const module = join(directory, 'libsofthsm2-behind.so')
  copyFileSync(token.module, module)
  return throughFaultModule({ ...token, module }, directory, { trace: true })
}

/** SoftHSM's profile with another way of sealing. */
export function sealingProfile(seal: Partial<Profile['seal']>, changes: Partial<Profile> = {}): Profile {
  return { ...softhsm, seal: { ...softhsm.seal, ...seal }, ...changes }
}
