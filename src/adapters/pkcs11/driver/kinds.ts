import type { Handle, MechanismInfo, PKCS11 } from 'pkcs11js'
import type { MaterialKind } from '../../../domain/material.js'
import { kindRow, materialKinds, mechanismsOf } from './mechanisms.js'
import type { Connection } from './connection.js'
import { canEncapsulate } from './encapsulation.js'
import { suiteOf, type Profile } from '../profiles/profile.js'

/** What is asked of a token for it. `range`: undefined when it will not say. */
export interface MechanismSource {
  readonly mechanisms: readonly number[]
  readonly range: (mechanism: number) => Pick<MechanismInfo, 'minKeySize' | 'maxKeySize'> | undefined
  /** The binding has C_EncapsulateKey and C_DecapsulateKey. */
  readonly encapsulates: boolean
}

const vendorDefined = 0x80000000

/**
 * Which kinds of material a token has the mechanisms for: from its list of them, because some libraries describe mechanisms that they then
 * refuse; and for RSA and elliptic curves by the sizes they are good for.
 */
export function kindsOf({ mechanisms, range, encapsulates }: MechanismSource, profile: Profile): readonly MaterialKind[] {
  // What a vendor has for itself may not be on the list. That it is there, the profile says.
  const has = (mechanism: number): boolean => mechanism >= vendorDefined || mechanisms.includes(mechanism)
  return materialKinds.filter(kind => {
    const { bits, objects } = kindRow(kind, profile)
    return mechanismsOf(kind, profile).every(has) && !profile.lacks.includes(kind)
      && objects.every(({ generate }) => bits === undefined || isWithin(bits, range(generate)))
      && (!kind.startsWith('ml-kem-') || encapsulates) && (needs[kind.replace(/\d+/, 'N')] ?? always)(profile)
  })
}

const always = (): boolean => true

const needs: Readonly<Record<string, (profile: Profile) => boolean>> = {
  'gcm': profile => profile.seal.gcmMechanism < vendorDefined || suiteOf(profile) === 'gcm',
  'rsa-N-encrypt': ({ oaep }) => oaep !== 'none',
  'rsa-N-wrapping': profile => profile.import.startsWith('hsm') || (profile.import === 'process' && profile.oaep !== 'none'),
}

/** Zero, and all bits set, are no limit. Units of other keys differ from token to token, and some understate them. */
function isWithin(bits: number, range: ReturnType<MechanismSource['range']>): boolean {
  if (!range || range.maxKeySize === 0) return true
  return bits >= range.minKeySize && bits <= range.maxKeySize
}

export function mechanismSource(lib: PKCS11, slot: Handle): MechanismSource {
  return {
    mechanisms: lib.C_GetMechanismList(slot),
    range: mechanism => {
      try {
        return lib.C_GetMechanismInfo(slot, mechanism)
      } catch {
        return undefined
      }
    },
    encapsulates: canEncapsulate(lib),
  }
}

/** Of the token that is open. Throws HsmError. */
export function offeredKinds(connection: Connection): readonly MaterialKind[] {
  return connection.repeatable('listing mechanisms', () => {
    const { slotID } = connection.lib.C_GetSessionInfo(connection.session())
    return kindsOf(mechanismSource(connection.lib, slotID), connection.profile)
  })
}
