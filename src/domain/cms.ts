import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import {
  contextTag, der, DerError, DerReader, derNull, derOctetString, derOid, derSequence, derTags, derUnsigned, encodeDer,
} from './der.js'
import { objectIds } from './object-ids.js'

/** The sizes of RSA keys that data may be enveloped for, in bits, and their smallest exponent (SP 800-56B rev. 2 section 6.2). */
const modulusBits: readonly (number | undefined)[] = [2048, 3072, 4096]
const exponentMin = 65_537n

/** Whom an envelope is for. */
export interface EnvelopeKey {
  readonly key: KeyObject
  /** SHA-1 of the bits of the public key (RFC 5280 section 4.2.1.2): a name, which protects nothing. */
  readonly identifier: Uint8Array
}

/** The RSA key in a SubjectPublicKeyInfo, DER; undefined if it is not one that we envelope for. */
export function envelopeKey(spki: Uint8Array): EnvelopeKey | undefined {
  try {
    const bits = rsaBits(spki)
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    const { modulusLength, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
    if (!modulusBits.includes(modulusLength) || publicExponent < exponentMin) return undefined
    // OpenSSL passes over bytes behind the end, and takes other encodings than DER.
    if (!key.export({ format: 'der', type: 'spki' }).equals(spki)) return undefined
    return { key, identifier: createHash('sha1').update(bits).digest() }
  } catch {
    return undefined
  }
}

/**
 * The bits of a SubjectPublicKeyInfo of RSA; throws for any other. Before OpenSSL is given it: to it the point at infinity of an elliptic
 * curve is a key, and Node 20 aborts the process when it is asked about that.
 */
function rsaBits(spki: Uint8Array): Uint8Array {
  const reader = DerReader.only(spki)
  const algorithm = reader.enter()
  if (algorithm.oid() !== objectIds.rsaEncryption) throw new DerError('the key is not one of RSA')
  algorithm.null()
  algorithm.end()
  const bits = reader.bitString()
  reader.end()
  return bits
}

export interface Envelope {
  readonly recipient: Pick<EnvelopeKey, 'identifier'>
  /** The content key under RSAES-OAEP, SHA-256 for hash and mask. */
  readonly encryptedKey: Uint8Array
  readonly iv: Uint8Array
  /** Under AES-256-CBC, padded as PKCS #7 pads. */
  readonly ciphertext: Uint8Array
}

const oids = {
  envelopedData: '1.2.840.113549.1.7.3', data: '1.2.840.113549.1.7.1', oaep: '1.2.840.113549.1.1.7', mgf1: '1.2.840.113549.1.1.8',
  sha256: '2.16.840.1.101.3.4.2.1', aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const

/** Of EnvelopedData and of a KeyTransRecipientInfo that names its key by subjectKeyIdentifier (RFC 5652 sections 6.1 and 6.2.1). */
const version = 2

/**
 * EnvelopedData in its ContentInfo (RFC 5652). The outer layers have indefinite lengths, the inner ones are DER: AWS KMS writes it so, and
 * the parser of the Nitro Enclaves SDK for C steps into nothing else.
 */
export function envelopedData({ recipient, encryptedKey, iv, ciphertext }: Envelope): Uint8Array {
  const recipientInfo = derSequence(
    derUnsigned(version), der(contextTag(0, 'primitive'), recipient.identifier), oaepIdentifier(), derOctetString(encryptedKey),
  )
  const contentInfo = indefinite(derTags.sequence,
    encodeDer(derOid(oids.data)),
    encodeDer(derSequence(derOid(oids.aes256Cbc), derOctetString(iv))),
    indefinite(contextTag(0), encodeDer(derOctetString(ciphertext))),
  )
  return indefinite(derTags.sequence,
    encodeDer(derOid(oids.envelopedData)),
    indefinite(contextTag(0), indefinite(derTags.sequence,
      encodeDer(derUnsigned(version)), encodeDer(der(derTags.set, recipientInfo)), contentInfo)),
  )
}

/** RSAES-OAEP-params with the label left out (RFC 8017 appendix A.2.1). */
function oaepIdentifier() {
  const sha256 = derSequence(derOid(oids.sha256), derNull())
  return derSequence(derOid(oids.oaep), derSequence(
    der(contextTag(0), sha256), der(contextTag(1), derSequence(derOid(oids.mgf1), sha256)),
  ))
}

/** BER: a constructed element whose end is marked instead of told (X.690 section 8.1.3.6). */
function indefinite(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(tag, 0x80), ...parts, Uint8Array.of(0, 0)])
}
