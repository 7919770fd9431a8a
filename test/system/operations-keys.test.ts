import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { dayMs, missingKeyId, suite } from './suite.js'

const now = Date.UTC(2026, 2, 1, 12, 0, 0, 250)
const clock = new MovedClock(now)
const policy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'kms:*', Resource: '*' }],
})

describe('CreateKey and DescribeKey over HTTP', () => {
  const on = suite({ clock })

  it('makes an enabled symmetric key with the defaults of the API', async () => {
    const { KeyMetadata: key } = await on.kms.createKey({})
    const { accountId, region } = on.server.admin
    expect(key?.KeyId).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(key?.CurrentKeyMaterialId).to.match(/^[0-9a-f]{64}$/)
    expect(key).to.deep.equal({
      AWSAccountId: accountId,
      KeyId: key?.KeyId,
      Arn: `arn:aws:kms:${region}:${accountId}:key/${key?.KeyId}`,
      CreationDate: new Date(now),
      Enabled: true,
      Description: '',
      KeyUsage: 'ENCRYPT_DECRYPT',
      KeyState: 'Enabled',
      Origin: 'AWS_KMS',
      KeyManager: 'CUSTOMER',
      CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT',
      KeySpec: 'SYMMETRIC_DEFAULT',
      EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
      MultiRegion: false,
      CurrentKeyMaterialId: key?.CurrentKeyMaterialId,
    })
    expect((await on.kms.describeKey({ KeyId: key?.KeyId })).KeyMetadata).to.deep.equal(key)
  })

  it('writes the creation date as epoch seconds with three decimals', async () => {
    const { id } = await on.newKey()
    const { json } = await on.call('DescribeKey', { KeyId: id })
    expect((json.KeyMetadata as Record<string, unknown>).CreationDate).to.equal(now / 1000)
  })

  it('keeps description, tags and policy', async () => {
    const tags = [{ TagKey: 'team', TagValue: 'payments' }, { TagKey: 'empty', TagValue: '' }]
    const { id } = await on.newKey({ Description: 'ключ 🔑', Tags: tags, Policy: policy })
    expect((await on.kms.describeKey({ KeyId: id })).KeyMetadata?.Description).to.equal('ключ 🔑')
    expect((await on.kms.listResourceTags({ KeyId: id })).Tags).to.have.deep.members(tags)
    expect((await on.kms.getKeyPolicy({ KeyId: id })).Policy).to.equal(policy)
  })

  it('takes CustomerMasterKeySpec for KeySpec, and the only usage by name', async () => {
    const { KeyMetadata: key } = await on.kms.createKey({ CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT', KeyUsage: 'ENCRYPT_DECRYPT' })
    expect(key?.KeySpec).to.equal('SYMMETRIC_DEFAULT')
  })

  const refused: readonly (readonly [title: string, input: object, code: string, message: string | RegExp])[] = [
    ['an asymmetric key without a usage', { KeySpec: 'RSA_2048' }, 'ValidationException',
      'You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.'],
    ['a usage that the spec does not have', { KeyUsage: 'SIGN_VERIFY' }, 'ValidationException',
      'KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT'],
    ['both names of the spec at once', { KeySpec: 'SYMMETRIC_DEFAULT', CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT' }, 'ValidationException',
      /KeySpec and CustomerMasterKeySpec/],
    ['a spec that no HSM has', { KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }, 'UnsupportedOperationException',
      'KeySpec SM2 is not supported.'],
    ['an external key store', { Origin: 'EXTERNAL_KEY_STORE' }, 'UnsupportedOperationException',
      'Origin EXTERNAL_KEY_STORE is not supported.'],
    ['a key store that is not there', { CustomKeyStoreId: 'cks-0123456789abcdef0', Origin: 'AWS_CLOUDHSM' },
      'CustomKeyStoreNotFoundException', /cks-01234567/],
    ['a policy that is not JSON', { Policy: '{' }, 'MalformedPolicyDocumentException', /./],
    ['one tag key twice', { Tags: [{ TagKey: 'a', TagValue: '1' }, { TagKey: 'a', TagValue: '2' }] }, 'TagException', 'Duplicate tag keys'],
    ['a reserved tag', { Tags: [{ TagKey: 'AWS:x', TagValue: '1' }] }, 'TagException', 'Tags beginning with aws: are reserved'],
  ]
  for (const [title, input, code, message] of refused) {
    it(`refuses ${title}`, async () => {
      const answer = await refusal(on.kms.createKey(input))
      expect(answer.code).to.equal(code)
      expect(answer.message).to.match(typeof message === 'string' ? exactly(message) : message)
    })
  }

  it('makes nothing when it refuses', async () => {
    const before = (await on.kms.listKeys({})).Keys?.length
    await refusal(on.kms.createKey({ KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }))
    expect((await on.kms.listKeys({})).Keys).to.have.length(before ?? NaN)
  })
})

describe('key administration over HTTP', () => {
  const on = suite({ clock })

  it('ListKeys shows every key with its ARN, in every state', async () => {
    const keys = [await on.newKey(), await on.newKey(), await on.newKey()]
    await on.kms.disableKey({ KeyId: keys[1]?.id })
    await on.kms.scheduleKeyDeletion({ KeyId: keys[2]?.id })
    const { Keys, Truncated, NextMarker } = await on.kms.listKeys({})
    expect(Keys).to.have.deep.members(keys.map(({ id, arn }) => ({ KeyId: id, KeyArn: arn })))
    expect({ Truncated, NextMarker }).to.deep.equal({ Truncated: false, NextMarker: undefined })
  })

  it('DisableKey and EnableKey change state and Enabled, also when nothing is to change', async () => {
    const { id } = await on.newKey()
    for (const operation of ['disableKey', 'disableKey', 'enableKey', 'enableKey'] as const) {
      await on.kms[operation]({ KeyId: id })
      const { KeyMetadata: key } = await on.kms.describeKey({ KeyId: id })
      const enabled = operation === 'enableKey'
      expect([key?.KeyState, key?.Enabled], operation).to.deep.equal([enabled ? 'Enabled' : 'Disabled', enabled])
    }
  })

  it('answers operations without output with 200 and no body', async () => {
    const { id } = await on.newKey()
    const { status, body, headers } = await on.call('DisableKey', { KeyId: id })
    expect([status, body, headers['content-length']]).to.deep.equal([200, '', '0'])
  })

  it('UpdateKeyDescription replaces the description, also by none', async () => {
    const { id } = await on.newKey({ Description: 'old' })
    for (const text of ['x'.repeat(8192), '']) {
      await on.kms.updateKeyDescription({ KeyId: id, Description: text })
      expect((await on.kms.describeKey({ KeyId: id })).KeyMetadata?.Description).to.equal(text)
    }
  })

  it('ScheduleKeyDeletion waits 30 days unless told otherwise', async () => {
    for (const [given, days] of [[undefined, 30], [7, 7], [30, 30]] as const) {
      const { id, arn } = await on.newKey()
      const { $metadata: _, ...answer } = await on.kms.scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: given })
      const date = new Date(now + days * dayMs)
      expect(answer).to.deep.equal({ KeyId: arn, DeletionDate: date, KeyState: 'PendingDeletion', PendingWindowInDays: days })
      const { KeyMetadata: key } = await on.kms.describeKey({ KeyId: id })
      expect([key?.KeyState, key?.Enabled, key?.DeletionDate]).to.deep.equal(['PendingDeletion', false, date])
    }
  })

  it('ScheduleKeyDeletion refuses less than 7 and more than 30 days', async () => {
    const { id } = await on.newKey()
    for (const days of [1, 6, 31, 365]) {
      const { code } = await refusal(on.kms.scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: days }))
      expect(code, `${days}`).to.equal('ValidationException')
    }
    expect((await on.kms.describeKey({ KeyId: id })).KeyMetadata?.KeyState).to.equal('Enabled')
  })

  it('CancelKeyDeletion leaves the key disabled and without a deletion date', async () => {
    const { id, arn } = await on.newKey()
    await on.kms.scheduleKeyDeletion({ KeyId: id })
    expect((await on.kms.cancelKeyDeletion({ KeyId: id })).KeyId).to.equal(arn)
    const { KeyMetadata: key } = await on.kms.describeKey({ KeyId: id })
    expect([key?.KeyState, key?.Enabled, key?.DeletionDate]).to.deep.equal(['Disabled', false, undefined])
  })

  it('names a key that is not there by the ARN that it would have', async () => {
    const { accountId, region } = on.server.admin
    const message = `Key 'arn:aws:kms:${region}:${accountId}:key/${missingKeyId}' does not exist`
    for (const call of [
      on.kms.describeKey({ KeyId: missingKeyId }),
      on.kms.listAliases({ KeyId: missingKeyId }),
      on.kms.encrypt({ KeyId: missingKeyId, Plaintext: Buffer.from('x') }),
    ]) {
      expect(await refusal(call)).to.deep.equal({ code: 'NotFoundException', message })
    }
  })
})

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)
}
