import { ml_dsa65 as mlDsa65 } from '@noble/post-quantum/ml-dsa.js'
import { ml_kem768 as mlKem768 } from '@noble/post-quantum/ml-kem.js'
import { expect } from 'chai'
import { getPublicKey } from '../../src/api/keys.js'
import { decapsulate, encapsulate } from '../../src/api/shared-secrets.js'
import { sign, verify } from '../../src/api/signing.js'
import { derBitString, derOid, derSequence, encodeDer } from '../../src/domain/der.js'
import { objectIds } from '../../src/domain/object-ids.js'
import { HsmError, type Hsm } from '../../src/ports/hsm.js'
import { newKeyOf } from '../support/keys-by-spec.js'
import { replacing } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { sharedServiceSuite } from '../support/service-suite.js'
import { call } from '../support/services.js'

const message = () => Buffer.from('a text to be signed')
const algorithm = { EncapsulationAlgorithm: 'ML_KEM' } as const

/**
 * A fake: SoftHSM with ML-KEM-768 and ML-DSA-65 that are not in the token at all, because no software token has them. It shows what the
 * service makes of the port, and nothing about HSMs.
 */
function fakePostQuantum(hsm: Hsm): Hsm {
  const kem = mlKem768.keygen()
  const dsa = mlDsa65.keygen()
  const own: Partial<Hsm> = {
    kinds: new Set([...hsm.kinds, 'ml-kem-768', 'ml-dsa-65']),
    createMaterial: async () => [],
    publicKey: async ({ kind }) => kind === 'ml-kem-768' ? spkiOf(kind, kem.publicKey) : spkiOf('ml-dsa-65', dsa.publicKey),
    encapsulate: async () => {
      const { sharedSecret, cipherText } = mlKem768.encapsulate(kem.publicKey)
      return { sharedSecret, ciphertext: cipherText }
    },
    decapsulate: async (_, ciphertext) => mlKem768.decapsulate(ciphertext, kem.secretKey),
    sign: async (_, _algorithm, input) => mlDsa65.sign(input, dsa.secretKey),
    verify: async (_, _algorithm, input, signature) =>
      signature.length === mlDsa65.lengths.signature && mlDsa65.verify(signature, input, dsa.publicKey),
  }
  return replacing(hsm, own)
}

describe('post-quantum keys', () => {
  const on = sharedServiceSuite()
  let kemKey: string
  let dsaKey: string

  before(async () => {
    on.restart({ hsm: fakePostQuantum(on.hsm) })
    kemKey = await newKeyOf(on.services, 'ML_KEM_768', 'ENCAPSULATE_DECAPSULATE')
    dsaKey = await newKeyOf(on.services, 'ML_DSA_65', 'SIGN_VERIFY')
  })

  it('cannot be made where the token has no mechanism for them', async () => {
    const plain = on.newServices()
    await refused(newKeyOf(plain, 'ML_KEM_768', 'ENCAPSULATE_DECAPSULATE'), 'UnsupportedOperationException')
    await refused(newKeyOf(plain, 'ML_DSA_65', 'SIGN_VERIFY'), 'UnsupportedOperationException')
  })

  describe('Encapsulate and Decapsulate', () => {
    it('come to the same secret', async () => {
      const { SharedSecret, SharedSecretCiphertextBlob = new Uint8Array(), ...rest } = await call(
        on.services, encapsulate, { KeyId: kemKey, ...algorithm },
      )
      expect(rest).to.deep.equal({ KeyId: kemKey, ...algorithm })
      expect(SharedSecret).to.have.length(32)
      expect(SharedSecretCiphertextBlob).to.have.length(1088)
      expect(await call(on.services, decapsulate, { KeyId: kemKey, ...algorithm, SharedSecretCiphertextBlob })).to.deep.equal({
        KeyId: kemKey, SharedSecret, ...algorithm,
      })
    })

    it('refuse a ciphertext of another length, and no other damage', async () => {
      for (const length of [0, 768, 1087, 1089, 1568]) {
        const given = { KeyId: kemKey, ...algorithm, SharedSecretCiphertextBlob: Buffer.alloc(length) }
        await refused(call(on.services, decapsulate, given), 'InvalidCiphertextException')
      }
      const SharedSecretCiphertextBlob = Buffer.alloc(1088)
      const { SharedSecret } = await call(on.services, decapsulate, { KeyId: kemKey, ...algorithm, SharedSecretCiphertextBlob })
      expect(SharedSecret).to.have.length(32)
    })

    it('refuse a key for something else, and do nothing in a dry run', async () => {
      await refused(call(on.services, encapsulate, { KeyId: dsaKey, ...algorithm }), 'InvalidKeyUsageException')
      await refused(call(on.services, encapsulate, { KeyId: kemKey, ...algorithm, DryRun: true }), 'DryRunOperationException')
      const decapsulated = (SharedSecretCiphertextBlob: Uint8Array) =>
        call(on.services, decapsulate, { KeyId: kemKey, ...algorithm, DryRun: true, SharedSecretCiphertextBlob })
      await refused(decapsulated(Buffer.alloc(1088)), 'DryRunOperationException')
      await refused(decapsulated(Buffer.alloc(1)), 'InvalidCiphertextException')
    })

    it('say so when the binding cannot do what the token could', async () => {
      const without = replacing(on.services.hsm, { encapsulate: () => Promise.reject(new HsmError('unsupported', 'no C_EncapsulateKey')) })
      await refused(call(on.newServices({ hsm: without }), encapsulate, { KeyId: kemKey, ...algorithm }),
        'UnsupportedOperationException')
    })
  })

  describe('Sign and Verify with ML-DSA', () => {
    const given = () => ({ KeyId: dsaKey, SigningAlgorithm: 'ML_DSA_SHAKE_256', Message: message() }) as const

    it('give the message as it is to the HSM', async () => {
      const { Signature = new Uint8Array() } = await call(on.services, sign, given())
      expect(Signature).to.have.length(3309)
      const { PublicKey = new Uint8Array() } = await call(on.services, getPublicKey, { KeyId: dsaKey })
      expect(mlDsa65.verify(Signature, message(), PublicKey.subarray(PublicKey.length - 1952))).to.equal(true)
      await call(on.services, verify, { ...given(), Signature })
      await refused(call(on.services, verify, { ...given(), Signature: Buffer.alloc(3309) }), 'KMSInvalidSignatureException')
      await refused(call(on.services, verify, { ...given(), Signature: Buffer.alloc(1) }), 'KMSInvalidSignatureException')
    })

    it('refuse EXTERNAL_MU by name, and DIGEST', async () => {
      const mu = { ...given(), MessageType: 'EXTERNAL_MU', Message: Buffer.alloc(64) } as const
      await refused(call(on.services, sign, mu), 'UnsupportedOperationException')
      await refused(call(on.services, sign, { ...mu, DryRun: true }), 'UnsupportedOperationException')
      await refused(call(on.services, verify, { ...mu, Signature: Buffer.alloc(3309) }), 'UnsupportedOperationException')
      const short = await refused(call(on.services, sign, { ...mu, Message: Buffer.alloc(63) }), 'ValidationException')
      expect(short.message).to.equal('Digest is invalid length for algorithm ML_DSA_SHAKE_256.')
      await refused(call(on.services, sign, { ...mu, MessageType: 'DIGEST' }), 'ValidationException')
    })
  })
})

function spkiOf(kind: 'ml-kem-768' | 'ml-dsa-65', bits: Uint8Array): Uint8Array {
  return encodeDer(derSequence(derSequence(derOid(objectIds[kind])), derBitString(bits)))
}
