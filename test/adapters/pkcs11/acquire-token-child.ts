import { acquireToken } from '../../../src/adapters/pkcs11/token/token.js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { HsmError } from '../../../src/ports/hsm.js'
import { silentLog } from './support.js'

/** `acquire-token-child.js <Pkcs11Config as JSON>`: logs in twice, and answers as JSON what came of it. */
const config = JSON.parse(process.argv[2] ?? '') as Pkcs11Config

console.log(JSON.stringify(outcome()))

function outcome(): object {
  try {
    const token = acquireToken(config, silentLog)
    const session = token.openSession()
    token.loginAgain(session)
    token.closeSession(session)
    token.release()
    return { logins: token.loginCount, environment: Object.keys(process.env) }
  } catch (error) {
    if (error instanceof HsmError) return { kind: error.kind, returnValue: error.returnValue, message: error.message }
    throw error
  }
}
