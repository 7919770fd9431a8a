import { createHash, generateKeyPairSync } from 'node:crypto'
import type { CreateKeyCommandInput } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { inCustomKeyStore, type WithCustomKeyStore } from './with-custom-key-store.js'
import { accountId } from '../support/callers.js'
import { suite, type Suite } from './suite.js'

/*
 * Every operation on a key, every state of a key, every usage of a key (KMS developer guide, Key states of AWS KMS keys). What is expected
 * stands here a second time on purpose: src/domain/key-state.ts is what is tested.
 */

const kinds = {
  symmetric: {},
  rsa: { KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' },
  signing: { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
  mac: { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
  agreement: { KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' },
} as const satisfies Record<string, CreateKeyCommandInput>
type Kind = keyof typeof kinds

/** PendingReplicaDeletion and Unavailable exist for symmetric keys only: of several regions, in a custom key store. */
const states = ['Enabled', 'Disabled', 'PendingDeletion', 'PendingImport', 'PendingReplicaDeletion', 'Unavailable'] as const
type State = (typeof states)[number]

/** A letter as in the table of the guide; `K` wrong kind of key for this operation. */
type Letter = 'ok' | 'D' | 'P' | 'I' | 'U' | 'N' | 'X' | 'K' | '-'

interface Subject {
  readonly kind: Kind
  readonly id: string
  readonly arn: string
  /** Made while it was enabled, if it ever was. */
  readonly blob: string
  readonly signature: string
  readonly mac: string
  readonly grants: readonly string[]
}

interface Row {
  readonly operation: string
  readonly input: (subject: Subject, other: Subject) => object
  /** The kinds that it takes; all if not given. */
  readonly takes?: readonly Kind[]
  /** The error for any other kind. */
  readonly otherwise?: string
  /** Enabled, Disabled, PendingDeletion (and PendingReplicaDeletion), PendingImport, Unavailable. */
  readonly letters: readonly [Letter, Letter, Letter, Letter, Letter]
}

/** A user that every installation has. */
const someone = `arn:aws:iam::${accountId}:user/administrator`
const text = Buffer.from('state').toString('base64')
const digest = createHash('sha256').update('state').digest('base64')
const peer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
const byKey = ({ id }: Subject) => ({ KeyId: id })
const encryption = ({ kind }: Subject) => kind === 'rsa' ? 'RSAES_OAEP_SHA_256' : 'SYMMETRIC_DEFAULT'
const policy = JSON.stringify({ Statement: { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'kms:*', Resource: '*' } })

const use = ['ok', 'D', 'P', 'I', 'U'] as const
const read = ['ok', 'ok', 'ok', 'ok', 'ok'] as const
const change = ['ok', 'ok', 'P', 'ok', 'ok'] as const
const encrypting = ['symmetric', 'rsa'] as const
const invalidUsage = 'InvalidKeyUsageException'
const unsupported = 'UnsupportedOperationException'
const symmetricOnly = { takes: ['symmetric'], otherwise: unsupported } as const
const signing = { takes: ['signing'], otherwise: invalidUsage, letters: use } as const
const mac = { takes: ['mac'], otherwise: invalidUsage, letters: use } as const
const dataKey = { takes: ['symmetric'], otherwise: invalidUsage } as const
const nothing = { takes: [], otherwise: invalidUsage, letters: use } as const

const table: readonly Row[] = [
  {
    operation: 'Encrypt', takes: encrypting, otherwise: invalidUsage, letters: use,
    input: key => ({ KeyId: key.id, Plaintext: text, EncryptionAlgorithm: encryption(key) }),
  },
  {
    operation: 'Decrypt', takes: encrypting, otherwise: 'IncorrectKeyException', letters: use,
    input: key => ({ KeyId: key.id, CiphertextBlob: key.blob, EncryptionAlgorithm: encryption(key) }),
  },
  {
    operation: 'ReEncrypt', takes: encrypting, otherwise: invalidUsage, letters: use,
    input: (key, other) => ({ CiphertextBlob: other.blob, DestinationKeyId: key.id, DestinationEncryptionAlgorithm: encryption(key) }),
  },
  { operation: 'GenerateDataKey', ...dataKey, letters: use, input: key => ({ KeyId: key.id, KeySpec: 'AES_256' }) },
  { operation: 'GenerateDataKeyWithoutPlaintext', ...dataKey, letters: use, input: key => ({ KeyId: key.id, NumberOfBytes: 32 }) },
  {
    operation: 'GenerateDataKeyPair', ...dataKey, letters: ['ok', 'D', 'P', 'I', 'X'],
    input: key => ({ KeyId: key.id, KeyPairSpec: 'ECC_NIST_P256' }),
  },
  {
    operation: 'GenerateDataKeyPairWithoutPlaintext', ...dataKey, letters: ['ok', 'D', 'P', 'I', 'X'],
    input: key => ({ KeyId: key.id, KeyPairSpec: 'ECC_NIST_P256' }),
  },
  { operation: 'Sign', ...signing, input: key => ({ KeyId: key.id, Message: text, SigningAlgorithm: 'ECDSA_SHA_256' }) },
  {
    operation: 'Verify', ...signing,
    input: ({ id, signature }) =>
      ({ KeyId: id, Message: digest, MessageType: 'DIGEST', Signature: signature, SigningAlgorithm: 'ECDSA_SHA_256' }),
  },
  { operation: 'GenerateMac', ...mac, input: key => ({ KeyId: key.id, Message: text, MacAlgorithm: 'HMAC_SHA_256' }) },
  { operation: 'VerifyMac', ...mac, input: key => ({ KeyId: key.id, Message: text, MacAlgorithm: 'HMAC_SHA_256', Mac: key.mac }) },
  {
    operation: 'DeriveSharedSecret', takes: ['agreement'], otherwise: invalidUsage, letters: use,
    input: key => ({ KeyId: key.id, KeyAgreementAlgorithm: 'ECDH', PublicKey: peer }),
  },
  { operation: 'Encapsulate', ...nothing, input: key => ({ KeyId: key.id, EncapsulationAlgorithm: 'ML_KEM' }) },
  {
    operation: 'Decapsulate', ...nothing,
    input: key => ({ KeyId: key.id, EncapsulationAlgorithm: 'ML_KEM', SharedSecretCiphertextBlob: Buffer.alloc(768).toString('base64') }),
  },
  {
    operation: 'GetPublicKey', takes: ['rsa', 'signing', 'agreement'], otherwise: unsupported, letters: ['ok', 'ok', 'P', 'I', 'U'],
    input: byKey,
  },
  {
    operation: 'CreateGrant', letters: ['ok', 'D', 'P', 'I', 'ok'],
    input: key => ({ KeyId: key.id, GranteePrincipal: someone, Operations: ['DescribeKey'] }),
  },
  { operation: 'DescribeKey', letters: read, input: byKey },
  { operation: 'GetKeyPolicy', letters: read, input: byKey },
  { operation: 'PutKeyPolicy', letters: read, input: key => ({ KeyId: key.id, Policy: policy }) },
  { operation: 'ListKeyPolicies', letters: read, input: byKey },
  { operation: 'ListAliases', letters: read, input: byKey },
  { operation: 'ListGrants', letters: read, input: byKey },
  { operation: 'ListResourceTags', letters: read, input: byKey },
  { operation: 'GetKeyLastUsage', letters: read, input: byKey },
  { operation: 'RetireGrant', letters: ['ok', 'ok', 'ok', '-', 'ok'], input: ({ arn, grants }) => ({ KeyId: arn, GrantId: grants[0] }) },
  { operation: 'RevokeGrant', letters: ['ok', 'ok', 'ok', '-', 'ok'], input: ({ id, grants }) => ({ KeyId: id, GrantId: grants[1] }) },
  { operation: 'CreateAlias', letters: change, input: key => ({ AliasName: `alias/of-${key.id}`, TargetKeyId: key.id }) },
  { operation: 'UpdateKeyDescription', letters: change, input: key => ({ KeyId: key.id, Description: 'x' }) },
  { operation: 'TagResource', letters: change, input: key => ({ KeyId: key.id, Tags: [{ TagKey: 'a', TagValue: 'b' }] }) },
  { operation: 'UntagResource', letters: change, input: key => ({ KeyId: key.id, TagKeys: ['a'] }) },
  { operation: 'GetKeyRotationStatus', ...symmetricOnly, letters: ['ok', 'ok', 'ok', 'X', 'X'], input: byKey },
  { operation: 'ListKeyRotations', ...symmetricOnly, letters: ['ok', 'ok', 'ok', 'ok', 'X'], input: byKey },
  { operation: 'EnableKeyRotation', ...symmetricOnly, letters: ['ok', 'D', 'P', 'X', 'X'], input: byKey },
  { operation: 'DisableKeyRotation', ...symmetricOnly, letters: ['ok', 'D', 'P', 'X', 'X'], input: byKey },
  { operation: 'RotateKeyOnDemand', ...symmetricOnly, letters: ['ok', 'D', 'P', 'I', 'X'], input: byKey },
  {
    operation: 'GetParametersForImport', letters: ['X', 'X', 'X', 'ok', 'X'],
    input: key => ({ KeyId: key.id, WrappingAlgorithm: 'RSA_AES_KEY_WRAP_SHA_256', WrappingKeySpec: 'RSA_2048' }),
  },
  { operation: 'DeleteImportedKeyMaterial', letters: ['X', 'X', 'X', 'ok', 'X'], input: byKey },
  // Of the keys here only the one that waits for its replica is a multi-Region key.
  { operation: 'ReplicateKey', letters: ['X', 'X', 'X', 'X', 'X'], input: key => ({ KeyId: key.id, ReplicaRegion: 'eu-west-3' }) },
  { operation: 'UpdatePrimaryRegion', letters: ['X', 'X', 'X', 'X', 'X'], input: key => ({ KeyId: key.id, PrimaryRegion: 'eu-west-3' }) },
  // The last rows leave another state behind.
  { operation: 'CancelKeyDeletion', letters: ['N', 'N', 'ok', 'N', 'N'], input: byKey },
  { operation: 'EnableKey', letters: ['ok', 'ok', 'P', 'I', 'ok'], input: byKey },
  { operation: 'DisableKey', letters: ['ok', 'ok', 'P', 'I', 'ok'], input: byKey },
  { operation: 'ScheduleKeyDeletion', letters: ['ok', 'ok', 'P', 'ok', 'ok'], input: byKey },
]

/** After an `ok` the key is in another state than it was. */
const stateChanging: readonly string[] = ['CancelKeyDeletion', 'EnableKey', 'DisableKey', 'ScheduleKeyDeletion']
const column: Readonly<Record<State, 0 | 1 | 2 | 3 | 4>> = {
  Enabled: 0, Disabled: 1, PendingDeletion: 2, PendingReplicaDeletion: 2, PendingImport: 3, Unavailable: 4,
}
const words = { P: 'pending deletion', I: 'pending import', U: 'unavailable', N: 'not pending deletion' } as const

describe('every operation, in every state, on every usage of a key', () => {
  const custom: WithCustomKeyStore = inCustomKeyStore()
  const on = suite({ settings: Object.assign(custom.settings, { accountId }) })
  let other: Subject

  before(async () => {
    await custom.create(on)
    other = await subject('symmetric', 'Enabled')
  })

  async function subject(kind: Kind, state: State): Promise<Subject> {
    if (state === 'Unavailable') await custom.connect()
    const { KeyMetadata: { KeyId: id = '', Arn: arn = '' } = {} } = await on.kms.createKey({
      ...kinds[kind],
      ...state === 'PendingImport' && { Origin: 'EXTERNAL' as const },
      ...state === 'PendingReplicaDeletion' && { MultiRegion: true },
      ...state === 'Unavailable' && { Origin: 'AWS_CLOUDHSM' as const, CustomKeyStoreId: custom.id },
    })
    const made = state === 'PendingImport' ? nothingMade : await makings(on, kind, id)
    if (state === 'Disabled') await on.kms.disableKey({ KeyId: id })
    if (state === 'PendingReplicaDeletion') await on.kms.replicateKey({ KeyId: id, ReplicaRegion: 'eu-west-3' })
    if (state.startsWith('Pending') && state !== 'PendingImport') await on.kms.scheduleKeyDeletion({ KeyId: id })
    if (state === 'Unavailable') await custom.disconnect()
    return { kind, id, arn, ...made, blob: made.blob || other?.blob || '' }
  }

  for (const state of states) {
    const few = state === 'PendingReplicaDeletion' || state === 'Unavailable'
    for (const kind of few ? ['symmetric'] as const : Object.keys(kinds) as Kind[]) {
      describe(`${state}, ${kind}`, () => {
        let shared: Subject | undefined
        for (const row of table) {
          const letter = letterOf(row, kind, state)
          if (letter === '-') continue
          it(`${row.operation}: ${letter}`, async () => {
            const own = letter === 'ok' && stateChanging.includes(row.operation)
            const key = own ? await subject(kind, state) : shared ??= await subject(kind, state)
            const { status, json } = await on.call(row.operation, row.input(key, other))
            expect({ status, type: json.__type }).to.deep.equal({ status: letter === 'ok' ? 200 : 400, type: typeOf(letter, row) })
            if (letter in words) expect(json.message).to.equal(`${key.arn} is ${words[letter as keyof typeof words]}.`)
          })
        }
      })
    }
  }
})

function letterOf({ operation, takes, letters }: Row, kind: Kind, state: State): Letter {
  if (takes && !takes.includes(kind)) return 'K'
  // The one multi-Region primary here: as its state says.
  if (state === 'PendingReplicaDeletion' && ['ReplicateKey', 'UpdatePrimaryRegion'].includes(operation)) return 'P'
  return letters[column[state]]
}

function typeOf(letter: Letter, { otherwise }: Row): string | undefined {
  if (letter === 'ok') return undefined
  if (letter === 'K') return otherwise
  if (letter === 'D') return 'DisabledException'
  return letter === 'X' ? unsupported : 'KMSInvalidStateException'
}

type Makings = Pick<Subject, 'blob' | 'signature' | 'mac' | 'grants'>
/** Not empty: that would break a constraint before anything is asked of the key. */
const nothingMade: Makings = { blob: '', signature: 'AAAA', mac: 'AAAA', grants: [] }

/** What the key made, and what was made for it, while it was enabled. */
async function makings(on: Suite, kind: Kind, id: string): Promise<Makings> {
  const grant = { KeyId: id, GranteePrincipal: someone, Operations: ['DescribeKey' as const] }
  const grants = [await on.kms.createGrant(grant), await on.kms.createGrant(grant)].map(({ GrantId: grantId = '' }) => grantId)
  const made = { ...nothingMade, grants }
  const base64 = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('base64')
  const Message = Buffer.from('state')
  switch (kind) {
    case 'symmetric': return { ...made, blob: base64((await on.kms.encrypt({ KeyId: id, Plaintext: Message })).CiphertextBlob) }
    case 'rsa': {
      const encrypted = await on.kms.encrypt({ KeyId: id, Plaintext: Message, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' })
      return { ...made, blob: base64(encrypted.CiphertextBlob) }
    }
    case 'signing':
      return { ...made, signature: base64((await on.kms.sign({ KeyId: id, Message, SigningAlgorithm: 'ECDSA_SHA_256' })).Signature) }
    case 'mac': return { ...made, mac: base64((await on.kms.generateMac({ KeyId: id, Message, MacAlgorithm: 'HMAC_SHA_256' })).Mac) }
    case 'agreement': return made
  }
}
