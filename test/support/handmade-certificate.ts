import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import {
  contextTag, der, derBitString, derOctetString, derOid, derSequence, derTags, derUnsigned, encodeDer, type DerNode,
} from '../../src/domain/der.js'
import { certificateParts } from '../../src/domain/x509.js'
import type { Pair } from './pki.js'

/** Certificates such as no tool makes: with every byte of names as a test wants it (RFC 5280 section 4.1). */

export const stringTags = { utf8: 0x0c, printable: 0x13, t61: 0x14, ia5: 0x16, universal: 0x1c, bmp: 0x1e } as const

const oids = { CN: '2.5.4.3', O: '2.5.4.10', OU: '2.5.4.11' } as const

export interface Attribute {
  readonly type: keyof typeof oids
  readonly value: string | Uint8Array
  readonly tag?: number
}

/** A part of a name for each attribute; several in one part where they stand in a list. */
export function nameOf(...parts: readonly (Attribute | readonly Attribute[])[]): Uint8Array {
  return encodeDer(derSequence(...parts.map(part => der(derTags.set, ...[part].flat().map(attribute)))))
}

function attribute({ type, value, tag = stringTags.utf8 }: Attribute): DerNode {
  return derSequence(derOid(oids[type]), der(tag, Buffer.from(value)))
}

/** Of GeneralNames: what kind, and the bytes. */
export type AlternativeName = readonly ['dns' | 'uri' | 'email', string]

const nameTags = { email: 1, dns: 2, uri: 6 } as const

interface Handmade {
  readonly subject?: Uint8Array
  readonly names?: readonly AlternativeName[]
  /** In place of the names. */
  readonly alternativeNames?: Uint8Array
  /** The extension a second time. */
  readonly twice?: true
}

/** Issued by this CA, good today. */
export function handmade(ca: Pair, { subject = nameOf({ type: 'CN', value: 'somebody' }), names = [], ...more }: Handmade): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = derSequence(derOid('1.2.840.10045.4.3.2'))
  const written = more.alternativeNames
    ?? encodeDer(derSequence(...names.map(([kind, text]) => der(contextTag(nameTags[kind], 'primitive'), Buffer.from(text, 'latin1')))))
  const extension = derSequence(derOid('2.5.29.17'), derOctetString(written))
  const hasNames = names.length > 0 || more.alternativeNames !== undefined
  const tbs = encodeDer(derSequence(
    der(contextTag(0), derUnsigned(2)), derUnsigned(randomBytes(8)), algorithm,
    certificateParts(new X509Certificate(ca.certificate).raw).subject,
    derSequence(time(Date.now() - 3_600_000), time(Date.now() + 3_600_000)), subject,
    publicKey.export({ format: 'der', type: 'spki' }),
    ...hasNames ? [der(contextTag(3), derSequence(extension, ...more.twice ? [extension] : []))] : [],
  ))
  const signature = sign('sha256', tbs, createPrivateKey(ca.key))
  const certificate = Buffer.from(encodeDer(derSequence(tbs, algorithm, derBitString(signature)))).toString('base64')
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** UTCTime */
function time(ms: number): DerNode {
  return der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))
}
