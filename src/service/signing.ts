import { hash } from 'node:crypto'
import * as api from '../api/signing.js'
import type { Input } from '../api/shape.js'
import { ecdsaFromDer, ecdsaToDer } from '../domain/ecdsa-signature.js'
import { KmsError } from '../domain/errors.js'
import type { SigningAlgorithm } from '../domain/key-spec.js'
import type { UsableKey } from '../domain/key-state.js'
import { fitsUse } from './key-fit.js'
import { onKey } from './operation.js'
import type { Services } from './services.js'

type MessageType = 'RAW' | 'DIGEST' | 'EXTERNAL_MU'
type SigningInput = Pick<Input<typeof api.sign>, 'Message' | 'MessageType' | 'SigningAlgorithm'>

/** What a message may be: `digestBytes` for those that are not the message itself. */
interface AlgorithmRow {
  /** What RAW messages are hashed with here; absent where the HSM takes the message as it is. */
  readonly hash?: 'sha256' | 'sha384' | 'sha512'
  readonly types: readonly MessageType[]
  readonly digestBytes: number
}

const sha256 = { hash: 'sha256', types: ['RAW', 'DIGEST'], digestBytes: 32 } as const
const sha384 = { hash: 'sha384', types: ['RAW', 'DIGEST'], digestBytes: 48 } as const
const sha512 = { hash: 'sha512', types: ['RAW', 'DIGEST'], digestBytes: 64 } as const

/** KMS API Reference, Sign, MessageType. SM2DSA is missing: no key can have it. */
const algorithms: Readonly<Record<SigningAlgorithm, AlgorithmRow> & Partial<Record<'SM2DSA', AlgorithmRow>>> = {
  RSASSA_PKCS1_V1_5_SHA_256: sha256, RSASSA_PKCS1_V1_5_SHA_384: sha384, RSASSA_PKCS1_V1_5_SHA_512: sha512,
  RSASSA_PSS_SHA_256: sha256, RSASSA_PSS_SHA_384: sha384, RSASSA_PSS_SHA_512: sha512,
  ECDSA_SHA_256: sha256, ECDSA_SHA_384: sha384, ECDSA_SHA_512: sha512,
  ED25519_SHA_512: { types: ['RAW'], digestBytes: 64 },
  // The digest is hashed once more inside: what AWS KMS calls DIGEST is to the algorithm its message.
  ED25519_PH_SHA_512: { types: ['DIGEST'], digestBytes: 64 },
  ML_DSA_SHAKE_256: { types: ['RAW', 'EXTERNAL_MU'], digestBytes: 64 },
}

/** Length of the order of the curve, of which an ECDSA signature has two. */
const orderBytes: Readonly<Partial<Record<string, number>>> = {
  ECC_NIST_P256: 32, ECC_NIST_P384: 48, ECC_NIST_P521: 66, ECC_SECG_P256K1: 32,
}

export const sign = onKey(api.sign, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  check: checkMessage,
  fits: (key, input) => { fitsUse(key, 'Sign', 'SIGN_VERIFY', input.SigningAlgorithm) },
  key: input => input.KeyId,
  async run({ key, input, used }, { backingKeys }) {
    const toSign = inputOf(input)
    const { result, version } = await backingKeys.use(key, (hsm, material) => hsm.sign(material, toSign.algorithm, toSign.bytes))
    used(key.key, version)
    const Signature = orderBytes[key.key.keySpec] === undefined ? result : ecdsaToDer(result)
    return { KeyId: key.key.arn, Signature, SigningAlgorithm: input.SigningAlgorithm }
  },
  rehearse: async ({ input }) => void inputOf(input),
})

export const verify = onKey(api.verify, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  check: checkMessage,
  fits: (key, input) => { fitsUse(key, 'Verify', 'SIGN_VERIFY', input.SigningAlgorithm) },
  key: input => input.KeyId,
  async run({ key, input, used }, services) {
    const version = await checkSignature(key, input, services)
    used(key.key, version)
    return { KeyId: key.key.arn, SignatureValid: true, SigningAlgorithm: input.SigningAlgorithm }
  },
  async rehearse({ keys: [key], input }, services) {
    if (key) await checkSignature(key, input, services)
  },
})

async function checkSignature(key: UsableKey, input: SigningInput & { readonly Signature: Uint8Array }, { backingKeys }: Services) {
  const signed = inputOf(input)
  const order = orderBytes[key.key.keySpec]
  const signature = order === undefined ? input.Signature : ecdsaFromDer(input.Signature, order)
  if (!signature) throw new KmsError('KMSInvalidSignatureException')
  const { result: valid, version } = await backingKeys.use(
    key, (hsm, material) => hsm.verify(material, signed.algorithm, signed.bytes, signature),
  )
  if (!valid) throw new KmsError('KMSInvalidSignatureException')
  return version
}

function checkMessage(input: SigningInput): void {
  const { MessageType: type, SigningAlgorithm: name, Message: message } = input
  const row = algorithms[name]
  // Refused by its key, whichever that is.
  if (!row) return
  if (!row.types.includes(type)) throw new KmsError('ValidationException', `Message type ${type} is not valid for algorithm ${name}.`)
  if (type !== 'RAW' && message.length !== row.digestBytes) {
    throw new KmsError('ValidationException', `Digest is invalid length for algorithm ${name}.`)
  }
}

/** What the HSM is given: see `sign` of ports/hsm.ts. */
function inputOf({ MessageType: type, Message: message, SigningAlgorithm: name }: SigningInput) {
  // CKM_ML_DSA of PKCS#11 3.2 makes μ itself, and has no form that takes it.
  if (type === 'EXTERNAL_MU') {
    throw new KmsError('UnsupportedOperationException', 'MessageType EXTERNAL_MU is not supported: PKCS#11 has no mechanism for it.')
  }
  // The key has this algorithm, so it is one of ours.
  const algorithm = name as SigningAlgorithm
  const { hash: hashName } = algorithms[algorithm]
  return { algorithm, bytes: type === 'RAW' && hashName ? hash(hashName, message, 'buffer') : message }
}
