import {
  constants, createDecipheriv, createHash, createHmac, diffieHellman, generateKeyPairSync, publicEncrypt, timingSafeEqual, verify,
  type KeyObject,
} from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import type { SigningAlgorithm } from '../../../../domain/key-spec.js'
import type { Material, MaterialKind } from '../../../../domain/material.js'
import { HsmError } from '../../../../ports/hsm.js'
import type { Connection } from '../connection.js'
import type { Driver } from '../driver.js'
import { returnValueOf } from '../errors.js'
import { curveOf, modulusBytesOf } from '../numbers.js'
import { additionalDataBytes, gcmTagBytes, signWith, view } from '../operations.js'
import { oaepDecrypt } from '../rsa-oaep.js'
import { ecdh } from '../session-objects.js'
import { prefixed, signingRow } from '../signing.js'
import { pointOf } from './templates.js'

/*
 * What was imported is used once, before anybody relies on it. The driver's own operations are not used for key pairs: they would take a
 * wrong signature for a broken device, and try to mend it.
 */

/** Of the driver. */
export type Trier = Pick<Driver, 'seal' | 'mac'>

const proofText = Buffer.from('claviger: is this key what it was said to be?')
const proofDigest = createHash('sha256').update(proofText).digest()
const livenessBytes = 16

/** What a token may say when it cannot work with a private key, and also when it fails itself. */
const leavesOpen: readonly number[] = [
  pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_ARGUMENTS_BAD, pkcs11.CKR_DATA_INVALID,
  pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_KEY_TYPE_INCONSISTENT,
]

/** A private key object of the token, and what it must be the other half of. */
interface Halves {
  readonly connection: Connection
  readonly material: Material
  readonly privateKey: Handle
  readonly publicKey: KeyObject
}

/** Whether a secret key object of kind `gcm` or `hmac-sha-*` is these bytes. */
export function isSecret(driver: Trier, material: Material, key: Uint8Array): boolean {
  const hash = /^hmac-sha-(\d+)$/.exec(material.kind)?.[1]
  if (hash !== undefined) {
    return timingSafeEqual(driver.mac(material, proofText), createHmac(`sha${hash}`, view(key)).update(proofText).digest())
  }
  const additionalData = Buffer.alloc(additionalDataBytes)
  const { iv, ciphertext } = driver.seal(material, proofText, additionalData)
  const decipher = createDecipheriv('aes-256-gcm', view(key), iv, { authTagLength: gcmTagBytes })
  decipher.setAAD(additionalData).setAuthTag(ciphertext.subarray(-gcmTagBytes))
  try {
    decipher.update(ciphertext.subarray(0, -gcmTagBytes))
    decipher.final()
    return true
  } catch {
    return false
  }
}

/** Whether a private key in the token is the other half of this public one; what speaks against it is believed the second time. */
export function belongsTogether(connection: Connection, material: Material, publicKey: KeyObject): boolean {
  const once = (): boolean => works({ connection, material, publicKey, privateKey: connection.handles(material)[0] as Handle })
  return connection.repeatable('trying an imported key', () => once() || once(), material)
}

function works(halves: Halves): boolean {
  const { connection, material: { kind } } = halves
  try {
    if (kind.endsWith('-encrypt')) return decrypts(halves)
    return kind.startsWith('ecdh-') ? agrees(halves) : signs(halves)
  } catch (error) {
    if (error instanceof HsmError && error.kind === 'ciphertext-invalid') return false
    if (!leavesOpen.includes(returnValueOf(error) ?? 0)) throw error
    // On a device that works otherwise the key is to blame, and costs it no session.
    connection.lib.C_GenerateRandom(connection.session(), Buffer.alloc(livenessBytes))
    return false
  }
}

function signs({ connection, material, privateKey, publicKey }: Halves): boolean {
  const algorithm = signingAlgorithm(material.kind)
  const hash = algorithm === 'ED25519_SHA_512' ? null : `sha${algorithm.slice(-3)}`
  const input = hash === null ? proofText : createHash(hash).update(proofText).digest()
  const row = signingRow(material, algorithm, input)
  const { lib } = connection
  const signature = signWith(lib, connection.session(), row.mechanism, privateKey, prefixed(row, input), row.signatureBytes(material.kind))
  return verify(hash, proofText, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
}

function signingAlgorithm(kind: MaterialKind): SigningAlgorithm {
  if (kind.startsWith('rsa-')) return 'RSASSA_PKCS1_V1_5_SHA_256'
  if (kind === 'ed25519') return 'ED25519_SHA_512'
  if (kind === 'ecdsa-p384') return 'ECDSA_SHA_384'
  return kind === 'ecdsa-p521' ? 'ECDSA_SHA_512' : 'ECDSA_SHA_256'
}

function decrypts({ connection, material, privateKey, publicKey }: Halves): boolean {
  const { oaep: mode } = connection.profile
  if (mode === 'none') throw new HsmError('unsupported', 'this token does no RSA-OAEP')
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }
  const ciphertext = publicEncrypt({ key: publicKey, ...padding }, proofDigest)
  const choice = { hash: 'sha1', mode, modulusBytes: modulusBytesOf(material.kind) } as const
  return oaepDecrypt(connection.lib, connection.session(), privateKey, ciphertext, choice).equals(proofDigest)
}

function agrees({ connection, material, privateKey, publicKey }: Halves): boolean {
  const namedCurve = publicKey.asymmetricKeyDetails?.namedCurve ?? ''
  const other = generateKeyPairSync('ec', { namedCurve })
  const expected = diffieHellman({ privateKey: other.privateKey, publicKey })
  const secret = ecdh(connection, privateKey, pointOf(other.publicKey), curveOf(material.kind).fieldBytes)
  try {
    return timingSafeEqual(expected, secret)
  } finally {
    expected.fill(0)
    secret.fill(0)
  }
}
