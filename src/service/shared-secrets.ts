import * as api from '../api/shared-secrets.js'
import type { Input } from '../api/shape.js'
import { invalidCiphertext, KmsError } from '../domain/errors.js'
import type { KeySpec } from '../domain/key-spec.js'
import type { UsableKey } from '../domain/key-state.js'
import type { CurveName } from '../domain/object-ids.js'
import { fitsUse } from './key-fit.js'
import { onKey } from './operation.js'
import { peerPoint } from './peer-point.js'
import { answerTo } from './recipient.js'

const curveOf: Readonly<Partial<Record<KeySpec, CurveName>>> = { ECC_NIST_P256: 'p256', ECC_NIST_P384: 'p384', ECC_NIST_P521: 'p521' }

/** Lengths of ML-KEM ciphertexts (FIPS 203, table 3). */
const encapsulatedBytes: Readonly<Partial<Record<KeySpec, number>>> = { ML_KEM_512: 768, ML_KEM_768: 1088, ML_KEM_1024: 1568 }

export const deriveSharedSecret = onKey(api.deriveSharedSecret, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  fits: (key, input) => { fitsUse(key, 'DeriveSharedSecret', 'KEY_AGREEMENT', input.KeyAgreementAlgorithm) },
  key: input => input.KeyId,
  async run({ key, input, used, recipient }, { backingKeys }) {
    const point = pointFor(key, input)
    const { result, version } = await backingKeys.use(key, (hsm, material) => hsm.deriveSharedSecret(material, point))
    used(key.key, version)
    return {
      KeyId: key.key.arn,
      ...await answerTo(recipient, 'SharedSecret', result),
      KeyAgreementAlgorithm: input.KeyAgreementAlgorithm,
      KeyOrigin: key.key.origin,
    }
  },
  async rehearse({ keys: [key], input }) {
    if (key) pointFor(key, input)
  },
})

export const encapsulate = onKey(api.encapsulate, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  fits: (key, input) => { fitsUse(key, 'Encapsulate', 'ENCAPSULATE_DECAPSULATE', input.EncapsulationAlgorithm) },
  key: input => input.KeyId,
  async run({ key, input, used }, { backingKeys }) {
    const { result: { sharedSecret, ciphertext }, version } = await backingKeys.use(key, (hsm, material) => hsm.encapsulate(material))
    used(key.key, version)
    return {
      KeyId: key.key.arn,
      SharedSecret: sharedSecret,
      SharedSecretCiphertextBlob: ciphertext,
      EncapsulationAlgorithm: input.EncapsulationAlgorithm,
    }
  },
})

export const decapsulate = onKey(api.decapsulate, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  fits: (key, input) => { fitsUse(key, 'Decapsulate', 'ENCAPSULATE_DECAPSULATE', input.EncapsulationAlgorithm) },
  key: input => input.KeyId,
  async run({ key, input, used }, { backingKeys }) {
    checkLength(key, input)
    const { result, version } = await backingKeys.use(key, (hsm, material) => hsm.decapsulate(material, input.SharedSecretCiphertextBlob))
    used(key.key, version)
    return { KeyId: key.key.arn, SharedSecret: result, EncapsulationAlgorithm: input.EncapsulationAlgorithm }
  },
  async rehearse({ keys: [key], input }) {
    if (key) checkLength(key, input)
  },
})

/** Whatever is wrong with the other side's key, AWS KMS answers without a message. */
function pointFor({ key }: UsableKey, { PublicKey }: Input<typeof api.deriveSharedSecret>): Uint8Array {
  const curve = curveOf[key.keySpec]
  const point = curve && peerPoint(PublicKey, curve)
  if (!point) throw new KmsError('ValidationException')
  return point
}

/** The only defect that shows: any other ciphertext decapsulates to a secret that nobody has (FIPS 203, section 6.3). */
function checkLength({ key }: UsableKey, { SharedSecretCiphertextBlob: blob }: Input<typeof api.decapsulate>): void {
  if (blob.length !== encapsulatedBytes[key.keySpec]) throw invalidCiphertext()
}
