import { expect } from 'chai'
import { suite, type NewKey } from './suite.js'

type Outcome = 'ok' | 'disabled' | 'pending deletion' | 'not pending deletion'
interface Row {
  readonly operation: string
  readonly input: (key: NewKey, blob: string, other: NewKey) => object
  readonly Disabled: Outcome
  readonly PendingDeletion: Outcome
}

const byKey = ({ id }: NewKey) => ({ KeyId: id })
const plaintext = Buffer.from('state').toString('base64')
const row = (operation: string, Disabled: Outcome, PendingDeletion: Outcome, input: Row['input'] = byKey): Row =>
  ({ operation, input, Disabled, PendingDeletion })
const using = (operation: string, input: Row['input']) => row(operation, 'disabled', 'pending deletion', input)
const changing = (operation: string, input?: Row['input']) => row(operation, 'ok', 'pending deletion', input)
const reading = (operation: string, input?: Row['input']) => row(operation, 'ok', 'ok', input)

/** KMS developer guide, Key states of AWS KMS keys: the rows of the operations that are implemented. */
const table: readonly Row[] = [
  using('Encrypt', key => ({ KeyId: key.id, Plaintext: plaintext })),
  using('Decrypt', (_key, blob) => ({ CiphertextBlob: blob })),
  using('Decrypt', (key, blob) => ({ CiphertextBlob: blob, KeyId: key.arn })),
  using('ReEncrypt', (_key, blob, other) => ({ CiphertextBlob: blob, DestinationKeyId: other.id })),
  using('GenerateDataKey', key => ({ KeyId: key.id, KeySpec: 'AES_256' })),
  using('GenerateDataKeyWithoutPlaintext', key => ({ KeyId: key.id, NumberOfBytes: 32 })),
  using('EnableKeyRotation', byKey),
  using('DisableKeyRotation', byKey),
  using('RotateKeyOnDemand', byKey),
  changing('UpdateKeyDescription', key => ({ KeyId: key.id, Description: 'x' })),
  changing('TagResource', key => ({ KeyId: key.id, Tags: [{ TagKey: 'a', TagValue: 'b' }] })),
  changing('UntagResource', key => ({ KeyId: key.id, TagKeys: ['a'] })),
  changing('CreateAlias', key => ({ AliasName: `alias/of-${key.id}`, TargetKeyId: key.id })),
  reading('DescribeKey'),
  reading('GetKeyPolicy'),
  reading('PutKeyPolicy', key => ({ KeyId: key.id, Policy: policyOfAccount })),
  reading('ListKeyPolicies'),
  reading('ListAliases'),
  reading('ListResourceTags'),
  reading('GetKeyRotationStatus'),
  reading('ListKeyRotations'),
  // The last rows leave another state behind.
  row('CancelKeyDeletion', 'not pending deletion', 'ok'),
  changing('EnableKey'),
  changing('DisableKey'),
  changing('ScheduleKeyDeletion'),
]

const policyOfAccount = JSON.stringify({ Statement: { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'kms:*', Resource: '*' } })

const refusals: Readonly<Record<Exclude<Outcome, 'ok'>, string>> = {
  'disabled': 'DisabledException',
  'pending deletion': 'KMSInvalidStateException',
  'not pending deletion': 'KMSInvalidStateException',
}

describe('key states', () => {
  const on = suite()
  let other: NewKey

  before(async () => { other = await on.newKey() })

  /** A key of its own in the state, and a ciphertext that it made while it was enabled. */
  async function keyIn(state: 'Enabled' | 'Disabled' | 'PendingDeletion'): Promise<{ key: NewKey, blob: string }> {
    const key = await on.newKey()
    const { json } = await on.call('Encrypt', { KeyId: key.id, Plaintext: plaintext })
    if (state === 'Disabled') await on.kms.disableKey({ KeyId: key.id })
    if (state === 'PendingDeletion') await on.kms.scheduleKeyDeletion({ KeyId: key.id })
    return { key, blob: json.CiphertextBlob as string }
  }

  for (const state of ['Enabled', 'Disabled', 'PendingDeletion'] as const) {
    describe(state, () => {
      for (const { operation, input, ...outcomes } of table) {
        const outcome = state === 'Enabled' ? (operation === 'CancelKeyDeletion' ? 'not pending deletion' : 'ok') : outcomes[state]
        it(`${operation}: ${outcome}`, async () => {
          const { key, blob } = await keyIn(state)
          const { status, json } = await on.call(operation, input(key, blob, other))
          if (outcome === 'ok') expect([status, json.__type]).to.deep.equal([200, undefined])
          else expect([status, json]).to.deep.equal([400, { __type: refusals[outcome], message: `${key.arn} is ${outcome}.` }])
        })
      }
    })
  }

  for (const [state, code] of [['Disabled', 'DisabledException'], ['PendingDeletion', 'KMSInvalidStateException']] as const) {
    it(`ReEncrypt refuses a destination that is ${state}`, async () => {
      const [{ key: to }, { blob }] = [await keyIn(state), await keyIn('Enabled')]
      expect((await on.call('ReEncrypt', { CiphertextBlob: blob, DestinationKeyId: to.id })).json.__type).to.equal(code)
    })
  }

  it('UpdateAlias moves an alias away from a key that is pending deletion, and not to one', async () => {
    const { key: pending } = await keyIn('PendingDeletion')
    const from = await on.newKey()
    await on.kms.createAlias({ AliasName: 'alias/moves', TargetKeyId: from.id })
    const refused = await on.call('UpdateAlias', { AliasName: 'alias/moves', TargetKeyId: pending.id })
    expect(refused.json).to.deep.equal({ __type: 'KMSInvalidStateException', message: `${pending.arn} is pending deletion.` })
    await on.kms.scheduleKeyDeletion({ KeyId: from.id })
    await on.kms.updateAlias({ AliasName: 'alias/moves', TargetKeyId: other.id })
    expect((await on.kms.describeKey({ KeyId: 'alias/moves' })).KeyMetadata?.KeyId).to.equal(other.id)
  })

  it('DeleteAlias works on a key that is pending deletion', async () => {
    const key = await on.newKey()
    await on.kms.createAlias({ AliasName: 'alias/goes', TargetKeyId: key.id })
    await on.kms.scheduleKeyDeletion({ KeyId: key.id })
    expect((await on.call('DeleteAlias', { AliasName: 'alias/goes' })).status).to.equal(200)
  })
})
