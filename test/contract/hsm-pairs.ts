import {
  constants, createHash, createPublicKey, diffieHellman, generateKeyPairSync, publicEncrypt, randomBytes, verify, type KeyObject,
} from 'node:crypto'
import { expect } from 'chai'
import { newKeyId } from '../../src/domain/key-id.js'
import type { OaepAlgorithm, SigningAlgorithm } from '../../src/domain/key-spec.js'
import { backingKey, type Material, type MaterialKind } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { refused } from './hsm-samples.js'

interface SigningCase {
  readonly kind: MaterialKind
  readonly algorithm: SigningAlgorithm
  readonly bytes: number
}

type RsaBits = 2048 | 3072 | 4096

const rsaAlgorithms: readonly SigningAlgorithm[] = [
  'RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_384', 'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512',
]
const curveCases: readonly SigningCase[] = [
  { kind: 'ecdsa-p256', algorithm: 'ECDSA_SHA_256', bytes: 64 },
  { kind: 'ecdsa-p384', algorithm: 'ECDSA_SHA_384', bytes: 96 },
  { kind: 'ecdsa-p521', algorithm: 'ECDSA_SHA_512', bytes: 132 },
  { kind: 'ecdsa-secp256k1', algorithm: 'ECDSA_SHA_256', bytes: 64 },
  { kind: 'ed25519', algorithm: 'ED25519_SHA_512', bytes: 64 },
]
const oaepHashes = { RSAES_OAEP_SHA_1: 'sha1', RSAES_OAEP_SHA_256: 'sha256' } as const
const message = Buffer.from('a message that is signed')

/** Everything with key pairs, against other software. A kind that the token does not offer is skipped. */
export function pairsContract(hsm: () => Hsm, rsaBits: readonly RsaBits[]): void {
  const signing = [
    ...rsaBits.flatMap(bits => rsaAlgorithms.map(algorithm => ({ kind: `rsa-${bits}-sign`, algorithm, bytes: bits / 8 } as const))),
    ...curveCases,
  ]
  for (const kind of new Set(signing.map(each => each.kind))) {
    describe(kind, () => signingContract(hsm, signing.filter(each => each.kind === kind)))
  }
  for (const bits of rsaBits) describe(`rsa-${bits}-encrypt`, () => encryptionContract(hsm, bits))
  for (const kind of ['ecdh-p256', 'ecdh-p384', 'ecdh-p521'] as const) describe(kind, () => agreementContract(hsm, kind))
}

/** Makes a pair for one describe, or skips it. */
function withPair(hsm: () => Hsm, kind: MaterialKind): { readonly material: Material, readonly publicKey: () => KeyObject } {
  const material = backingKey(newKeyId(randomBytes(16)), 1, kind)
  let publicKey: KeyObject | undefined
  before(async function () {
    if (!hsm().kinds.has(kind)) this.skip()
    await hsm().createMaterial(material)
    publicKey = createPublicKey({ key: Buffer.from(await hsm().publicKey(material)), format: 'der', type: 'spki' })
  })
  after(async () => { await hsm().destroyMaterial(material) })
  return { material, publicKey: () => publicKey as KeyObject }
}

function signingContract(hsm: () => Hsm, cases: readonly SigningCase[]): void {
  const [{ kind }] = cases as readonly [SigningCase]
  const { material, publicKey } = withPair(hsm, kind)

  for (const { algorithm, bytes } of cases) {
    it(`${algorithm} verifies in other software, and in the token`, async () => {
      const input = inputOf(algorithm, message)
      const signature = await hsm().sign(material, algorithm, input)
      expect(signature).to.have.length(bytes)
      expect(verifiesElsewhere(algorithm, publicKey(), signature)).to.equal(true)
      expect(await hsm().verify(material, algorithm, input, signature)).to.equal(true)
    })

    it(`${algorithm} does not verify of anything else`, async () => {
      const input = inputOf(algorithm, message)
      const signature = Uint8Array.from(await hsm().sign(material, algorithm, input))
      expect(await hsm().verify(material, algorithm, inputOf(algorithm, Buffer.from('another')), signature)).to.equal(false)
      for (const at of [0, bytes >> 1, bytes - 1]) {
        const changed = signature.with(at, (signature[at] as number) ^ 1)
        expect(await hsm().verify(material, algorithm, input, changed), `byte ${at}`).to.equal(false)
      }
      for (const wrong of [new Uint8Array(), signature.subarray(1), Buffer.concat([signature, Buffer.alloc(1)])]) {
        expect(await hsm().verify(material, algorithm, input, wrong), `${wrong.length} bytes`).to.equal(false)
      }
      // Numbers out of range: zero, and as large as can be.
      for (const fill of [0, 0xff]) {
        expect(await hsm().verify(material, algorithm, input, Buffer.alloc(bytes, fill)), `filled with ${fill}`).to.equal(false)
      }
    })
  }

  it('does nothing that is not of its kind', async () => {
    const { algorithm } = cases[0] as SigningCase
    await refused(hsm().sign(material, kind.startsWith('rsa') ? 'ECDSA_SHA_256' : 'RSASSA_PSS_SHA_256', Buffer.alloc(32)), 'configuration')
    await refused(hsm().mac(material, message), 'configuration')
    await refused(hsm().decrypt(material, 'RSAES_OAEP_SHA_1', Buffer.alloc(256)), 'configuration')
    await refused(hsm().deriveSharedSecret(material, Buffer.alloc(65, 4)), 'configuration')
    if (kind === 'ed25519') return
    await refused(hsm().sign(material, algorithm, Buffer.alloc(31)), 'configuration')
    await refused(hsm().verify(material, algorithm, Buffer.alloc(31), Buffer.alloc(64)), 'configuration')
  })

  if (kind !== 'ed25519') return
  it('is never plain Ed25519 when Ed25519ph was asked for', async () => {
    const digest = createHash('sha512').update(message).digest()
    const signature = await hsm().sign(material, 'ED25519_PH_SHA_512', digest).catch(error => {
      expect(error).to.have.property('kind', 'unsupported')
      return undefined
    })
    if (signature) expect(verify(null, digest, publicKey(), signature)).to.equal(false)
    else await refused(hsm().verify(material, 'ED25519_PH_SHA_512', digest, Buffer.alloc(64)), 'unsupported')
  })
}

function inputOf(algorithm: SigningAlgorithm, of: Buffer): Buffer {
  return algorithm.startsWith('ED25519') ? of : createHash(`sha${algorithm.slice(-3)}`).update(of).digest()
}

function verifiesElsewhere(algorithm: SigningAlgorithm, key: KeyObject, signature: Uint8Array): boolean {
  if (algorithm === 'ED25519_SHA_512') return verify(null, message, key, signature)
  const bits = algorithm.slice(-3)
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(bits) / 8 }
  return verify(`sha${bits}`, message, { key, dsaEncoding: 'ieee-p1363', ...algorithm.includes('PSS') ? pss : {} }, signature)
}

function encryptionContract(hsm: () => Hsm, bits: RsaBits): void {
  const { material, publicKey } = withPair(hsm, `rsa-${bits}-encrypt`)
  for (const [algorithm, oaepHash] of Object.entries(oaepHashes) as [OaepAlgorithm, 'sha1' | 'sha256'][]) {
    const longest = bits / 8 - 2 * (oaepHash === 'sha1' ? 20 : 32) - 2

    it(`${algorithm} opens what other software encrypted, and what it encrypted itself`, async () => {
      for (const length of [1, 32, longest]) {
        const plaintext = randomBytes(length)
        const theirs = publicEncrypt({ key: publicKey(), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, plaintext)
        expect(plaintext.equals(await hsm().decrypt(material, algorithm, theirs))).to.equal(true)
        const ours = await hsm().encrypt(material, algorithm, plaintext)
        expect(ours).to.have.length(bits / 8)
        expect(plaintext.equals(await hsm().decrypt(material, algorithm, ours))).to.equal(true)
        expect(Buffer.compare(ours, await hsm().encrypt(material, algorithm, plaintext))).not.to.equal(0)
      }
    })

    it(`${algorithm} refuses every defect alike`, async () => {
      const good = Uint8Array.from(await hsm().encrypt(material, algorithm, message))
      const other = algorithm === 'RSAES_OAEP_SHA_1' ? 'RSAES_OAEP_SHA_256' : 'RSAES_OAEP_SHA_1'
      const messages = new Set<string>()
      for (const ciphertext of [
        good.with(9, (good[9] as number) ^ 1), good.subarray(1), Buffer.concat([good, Buffer.alloc(1)]), new Uint8Array(),
        Buffer.alloc(good.length), Buffer.alloc(good.length, 0xff),
      ]) messages.add((await refused(hsm().decrypt(material, algorithm, ciphertext), 'ciphertext-invalid')).message)
      messages.add((await refused(hsm().decrypt(material, other, good), 'ciphertext-invalid')).message)
      expect(messages.size).to.equal(1)
      expect(message.equals(await hsm().decrypt(material, algorithm, good))).to.equal(true)
    })

    it(`${algorithm} refuses more than fits`, () =>
      refused(hsm().encrypt(material, algorithm, Buffer.alloc(longest + 1)), 'configuration'))
  }

  it('cannot sign', () => refused(hsm().sign(material, 'RSASSA_PSS_SHA_256', Buffer.alloc(32)), 'configuration'))
}

function agreementContract(hsm: () => Hsm, kind: 'ecdh-p256' | 'ecdh-p384' | 'ecdh-p521'): void {
  const { material, publicKey } = withPair(hsm, kind)

  it('agrees with other software on the secret', async () => {
    for (let peer = 0; peer < 5; peer++) {
      const { point, privateKey } = otherSide(publicKey())
      const expected = diffieHellman({ privateKey, publicKey: publicKey() })
      expect(expected.equals(await hsm().deriveSharedSecret(material, point))).to.equal(true)
    }
  })

  it('leaves nothing in the token', async () => {
    const before = await hsm().capacity()
    await hsm().deriveSharedSecret(material, otherSide(publicKey()).point)
    expect((await hsm().capacity()).used).to.equal(before.used)
  })

  it('refuses what is no uncompressed point of its curve', async () => {
    const { point } = otherSide(publicKey())
    const [longer, compressed] = [Buffer.concat([point, Buffer.alloc(1)]), Buffer.concat([Buffer.of(2), point.subarray(1)])]
    for (const wrong of [point.subarray(1), longer, Buffer.alloc(0), compressed]) {
      await refused(hsm().deriveSharedSecret(material, wrong), 'configuration')
    }
  })

  it('cannot sign', () => refused(hsm().sign(material, 'ECDSA_SHA_256', Buffer.alloc(32)), 'configuration'))
}

function otherSide(key: KeyObject): { readonly point: Buffer, readonly privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: key.asymmetricKeyDetails?.namedCurve ?? '' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  return { point: Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]), privateKey }
}
