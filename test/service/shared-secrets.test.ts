import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { expect } from 'chai'
import { deriveSharedSecret } from '../../src/api/shared-secrets.js'
import { derBitString, derOid, derSequence, encodeDer } from '../../src/domain/der.js'
import type { KeySpec } from '../../src/domain/key-spec.js'
import { curves, objectIds, type CurveName } from '../../src/domain/object-ids.js'
import { newKeyOf, openssl, publicKeyOf } from '../support/keys-by-spec.js'
import { refused } from '../support/refusal.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'
import { sharedServiceSuite } from '../support/service-suite.js'
import { call } from '../support/services.js'

const cases: readonly (readonly [KeySpec, CurveName, string])[] = [
  ['ECC_NIST_P256', 'p256', 'P-256'], ['ECC_NIST_P384', 'p384', 'P-384'], ['ECC_NIST_P521', 'p521', 'P-521'],
]

const spkiOf = (key: KeyObject) => key.export({ format: 'der', type: 'spki' })
const pointOf = (key: KeyObject) => {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return { x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url') }
}
const infoOf = (curve: CurveName, point: Uint8Array, algorithm: string = objectIds.ecPublicKey) =>
  encodeDer(derSequence(derSequence(derOid(algorithm), derOid(curves[curve].oid)), derBitString(point)))

describe('DeriveSharedSecret', () => {
  printSeedOfFailures()
  const on = sharedServiceSuite()
  const keys = new Map<string, string>()

  before(async () => {
    for (const [spec, curve] of cases) keys.set(curve, await newKeyOf(on.services, spec, 'KEY_AGREEMENT'))
  })

  const derive = (curve: CurveName, PublicKey: Uint8Array, DryRun = false) =>
    call(on.services, deriveSharedSecret, { KeyId: keys.get(curve) ?? '', KeyAgreementAlgorithm: 'ECDH', PublicKey, DryRun })

  for (const [spec, curve, namedCurve] of cases) {
    describe(`with ${spec}`, () => {
      it('gives what the other side works out', async () => {
        for (let round = 0; round < 5; round++) {
          const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
          const KeyId = keys.get(curve) ?? ''
          const { SharedSecret = new Uint8Array(), ...rest } = await derive(curve, spkiOf(publicKey))
          expect(rest).to.deep.equal({ KeyId, KeyAgreementAlgorithm: 'ECDH', KeyOrigin: 'AWS_KMS' })
          expect(SharedSecret).to.have.length(curves[curve].fieldBytes)
          expect(Buffer.from(SharedSecret)).to.deep.equal(diffieHellman({ privateKey, publicKey: await publicKeyOf(on.services, KeyId) }))
        }
      })

      it('takes a compressed point', async () => {
        const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
        const { x, y } = pointOf(publicKey)
        const compressed = infoOf(curve, Buffer.concat([Buffer.from([2 + ((y.at(-1) ?? 0) & 1)]), x]))
        const { SharedSecret = new Uint8Array() } = await derive(curve, compressed)
        const key = await publicKeyOf(on.services, keys.get(curve) ?? '')
        expect(Buffer.from(SharedSecret)).to.deep.equal(diffieHellman({ privateKey, publicKey: key }))
      })

      it('refuses, without a word, a point that is not on the curve', async () => {
        const { x, y } = pointOf(generateKeyPairSync('ec', { namedCurve }).publicKey)
        y[y.length - 1] = (y.at(-1) ?? 0) ^ 1
        const points = [
          Buffer.concat([Buffer.from([4]), x, y]), Buffer.concat([Buffer.from([6 + ((y.at(-1) ?? 0) & 1)]), x, y]),
          Buffer.concat([Buffer.from([4]), Buffer.alloc(x.length * 2)]), Buffer.from([0]), Buffer.alloc(0),
          Buffer.concat([Buffer.from([4]), Buffer.alloc(x.length * 2, 0xff)]), Buffer.concat([Buffer.from([4]), x]),
        ]
        for (const point of points) {
          const refusal = await refused(derive(curve, infoOf(curve, point)), 'ValidationException')
          expect(refusal.message).to.equal('')
          await refused(derive(curve, infoOf(curve, point), true), 'ValidationException')
        }
      })
    })
  }

  it('refuses keys of other curves and of other kinds', async () => {
    const others = [
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey, generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey,
      generateKeyPairSync('ed25519').publicKey, generateKeyPairSync('x25519').publicKey,
      generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
    ]
    for (const other of others) await refused(derive('p256', spkiOf(other)), 'ValidationException')
  })

  it('refuses explicit curve parameters, another algorithm and bytes behind the end', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { x, y } = pointOf(publicKey)
    const point = Buffer.concat([Buffer.from([4]), x, y])
    await refused(derive('p256', infoOf('p256', point, '1.3.132.1.12')), 'ValidationException')
    await refused(derive('p256', Buffer.concat([spkiOf(publicKey), Buffer.alloc(1)])), 'ValidationException')
    await refused(derive('p256', point), 'ValidationException')
    const pem = Buffer.from(privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const explicit = openssl(['pkey', '-in', '{key}', '-pubout', '-ec_param_enc', 'explicit'], { key: pem })
    const bytes = Buffer.from(explicit.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    expect(createPublicKey(explicit).asymmetricKeyType).to.equal('ec')
    await refused(derive('p256', bytes), 'ValidationException')
  })

  it('answers every other byte string with a refusal', async () => {
    const choice = seeded('peer keys')
    const good = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(good)
      const at = choice.below(bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << choice.below(8))
      await refused(derive('p256', choice.oneIn(4) ? bytes.subarray(0, at + 1) : bytes), 'ValidationException')
    }
  })

  it('refuses a key for something else before it looks at the other side', async () => {
    const KeyId = await newKeyOf(on.services, 'ECC_NIST_P256', 'SIGN_VERIFY')
    const given = { KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey: Buffer.from('no key') } as const
    const refusal = await refused(call(on.services, deriveSharedSecret, given), 'InvalidKeyUsageException')
    expect(refusal.message).to.equal(`${KeyId} key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret.`)
  })

  it('derives nothing in a dry run', async () => {
    await refused(derive('p256', spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey), true), 'DryRunOperationException')
  })

  it('leaves no object in the token, and no secret in the audit log', async () => {
    const before = (await on.hsm.list()).length
    const { SharedSecret = new Uint8Array() } = await derive('p256', spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey))
    expect((await on.hsm.list()).length).to.equal(before)
    const event = on.audit.events.at(-1)
    expect(event).to.include({ eventName: 'DeriveSharedSecret', readOnly: true, responseElements: null })
    expect(JSON.stringify(event)).to.not.include(Buffer.from(SharedSecret).toString('base64'))
  })
})
