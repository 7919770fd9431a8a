import { base32, unbase32 } from './base32.js'
import { keyIdBytes, keyIdOfBytes } from './key-id.js'

/** How a backing key seals: the suite byte of the ciphertext header. */
export type Suite = 'gcm' | 'cbc-hmac'

type RsaBits = 2048 | 3072 | 4096

/** Key pairs of which both halves are objects of the same name. */
export type KeyPairKind =
  | `rsa-${RsaBits}-${'encrypt' | 'sign'}`
  | `ecdsa-${'p256' | 'p384' | 'p521' | 'secp256k1'}` | `ecdh-${'p256' | 'p384' | 'p521'}` | 'ed25519'
  | `ml-dsa-${44 | 65 | 87}` | `ml-kem-${512 | 768 | 1024}`

/** RSA key pairs that imported material arrives under. */
export type WrappingKind = `rsa-${RsaBits}-wrapping`

/** What kind of key material sits behind a name in the HSM. */
export type MaterialKind = Suite | `hmac-sha-${224 | 256 | 384 | 512}` | KeyPairKind | WrappingKind

export type RootName = 'seal' | 'mac' | 'audit'

/**
 * Names key material inside one HSM. `name` is the CKA_LABEL: ASCII, at most 40 bytes, and enough to rebuild the metadata
 * from the token alone. `id` is the CKA_ID on tokens that take that many bytes.
 */
export interface Material {
  readonly name: string
  /** Kind `cbc-hmac` only: the label of its second object, the HMAC key. */
  readonly macName?: string
  readonly id: Uint8Array
  readonly kind: MaterialKind
  /** Its bytes came from outside: its objects say so, and are judged accordingly. */
  readonly imported?: true
}

export type MaterialOwner =
  | { readonly kind: 'backing-key', readonly keyId: string, readonly version: number, readonly role: 'enc' | 'mac' }
  | { readonly kind: 'root', readonly root: RootName, readonly version: number, readonly role: 'enc' | 'mac' }
  | { readonly kind: 'wrapping-key', readonly bits: WrappingBits, readonly day: number }

export type WrappingBits = RsaBits

export const materialNameBytesMax = 40
export const versionMax = 0xffffffff

const roleLetter = { enc: 'e', mac: 'm' } as const

/** The backing key of one version of a KMS key: `cvg-<key id, base32>-<version, base 32>-e`; the HMAC key of `cbc-hmac` ends in `-m`. */
export function backingKey(keyId: string, version: number, kind: MaterialKind): Material {
  const bytes = keyIdBytes(keyId)
  const id = new Uint8Array(20)
  id.set(bytes)
  new DataView(id.buffer).setUint32(16, version)
  const stem = `cvg-${base32(bytes)}-${version.toString(32)}`
  return sealing(`${stem}-${roleLetter.enc}`, `${stem}-${roleLetter.mac}`, id, kind)
}

/** The material of a version, as the HSM knows it. */
export function versionMaterial(
  version: { readonly keyId: string, readonly version: number, readonly kind: MaterialKind, readonly import?: unknown },
): Material {
  const material = backingKey(version.keyId, version.version, version.kind)
  return version.import === undefined ? material : { ...material, imported: true }
}

/** One of the service's own root objects: `cvg-root-<name>-<version>`; with suite `cbc-hmac` the HMAC key of `seal` ends in `-m`. */
export function rootMaterial(root: RootName, version: number, suite: Suite = 'gcm'): Material {
  const name = `cvg-root-${root}-${version}`
  const id = new TextEncoder().encode(name)
  if (root === 'seal') return sealing(name, `${name}-${roleLetter.mac}`, id, suite)
  return { name, id, kind: root === 'mac' ? 'hmac-sha-256' : 'ecdsa-p256' }
}

/** The key pair that imports of one day (days since the epoch) are wrapped for: `cvg-import-<bits>-<day>`. */
export function wrappingKey(bits: WrappingBits, day: number): Material {
  const name = `cvg-import-${bits}-${day}`
  return { name, id: new TextEncoder().encode(name), kind: `rsa-${bits}-wrapping` }
}

/** Whether a kind can seal: the suite byte of a ciphertext names it. */
export function isSuite(kind: MaterialKind): kind is Suite {
  return kind === 'gcm' || kind === 'cbc-hmac'
}

function sealing(name: string, macName: string, id: Uint8Array, kind: MaterialKind): Material {
  return kind === 'cbc-hmac' ? { name, macName, id, kind } : { name, id, kind }
}

/** Reads a label back; undefined for an object that is not ours. The exact inverse of the functions above. */
export function materialOwner(label: string): MaterialOwner | undefined {
  const root = /^cvg-root-(?:(seal|mac|audit)-([1-9][0-9]{0,9})|(seal)-([1-9][0-9]{0,9})-m)$/.exec(label)
  if (root) {
    const version = Number(root[2] ?? root[4])
    if (version > versionMax) return undefined
    return { kind: 'root', root: (root[1] ?? root[3]) as RootName, version, role: root[3] ? 'mac' : 'enc' }
  }
  const wrapping = /^cvg-import-(2048|3072|4096)-(0|[1-9][0-9]{0,6})$/.exec(label)
  if (wrapping) return { kind: 'wrapping-key', bits: Number(wrapping[1]) as WrappingBits, day: Number(wrapping[2]) }
  const backing = /^cvg-([a-z2-7]{26})-([1-9a-v][0-9a-v]{0,6})-([em])$/.exec(label)
  const bytes = backing && unbase32(backing[1] as string)
  if (!bytes) return undefined
  const version = parseInt(backing[2] as string, 32)
  if (version > versionMax) return undefined
  return { kind: 'backing-key', keyId: keyIdOfBytes(bytes), version, role: backing[3] === 'e' ? 'enc' : 'mac' }
}
