import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/config.js'
import { isInitialisedToken, loadLibrary, readTokenInfo } from '../../src/adapters/pkcs11/token/module.js'
import { initialise, newPin } from './tokens/ceremony.js'
import { newDirectory } from './tokens/token.js'

/** Of CK_TOKEN_INFO (PKCS#11 2.40, section 3.2). */
const labelBytes = 32

/**
 * Another token of the same SoftHSM, beside that of the configuration and as reachable in one process. Only while no token is open in this
 * process.
 */
export function secondToken(beside: Pkcs11Config, tokenLabel: string): Pkcs11Config {
  const pin = newPin(24)
  loadLibrary(beside.module, beside).exclusively(beside, lib => {
    const slot = lib.C_GetSlotList(true).find(each => !isInitialisedToken(readTokenInfo(lib, each)))
    if (!slot) throw new Error('SoftHSM has no slot for another token')
    const soPin = newPin(24)
    lib.C_InitToken(slot, soPin, tokenLabel.padEnd(labelBytes))
    initialise(lib, slot, { soPin, pin })
  })
  const file = join(newDirectory(), 'pin')
  writeFileSync(file, pin, { mode: 0o600 })
  return { ...beside, tokenLabel, pin: { file } }
}
