import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findSoftHsm, makeSoftHsmToken } from '../../../src/adapters/pkcs11/token/softhsm-token.js'
import { newTokenDirectory } from '../softhsm.js'
import { runHere } from './run-here.js'
import { described, label, removeDirectory, TokenUnavailable, type TestToken } from './token.js'

/** What YubiHSM 2 has of what we use: no AES-GCM, but everything for suite `cbc-hmac` and the roots. */
export const yubiHsmMechanisms = [
  'CKM_AES_KEY_GEN', 'CKM_GENERIC_SECRET_KEY_GEN', 'CKM_AES_CBC', 'CKM_AES_CBC_PAD', 'CKM_AES_ECB', 'CKM_SHA256_HMAC',
  'CKM_EC_KEY_PAIR_GEN', 'CKM_ECDSA',
] as const

/**
 * A SoftHSM token; with a list of mechanisms it lists and does no others. One process has one configuration of the library at a time. The
 * profile of a restricted token is `generic`: that of SoftHSM would seal with AES-GCM.
 */
export async function softHsmToken(mechanisms?: readonly string[]): Promise<TestToken> {
  const module = library()
  const directory = newTokenDirectory()
  await runHere('make-token.js', 'softhsm', directory)
  const made = await makeSoftHsmToken({ directory, label, module })
  const configuration = mechanisms ? restricted(directory, mechanisms) : join(directory, 'softhsm2.conf')
  return {
    ...described({
      module, pinFile: join(directory, 'pin'), profile: mechanisms ? 'generic' : 'softhsm', environment: { SOFTHSM2_CONF: configuration },
      ...made.durableDirectory !== undefined && { durableDirectory: made.durableDirectory },
    }),
    close: async () => removeDirectory(directory),
  }
}

function library(): string {
  try {
    return findSoftHsm()
  } catch (error) {
    throw new TokenUnavailable('SoftHSM is not installed', { cause: error })
  }
}

/** A second configuration of the same token. */
function restricted(directory: string, mechanisms: readonly string[]): string {
  const text = readFileSync(join(directory, 'softhsm2.conf'), 'utf8')
  const file = join(directory, 'softhsm2-mechanisms.conf')
  writeFileSync(file, `${text}slots.mechanisms = ${mechanisms.join(',')}\n`, { mode: 0o600 })
  return file
}
