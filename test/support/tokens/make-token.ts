import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pkcs11 from 'pkcs11js'
import { findSoftHsm, makeSoftHsmToken } from '../../../src/adapters/pkcs11/token/softhsm-token.js'
import { initialise, newPin } from './ceremony.js'
import { label } from './token.js'

/**
 * `make-token.js softhsm <directory>` · `make-token.js nss <directory> <library> <parameters>`: makes a token in a process of its own,
 * because the library may be in use in the one that wants it. Leaves the PIN in the file `pin` of the directory.
 */
const [kind, directory = '', library = '', libraryParameters = ''] = process.argv.slice(2)

if (kind === 'softhsm') await makeSoftHsmToken({ directory, label, module: findSoftHsm() })
else if (kind === 'nss') makeNss()
else throw new Error(`no token of kind ${kind}`)

/** A new database has no password, and a security officer without one. */
function makeNss(): void {
  const lib = new pkcs11.PKCS11()
  lib.load(library)
  // The binding cuts off the last character.
  lib.C_Initialize({ libraryParameters: `${libraryParameters} `, flags: pkcs11.CKF_OS_LOCKING_OK })
  // The first slot does arithmetic only.
  const slot = lib.C_GetSlotList(true).find(each => lib.C_GetTokenInfo(each).label.trimEnd() === label)
  if (!slot) throw new Error(`NSS has no token ${label}`)
  const pin = newPin(24)
  initialise(lib, slot, { soPin: '', pin })
  writeFileSync(join(directory, 'pin'), pin, { mode: 0o600, flag: 'wx' })
  lib.C_Finalize()
}
