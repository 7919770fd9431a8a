import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { returnValueName, returnValueOf } from '../../../src/adapters/pkcs11/driver/errors.js'
import { RawToken } from './raw-token.js'

/** What the process is told to do; it answers `ok` or the name of the return value without CKR_. */
export type TokenUse = 'open' | 'random' | 'generate' | 'slots' | 'again'

/** `use-token.js <configuration as JSON>`, as a child with a channel: does with a token what it is told, one after the other. */
const config = JSON.parse(process.argv[2] ?? '{}') as Pkcs11Config
let token: RawToken | undefined

const uses: Readonly<Record<TokenUse, () => void>> = {
  open: () => { token = new RawToken(config) },
  random: () => { opened().lib.C_GenerateRandom(opened().session, Buffer.alloc(16)) },
  generate: () => { opened().generateAes() },
  slots: () => { opened().lib.C_GetSlotList(true) },
  again: () => { opened().again() },
}

process.on('message', (use: TokenUse) => process.send?.(outcome(uses[use])))

function opened(): RawToken {
  if (!token) throw new Error('no token is open')
  return token
}

function outcome(use: () => void): string {
  try {
    use()
    return 'ok'
  } catch (error) {
    const code = returnValueOf(error)
    return code === undefined ? String(error) : returnValueName(code).replace(/^CKR_/, '').replace(/ \(.*/, '')
  }
}
