import { generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto'
import { encode } from 'cborg'
import {
  contextTag, der, derBitString, derOctetString, derOid, derSequence, derTags, derUnsigned, encodeDer, type DerNode,
} from '../../src/domain/der.js'

/** A Nitro of our own: certificates and attestation documents, right or wrong in any way. */

export interface CertificateOptions {
  readonly issuer?: Authority
  readonly name?: string
  readonly notBefore?: number
  readonly notAfter?: number
  readonly ca?: boolean
  readonly pathLength?: number
  /** Bits of KeyUsage. Without it: keyCertSign for an authority, digitalSignature for the rest. */
  readonly keyUsage?: number
  readonly curve?: 'P-384' | 'P-256'
  /** Of the signature on it. */
  readonly hash?: 'sha384' | 'sha1'
  /** DER of further extensions. */
  readonly extensions?: readonly DerNode[]
}

/** A certificate and its private key. */
export interface Authority { readonly name: string, readonly certificate: X509Certificate, readonly key: KeyObject }

const dayMs = 86_400_000
const oids = { commonName: '2.5.4.3', basicConstraints: '2.5.29.19', keyUsage: '2.5.29.15' } as const
const ecdsaWith = { sha384: '1.2.840.10045.4.3.3', sha1: '1.2.840.10045.4.1' } as const

export function makeCertificate(now: number, options: CertificateOptions = {}): Authority {
  const {
    issuer, name = `test ${randomBytes(4).toString('hex')}`, notBefore = now - dayMs, notAfter = now + dayMs, ca = true, pathLength,
    keyUsage = ca ? 0x04 : 0x80, curve = 'P-384', hash = 'sha384', extensions = [],
  } = options
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve })
  const algorithm = derSequence(derOid(ecdsaWith[hash]))
  const tbs = derSequence(
    der(contextTag(0), derUnsigned(2)), derUnsigned(randomBytes(8)), algorithm, nameOf(issuer?.name ?? name),
    derSequence(timeOf(notBefore), timeOf(notAfter)), nameOf(name), publicKey.export({ format: 'der', type: 'spki' }),
    der(contextTag(3), derSequence(
      extension(oids.basicConstraints, derSequence(
        ...ca ? [der(derTags.boolean, Uint8Array.of(0xff))] : [], ...pathLength === undefined ? [] : [derUnsigned(pathLength)])),
      extension(oids.keyUsage, der(derTags.bitString, Uint8Array.of(0, keyUsage))),
      ...extensions,
    )),
  )
  const signature = sign(hash, encodeDer(tbs), issuer?.key ?? privateKey)
  const certificate = new X509Certificate(encodeDer(derSequence(tbs, algorithm, derBitString(signature))))
  return { name, certificate, key: privateKey }
}

export function extension(oid: string, value: DerNode): DerNode {
  return derSequence(derOid(oid), der(derTags.boolean, Uint8Array.of(0xff)), derOctetString(encodeDer(value)))
}

function nameOf(commonName: string): DerNode {
  return derSequence(der(derTags.set, derSequence(derOid(oids.commonName), der(0x0c, Buffer.from(commonName)))))
}

/** GeneralizedTime. */
function timeOf(time: number): DerNode {
  return der(0x18, Buffer.from(`${new Date(time).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`))
}

/** From the root to whom signs. */
export interface Chain { readonly authorities: readonly Authority[], readonly signer: Authority }

/** A root, as many authorities below it, and a signer. */
export function makeChain(now: number, below = 2): Chain {
  const authorities = [makeCertificate(now)]
  for (let at = 0; at < below; at++) authorities.push(makeCertificate(now, { ...issuedBy(authorities.at(-1)) }))
  return { authorities, signer: makeCertificate(now, { ...issuedBy(authorities.at(-1)), ca: false }) }
}

function issuedBy(issuer: Authority | undefined): CertificateOptions {
  return issuer ? { issuer } : {}
}

export function rootOf({ authorities: [root] }: Chain): X509Certificate {
  if (!root) throw new Error('the chain has no root')
  return root.certificate
}

export interface DocumentOptions {
  /** Replace members of the payload; undefined leaves one out. */
  readonly members?: Readonly<Record<string, unknown>>
  /** In place of the encoded payload. */
  readonly payload?: Uint8Array
  readonly protectedHeader?: Uint8Array
  readonly unprotectedHeader?: ReadonlyMap<unknown, unknown>
  readonly tagged?: boolean
  /** Whose signature it has, if not the chain's signer's. */
  readonly signedWith?: KeyObject
  readonly hash?: string
}

export const moduleId = 'i-1234567890abcdef0-enc0123456789abcdef'

/** COSE_Sign1 around a payload like Nitro's. */
export function attestationDocument(chain: Chain, now: number, publicKey: Uint8Array | null, options: DocumentOptions = {}): Buffer {
  const { protectedHeader = encode(new Map([[1, -35]])), unprotectedHeader = new Map(), tagged = false } = options
  const payload = options.payload ?? payloadOf(chain, now, publicKey, options.members)
  const toSign = encode(['Signature1', protectedHeader, new Uint8Array(), payload])
  const key = options.signedWith ?? chain.signer.key
  const signature = sign(options.hash ?? 'sha384', toSign, { key, dsaEncoding: 'ieee-p1363' })
  const structure = encode([protectedHeader, unprotectedHeader, payload, signature])
  return Buffer.concat([...tagged ? [Uint8Array.of(0xd2)] : [], structure])
}

export function payloadOf(
  { authorities, signer }: Chain, now: number, publicKey: Uint8Array | null, members: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  const all = {
    module_id: moduleId, digest: 'SHA384', timestamp: now,
    pcrs: new Map(Array.from({ length: 16 }, (_, index) => [index, Buffer.alloc(48, index)])),
    certificate: signer.certificate.raw, cabundle: authorities.map(({ certificate }) => certificate.raw),
    public_key: publicKey, user_data: null, nonce: null, ...members,
  }
  return encode(new Map(Object.entries(all).filter(([, value]) => value !== undefined)))
}

/** RSA, as an enclave makes one: the half that goes into the document, and the half that stays. */
export function enclaveKey(modulusLength = 2048): { readonly publicKey: Buffer, readonly privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
  return { publicKey: publicKey.export({ format: 'der', type: 'spki' }), privateKey }
}
