import type { KeySpec } from '../../domain/key-spec.js'

/** What one operation of the API asks of a token, and where it differs from AWS KMS: a row of the README's table. Markdown. */
export interface OperationNote {
  /** Names of PKCS#11; '-' for an operation that uses no key and no generator of the HSM. */
  readonly needs: string
  /** Whether SoftHSM 2.6 can: `yes`, `part: …` (what not), `no: …` (why). */
  readonly softhsm: 'yes' | `part: ${string}` | `no: ${string}`
  /** Empty where it does what AWS KMS does. */
  readonly differences: string
}

/** The same of one KeySpec, beside what domain/key-spec.ts says of it. */
export type KeySpecNote = Pick<OperationNote, 'softhsm' | 'differences'>

const gcm = 'CKM_AES_GCM, or CKM_AES_CBC with CKM_SHA256_HMAC'
const oaep = 'RSA: CKM_RSA_PKCS_OAEP or CKM_RSA_X_509'
const generator = 'C_GenerateRandom'
const recipient = '`Recipient` only with `attestation.roots`'
const sameServer = 'both Regions are served by one server'
const managed = 'no pending state: done when the call returns'

/** Without a use of the HSM, and as AWS KMS does it. */
const plain: OperationNote = { needs: '-', softhsm: 'yes', differences: '' }

function note(needs: string, softhsm: OperationNote['softhsm'] = 'yes', differences = ''): OperationNote {
  return { needs, softhsm, differences }
}

function differs(differences: string): OperationNote {
  return { ...plain, differences }
}

const encrypts = (differences = '') => note(`${gcm}; ${oaep}`, 'yes', differences)
const makesDataKeys = (differences = '') => note(`${gcm}; ${generator}`, 'yes', differences)
const pairs = 'made in the server from random bytes of the HSM, to be used outside it; ML-KEM private keys in their seed form (RFC 9935); '
  + 'SM2 only where OpenSSL has the curve'
const signs = note('CKM_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_ECDSA, CKM_EDDSA or CKM_ML_DSA, by key spec',
  'part: no ML-DSA, no ED25519_PH_SHA_512', '`EXTERNAL_MU` is refused: PKCS#11 has no mechanism that takes μ')
const macs = note('CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC or CKM_SHA512_HMAC')
const encapsulates = note('CKM_ML_KEM and its functions of PKCS#11 3.2', 'no: it is PKCS#11 2.40',
  'tried with an imitation only: the binding does not have these functions yet')

/** All 56, by name. */
export const operationNotes: Readonly<Record<string, OperationNote>> = {
  CreateKey: note('what its key spec needs, [below](#key-specs)', 'part: no ML-DSA, ML-KEM, SM2',
    'external key stores are refused'),
  DescribeKey: plain,
  ListKeys: plain,
  EnableKey: plain,
  DisableKey: plain,
  UpdateKeyDescription: plain,
  ScheduleKeyDeletion: differs('the HSM objects are destroyed within minutes of the date'),
  CancelKeyDeletion: plain,
  GetPublicKey: note('readable public-key attributes'),
  GetKeyLastUsage: differs('after a crash the last minute may be missing'),
  ReplicateKey: differs(
    `${sameServer}, and the replica uses the HSM objects of the primary, or material of its own if it is imported; ${managed}`,
  ),
  UpdatePrimaryRegion: differs(`${sameServer}; ${managed}`),

  Encrypt: encrypts('an encryption context with an RSA key is a `ValidationException`'),
  Decrypt: encrypts(recipient),
  ReEncrypt: encrypts(),
  GenerateDataKey: makesDataKeys(recipient),
  GenerateDataKeyWithoutPlaintext: makesDataKeys(),
  GenerateDataKeyPair: makesDataKeys(`${pairs}; ${recipient}`),
  GenerateDataKeyPairWithoutPlaintext: makesDataKeys(pairs),
  GenerateRandom: note(generator, 'yes', recipient),

  Sign: signs,
  Verify: signs,
  GenerateMac: macs,
  VerifyMac: macs,
  DeriveSharedSecret: note('CKM_ECDH1_DERIVE', 'yes', recipient),
  Encapsulate: encapsulates,
  Decapsulate: encapsulates,

  GetParametersForImport: note('CKM_RSA_PKCS_KEY_PAIR_GEN', 'yes', '`RSAES_PKCS1_V1_5` and `SM2PKE` are refused'),
  ImportKeyMaterial: note('CKM_RSA_PKCS_OAEP, CKM_AES_KEY_WRAP_KWP; or the server unwraps, where the profile allows that',
    'part: unwrapped in the server, the bytes overwritten at once', 'the key\'s evidence says where it was unwrapped'),
  DeleteImportedKeyMaterial: plain,

  CreateAlias: plain,
  UpdateAlias: plain,
  DeleteAlias: plain,
  ListAliases: differs('`alias/aws/<service>` is there from its first use on'),
  CreateGrant: differs('no more than 1,000 grants of a grantee that need the same pair of the encryption context, or have CreateGrant'),
  ListGrants: plain,
  ListRetirableGrants: plain,
  RetireGrant: plain,
  RevokeGrant: plain,
  PutKeyPolicy: plain,
  GetKeyPolicy: plain,
  ListKeyPolicies: plain,
  TagResource: plain,
  UntagResource: plain,
  ListResourceTags: plain,

  EnableKeyRotation: plain,
  DisableKeyRotation: plain,
  GetKeyRotationStatus: differs('`OnDemandRotationStartDate` never appears'),
  RotateKeyOnDemand: note('CKM_AES_KEY_GEN', 'yes', managed),
  ListKeyRotations: differs('in order of time'),

  CreateCustomKeyStore: differs('the cluster is a token of the configuration; `KeyStorePassword` must be given and is not used, because '
    + 'the PIN comes from the configuration; external key stores are refused'),
  UpdateCustomKeyStore: differs('a `KeyStorePassword` is not used'),
  DeleteCustomKeyStore: plain,
  DescribeCustomKeyStores: plain,
  ConnectCustomKeyStore: note('C_Login'),
  DisconnectCustomKeyStore: note('C_Logout'),
}

const yes: KeySpecNote = { softhsm: 'yes', differences: '' }
const untried: KeySpecNote = { softhsm: 'no: it is PKCS#11 2.40', differences: 'no token with it was at hand' }

export const keySpecNotes: Readonly<Record<KeySpec, KeySpecNote>> = {
  SYMMETRIC_DEFAULT: yes,
  HMAC_224: yes, HMAC_256: yes, HMAC_384: yes, HMAC_512: yes,
  RSA_2048: yes, RSA_3072: yes, RSA_4096: yes,
  ECC_NIST_P256: yes, ECC_NIST_P384: yes, ECC_NIST_P521: yes, ECC_SECG_P256K1: yes,
  ECC_NIST_EDWARDS25519: {
    softhsm: 'part: ED25519_SHA_512 only', differences: 'ED25519_PH_SHA_512 is refused where the token ignores its parameter',
  },
  ML_DSA_44: untried, ML_DSA_65: untried, ML_DSA_87: untried,
  ML_KEM_512: untried, ML_KEM_768: untried, ML_KEM_1024: untried,
  SM2: { softhsm: 'no: PKCS#11 has no mechanism for it', differences: 'refused; AWS has it in China only' },
}

/** Profiles by where they let imported material be unwrapped: the `import` of adapters/pkcs11/profiles. */
export const importWays: Readonly<Record<string, readonly string[]>> = {
  'inside the HSM': ['luna', 'nshield'],
  'inside the HSM, secret keys only': ['nss'],
  'in the server, bytes overwritten at once': ['softhsm', 'opencryptoki'],
  'refused': ['cloudhsm', 'yubihsm', 'p11-kit', 'generic'],
}
