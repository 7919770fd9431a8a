import type { Ability } from '../contract/hsm.js'
import { nssToken } from '../support/tokens/nss.js'
import { openCryptokiToken } from '../support/tokens/opencryptoki.js'
import { p11KitServer } from '../support/tokens/p11-kit.js'
import { softHsmToken, yubiHsmMechanisms } from '../support/tokens/softhsm.js'
import type { TestToken } from '../support/tokens/token.js'

/** A real token of the matrix. */
export interface MatrixToken {
  readonly title: string
  open(): Promise<TestToken>
  /** The profile that must be found for it. */
  readonly profile: string
  readonly suite: 'gcm' | 'cbc-hmac'
  /** What its mechanisms carry; what is not here is a fact about the token and is left out of its tests. */
  readonly abilities: readonly Ability[]
}

const everything: readonly Ability[] = ['seal', 'mac', 'sign']

export const matrix: readonly MatrixToken[] = [
  { title: 'SoftHSM', open: () => softHsmToken(), profile: 'softhsm', suite: 'gcm', abilities: everything },
  {
    title: 'SoftHSM with the mechanisms of a YubiHSM 2', open: () => softHsmToken(yubiHsmMechanisms), profile: 'generic', suite: 'cbc-hmac',
    abilities: everything,
  },
  { title: 'NSS softoken', open: nssToken, profile: 'nss', suite: 'gcm', abilities: everything },
  // 3.8, as in Debian 12, has no elliptic curves: the roots must be in another store.
  {
    title: 'the soft token of openCryptoki', open: openCryptokiToken, profile: 'opencryptoki', suite: 'cbc-hmac',
    abilities: ['seal', 'mac'],
  },
  // 0.24, as in Debian 12, carries neither GCM nor CBC: nothing can be sealed through it.
  { title: 'SoftHSM behind p11-kit server', open: servedSoftHsm, profile: 'p11-kit', suite: 'gcm', abilities: ['mac', 'sign'] },
]

async function servedSoftHsm(): Promise<TestToken> {
  const behind = await softHsmToken()
  const served = await p11KitServer(behind)
  return {
    ...served,
    async close() {
      await served.close()
      await behind.close()
    },
  }
}
