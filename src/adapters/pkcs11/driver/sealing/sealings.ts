import type { PKCS11 } from 'pkcs11js'
import type { MaterialKind, Suite } from '../../../../domain/material.js'
import type { Log } from '../../../../ports/log.js'
import type { Profile } from '../../profiles/profile.js'
import { CbcHmac } from './cbc-hmac.js'
import { Gcm } from './gcm.js'
import type { Sealing } from './sealing.js'

/** Every suite there is: a token opens what it once sealed, whatever it seals with now. `random` fills from the token's generator. */
export function sealings(
  lib: PKCS11, profile: Profile, random: (target: Buffer) => void, log: Log,
): Readonly<Record<Suite, Sealing>> {
  return { 'gcm': new Gcm(lib, profile, random), 'cbc-hmac': new CbcHmac(lib, profile, random, log) }
}

export function isSuite(kind: MaterialKind): kind is Suite {
  return kind === 'gcm' || kind === 'cbc-hmac'
}
