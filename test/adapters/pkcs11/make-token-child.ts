import { loadLibrary } from '../../../src/adapters/pkcs11/token/module.js'
import { findSoftHsm, makeSoftHsmToken } from '../../../src/adapters/pkcs11/token/softhsm-token.js'

/** `make-token-child.js <directory> [function]`: makes a token, or dies by SIGKILL just before the library's function is called. */
const [directory = '', fatal] = process.argv.slice(2)

if (fatal) {
  Object.defineProperty(loadLibrary(findSoftHsm()).lib, fatal, { value: () => process.kill(process.pid, 'SIGKILL') })
}
await makeSoftHsmToken({ directory, label: 'claviger-test', module: findSoftHsm() })
