import { constants, createHash, verify as verifies, type KeyObject } from 'node:crypto'
import { expect } from 'chai'
import { disableKey } from '../../src/api/keys.js'
import { sign, verify } from '../../src/api/signing.js'
import { ecdsaToDer } from '../../src/domain/ecdsa-signature.js'
import type { KeySpec, SigningAlgorithm } from '../../src/domain/key-spec.js'
import { newKeyOf, openssl, publicKeyOf } from '../support/keys-by-spec.js'
import { refused } from '../support/refusal.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'
import { sharedServiceSuite } from '../support/service-suite.js'
import { call } from '../support/services.js'

const text = Buffer.from('a text to be signed')
/** Input is overwritten by the call. */
const message = () => Buffer.from(text)
const digestOf = (algorithm: string, of: Uint8Array = text) => createHash(`sha${algorithm.slice(-3)}`).update(of).digest()

const rsa: readonly SigningAlgorithm[] = [
  'RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_384', 'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512',
]
const hashed: Readonly<Partial<Record<KeySpec, readonly SigningAlgorithm[]>>> = {
  RSA_2048: rsa, RSA_3072: rsa, RSA_4096: rsa,
  ECC_NIST_P256: ['ECDSA_SHA_256'], ECC_NIST_P384: ['ECDSA_SHA_384'], ECC_NIST_P521: ['ECDSA_SHA_512'], ECC_SECG_P256K1: ['ECDSA_SHA_256'],
}

/** Whether node:crypto takes it for a signature of the text. */
function isSignature(algorithm: SigningAlgorithm, key: KeyObject, signature: Uint8Array): boolean {
  if (algorithm.startsWith('ED25519')) return verifies(null, text, key, signature)
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return verifies(`sha${algorithm.slice(-3)}`, text, { key, ...algorithm.includes('PSS') && pss }, signature)
}

describe('Sign and Verify', () => {
  printSeedOfFailures()
  const on = sharedServiceSuite()
  const keys = new Map<KeySpec, string>()

  before(async function () {
    this.timeout(300_000)
    for (const spec of [...Object.keys(hashed), 'ECC_NIST_EDWARDS25519'] as KeySpec[]) {
      keys.set(spec, await newKeyOf(on.services, spec, 'SIGN_VERIFY'))
    }
  })

  const keyOf = (spec: KeySpec) => keys.get(spec) ?? ''
  const signed = (spec: KeySpec, SigningAlgorithm: SigningAlgorithm, Message = message(), MessageType: 'RAW' | 'DIGEST' = 'RAW') =>
    call(on.services, sign, { KeyId: keyOf(spec), SigningAlgorithm, Message, MessageType })
  const verified = (
    spec: KeySpec, SigningAlgorithm: SigningAlgorithm, Signature: Uint8Array, Message = message(), MessageType: 'RAW' | 'DIGEST' = 'RAW',
  ) => call(on.services, verify, { KeyId: keyOf(spec), SigningAlgorithm, Message, MessageType, Signature })

  for (const [spec, algorithms] of Object.entries(hashed) as [KeySpec, readonly SigningAlgorithm[]][]) {
    describe(`with ${spec}`, () => {
      for (const algorithm of algorithms) {
        it(`${algorithm} of a text or its digest is what node:crypto verifies`, async () => {
          const { Signature: ofText = new Uint8Array(), KeyId, SigningAlgorithm } = await signed(spec, algorithm)
          expect({ KeyId, SigningAlgorithm }).to.deep.equal({ KeyId: keyOf(spec), SigningAlgorithm: algorithm })
          const { Signature: ofDigest = new Uint8Array() } = await signed(spec, algorithm, digestOf(algorithm), 'DIGEST')
          const key = await publicKeyOf(on.services, keyOf(spec))
          expect(isSignature(algorithm, key, ofText)).to.equal(true)
          expect(isSignature(algorithm, key, ofDigest)).to.equal(true)
          expect(await verified(spec, algorithm, ofText, digestOf(algorithm), 'DIGEST')).to.deep.equal({
            KeyId: keyOf(spec), SignatureValid: true, SigningAlgorithm: algorithm,
          })
          await verified(spec, algorithm, ofDigest)
          await refused(verified(spec, algorithm, ofText, Buffer.from('another text')), 'KMSInvalidSignatureException')
        })
      }

      it('refuses a digest of another length and what is no signature', async () => {
        const algorithm = algorithms[0] as SigningAlgorithm
        const wrong = await refused(signed(spec, algorithm, Buffer.alloc(31), 'DIGEST'), 'ValidationException')
        expect(wrong.message).to.equal(`Digest is invalid length for algorithm ${algorithm}.`)
        const { Signature = new Uint8Array() } = await signed(spec, algorithm)
        const choice = seeded(`signatures ${spec}`)
        for (let round = 0; round < 25; round++) {
          const damaged = Buffer.from(Signature)
          const at = choice.below(damaged.length)
          damaged[at] = (damaged[at] ?? 0) ^ (1 << choice.below(8))
          const cut = choice.oneIn(3) ? damaged.subarray(0, 1 + choice.below(damaged.length)) : damaged
          const refusal = await refused(verified(spec, algorithm, choice.oneIn(5) ? choice.bytes(1 + choice.below(600)) : cut),
            'KMSInvalidSignatureException')
          expect(refusal.message).to.equal('')
        }
      })
    })
  }

  it('take numbers out of range for what they are: no signature', async () => {
    for (const [spec, [algorithm = 'ECDSA_SHA_256'] = []] of Object.entries(hashed) as [KeySpec, readonly SigningAlgorithm[]][]) {
      const [zeros, ones] = [0, 0xff].map(byte => Buffer.alloc(spec.startsWith('RSA') ? Number(spec.slice(4)) / 8 : 32, byte))
      for (const wrong of [zeros, ones] as readonly Buffer[]) {
        const bytes = spec.startsWith('RSA') ? wrong : ecdsaToDer(Buffer.concat([wrong, wrong]))
        await refused(verified(spec, algorithm, bytes), 'KMSInvalidSignatureException')
      }
    }
    await refused(verified('ECC_NIST_EDWARDS25519', 'ED25519_SHA_512', Buffer.alloc(64, 0xff)), 'KMSInvalidSignatureException')
    await refused(verified('ECC_NIST_EDWARDS25519', 'ED25519_SHA_512', Buffer.alloc(64)), 'KMSInvalidSignatureException')
    await refused(verified('RSA_2048', 'RSASSA_PSS_SHA_512', Buffer.alloc(6144, 1)), 'KMSInvalidSignatureException')
  })

  describe('with ECC_NIST_EDWARDS25519', () => {
    const spec = 'ECC_NIST_EDWARDS25519'

    it('ED25519_SHA_512 is what node:crypto verifies', async () => {
      const { Signature = new Uint8Array() } = await signed(spec, 'ED25519_SHA_512')
      expect(Signature).to.have.length(64)
      expect(isSignature('ED25519_SHA_512', await publicKeyOf(on.services, keyOf(spec)), Signature)).to.equal(true)
      await verified(spec, 'ED25519_SHA_512', Signature)
      await refused(verified(spec, 'ED25519_SHA_512', Signature, Buffer.from('another text')), 'KMSInvalidSignatureException')
      for (const length of [1, 63, 65, 128]) {
        await refused(verified(spec, 'ED25519_SHA_512', Buffer.alloc(length, 1)), 'KMSInvalidSignatureException')
      }
    })

    it('takes each algorithm with its own message type only', async () => {
      await refused(signed(spec, 'ED25519_SHA_512', digestOf('512'), 'DIGEST'), 'ValidationException')
      await refused(signed(spec, 'ED25519_PH_SHA_512'), 'ValidationException')
      await refused(signed(spec, 'ED25519_PH_SHA_512', digestOf('256'), 'DIGEST'), 'ValidationException')
    })

    it('ED25519_PH_SHA_512 is refused where the token has it not, and never another signature', async () => {
      const outcome = signed(spec, 'ED25519_PH_SHA_512', digestOf('512'), 'DIGEST')
      const refusal = await refused(outcome, 'UnsupportedOperationException')
      expect(refusal.message).to.not.equal('')
    })
  })

  describe('as the openssl program sees it', () => {
    const cases: readonly (readonly [KeySpec, SigningAlgorithm, readonly string[]])[] = [
      ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_256', ['-sha256']],
      ['RSA_3072', 'RSASSA_PSS_SHA_384', ['-sha384', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest']],
      ['ECC_NIST_P521', 'ECDSA_SHA_512', ['-sha512']],
      ['ECC_SECG_P256K1', 'ECDSA_SHA_256', ['-sha256']],
    ]
    for (const [spec, algorithm, options] of cases) {
      it(`${algorithm} of ${spec} verifies`, async () => {
        const { Signature = new Uint8Array() } = await signed(spec, algorithm)
        const key = Buffer.from((await publicKeyOf(on.services, keyOf(spec))).export({ format: 'pem', type: 'spki' }))
        const files = { key, signature: Signature, text }
        expect(openssl(['dgst', ...options, '-verify', '{key}', '-signature', '{signature}', '{text}'], files)).to.match(/Verified OK/)
      })
    }

    it('ED25519_SHA_512 verifies', async () => {
      const { Signature = new Uint8Array() } = await signed('ECC_NIST_EDWARDS25519', 'ED25519_SHA_512')
      const key = Buffer.from((await publicKeyOf(on.services, keyOf('ECC_NIST_EDWARDS25519'))).export({ format: 'pem', type: 'spki' }))
      const verify = ['pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', '{key}', '-sigfile', '{signature}', '-in', '{text}']
      expect(openssl(verify, { key, signature: Signature, text })).to.match(/Verified Successfully/)
    })
  })

  describe('refuse', () => {
    it('an algorithm that the key has not, and a key for something else', async () => {
      const wrong = await refused(signed('ECC_NIST_P256', 'ECDSA_SHA_384'), 'InvalidKeyUsageException')
      expect(wrong.message).to.equal('Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.')
      const hmac = await newKeyOf(on.services, 'HMAC_256', 'GENERATE_VERIFY_MAC')
      const other = await refused(
        call(on.services, sign, { KeyId: hmac, SigningAlgorithm: 'ECDSA_SHA_256', Message: message() }), 'InvalidKeyUsageException',
      )
      expect(other.message).to.equal(`${hmac} key usage is GENERATE_VERIFY_MAC which is not valid for Sign.`)
      await refused(call(on.services, sign, { KeyId: hmac, SigningAlgorithm: 'SM2DSA', Message: message() }), 'InvalidKeyUsageException')
    })

    it('EXTERNAL_MU for anything but ML-DSA, and of another length', async () => {
      const given = { KeyId: keyOf('ECC_NIST_P256'), MessageType: 'EXTERNAL_MU' } as const
      await refused(call(on.services, sign, { ...given, SigningAlgorithm: 'ECDSA_SHA_256', Message: message() }), 'ValidationException')
      await refused(call(on.services, sign, { ...given, SigningAlgorithm: 'ML_DSA_SHAKE_256', Message: message() }), 'ValidationException')
      await refused(
        call(on.services, sign, { ...given, SigningAlgorithm: 'ML_DSA_SHAKE_256', Message: Buffer.alloc(64) }), 'InvalidKeyUsageException',
      )
    })

    it('a disabled key', async () => {
      const KeyId = await newKeyOf(on.services, 'ECC_NIST_P256', 'SIGN_VERIFY')
      await call(on.services, disableKey, { KeyId })
      await refused(call(on.services, sign, { KeyId, SigningAlgorithm: 'ECDSA_SHA_256', Message: message() }), 'DisabledException')
    })
  })

  it('make no signature in a dry run, and still look at one', async () => {
    const given = { KeyId: keyOf('ECC_NIST_P256'), SigningAlgorithm: 'ECDSA_SHA_256', DryRun: true } as const
    await refused(call(on.services, sign, { ...given, Message: message() }), 'DryRunOperationException')
    const { Signature = new Uint8Array() } = await signed('ECC_NIST_P256', 'ECDSA_SHA_256')
    await refused(call(on.services, verify, { ...given, Message: message(), Signature }), 'DryRunOperationException')
    await refused(call(on.services, verify, { ...given, Message: Buffer.from('other'), Signature }), 'KMSInvalidSignatureException')
  })

  it('tell the audit log which key material signed', async () => {
    await signed('ECC_NIST_P384', 'ECDSA_SHA_384')
    const last = on.audit.events.at(-1)
    expect(last).to.include({ eventName: 'Sign', errorCode: undefined })
    expect(JSON.stringify(last?.additionalEventData)).to.include(`"keyArn":"${keyOf('ECC_NIST_P384')}","keyVersion":1`)
    expect(JSON.stringify(last)).to.not.include(text.toString('base64'))
  })
})
