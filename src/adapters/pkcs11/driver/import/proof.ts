import {
  constants, createHash, createPublicKey, diffieHellman, generateKeyPairSync, publicEncrypt, timingSafeEqual, verify, type KeyObject,
} from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import type { Material, MaterialKind } from '../../../../domain/material.js'
import { HsmError } from '../../../../ports/hsm.js'
import { derNull, derOctetString, derOid, derSequence, encodeDer } from '../../../../domain/der.js'
import type { Connection } from '../connection.js'
import { curveOf, modulusBytesOf, newer } from '../numbers.js'
import { view } from '../operations.js'
import { oaepDecrypt } from '../rsa-oaep.js'
import { wrongMaterial } from './facts.js'
import { pointOf } from './templates.js'

const proofText = Buffer.from('claviger: does this private key belong to this public key?')
const proofDigest = createHash('sha256').update(proofText).digest()
const ed25519SignatureBytes = 64

/** A private key object of the token, and what it must be the other half of. */
interface Halves {
  readonly connection: Connection
  readonly kind: MaterialKind
  readonly privateKey: Handle
  readonly publicKey: KeyObject
}

/**
 * Uses a key pair that was imported, once. The halves of a key that somebody else has put together need not belong together, and then
 * it would sign, and nobody could verify. Throws kind `material`. The driver's own operations are not used: they would take a wrong
 * signature for a broken device.
 */
export function requireBelongTogether(connection: Connection, material: Material, publicKeyInfo: Uint8Array): void {
  const publicKey = createPublicKey({ key: view(publicKeyInfo), format: 'der', type: 'spki' })
  const good = connection.repeatable('trying an imported key', () => {
    const privateKey = connection.handles(material)[0] as Handle
    return belongsTogether({ connection, privateKey, publicKey, kind: material.kind })
  }, material)
  if (!good) throw wrongMaterial('the numbers of the private key do not belong together')
}

function belongsTogether(halves: Halves): boolean {
  const { kind } = halves
  if (kind.endsWith('-encrypt')) return decrypts(halves)
  if (kind.startsWith('ecdh-')) return agrees(halves)
  return signs(halves)
}

function signs({ connection, privateKey, publicKey, kind }: Halves): boolean {
  if (kind.startsWith('rsa-')) {
    const signature = sign(connection, privateKey, pkcs11.CKM_RSA_PKCS, digestInfo(proofDigest), modulusBytesOf(kind))
    return verify('sha256', proofText, publicKey, signature)
  }
  if (kind === 'ed25519') {
    return verify(null, proofText, publicKey, sign(connection, privateKey, newer.CKM_EDDSA, proofText, ed25519SignatureBytes))
  }
  const signature = sign(connection, privateKey, pkcs11.CKM_ECDSA, proofDigest, 2 * curveOf(kind).fieldBytes)
  return verify('sha256', proofText, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
}

function sign(connection: Connection, key: Handle, mechanism: number, data: Buffer, bytes: number): Buffer {
  const session = connection.session()
  connection.lib.C_SignInit(session, { mechanism }, key)
  return connection.lib.C_Sign(session, data, Buffer.alloc(bytes))
}

function decrypts({ connection, privateKey, publicKey, kind }: Halves): boolean {
  const { oaep: mode } = connection.profile
  if (mode === 'none') throw new HsmError('unsupported', 'this token does no RSA-OAEP')
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }
  const ciphertext = publicEncrypt({ key: publicKey, ...padding }, proofDigest)
  try {
    const choice = { hash: 'sha1', mode, modulusBytes: modulusBytesOf(kind) } as const
    return oaepDecrypt(connection.lib, connection.session(), privateKey, ciphertext, choice).equals(proofDigest)
  } catch (error) {
    if (error instanceof HsmError && error.kind === 'ciphertext-invalid') return false
    throw error
  }
}

function agrees({ connection, privateKey, publicKey, kind }: Halves): boolean {
  const namedCurve = publicKey.asymmetricKeyDetails?.namedCurve ?? ''
  const other = generateKeyPairSync('ec', { namedCurve })
  const secret = diffieHellman({ privateKey: other.privateKey, publicKey })
  return timingSafeEqual(secret, derived(connection, privateKey, pointOf(other.publicKey), curveOf(kind).fieldBytes))
}

function derived(connection: Connection, key: Handle, publicData: Buffer, bytes: number): Buffer {
  const { lib } = connection
  const session = connection.session()
  const parameter = { type: pkcs11.CK_PARAMS_EC_DH, kdf: pkcs11.CKD_NULL, publicData }
  const secret = lib.C_DeriveKey(session, { mechanism: pkcs11.CKM_ECDH1_DERIVE, parameter }, key, [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY }, { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_GENERIC_SECRET },
    { type: pkcs11.CKA_TOKEN, value: false }, { type: pkcs11.CKA_SENSITIVE, value: false }, { type: pkcs11.CKA_EXTRACTABLE, value: true },
    { type: pkcs11.CKA_VALUE_LEN, value: bytes },
  ])
  try {
    const [read] = lib.C_GetAttributeValue(session, secret, [{ type: pkcs11.CKA_VALUE }])
    return read?.value as Buffer
  } finally {
    lib.C_DestroyObject(session, secret)
  }
}

/** RFC 8017, section 9.2, of SHA-256. */
function digestInfo(digest: Buffer): Buffer {
  return Buffer.from(encodeDer(derSequence(derSequence(derOid('2.16.840.1.101.3.4.2.1'), derNull()), derOctetString(digest))))
}
