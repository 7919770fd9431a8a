import { expect } from 'chai'
import type { KMS } from '@aws-sdk/client-kms'
import { kmsClient, refusal } from '../support/clients.js'
import { newKey, suite, type NewKey } from './suite.js'

const plaintext = Buffer.from('by any name').toString('base64')
const policy = JSON.stringify({ Statement: { Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' } })

interface Row { readonly operation: string, readonly member?: string, readonly rest?: (blob: string, spare: NewKey) => object }

/** KMS API Reference, KeyId of each operation. */
const takeAliases: readonly Row[] = [
  { operation: 'DescribeKey' },
  { operation: 'Encrypt', rest: () => ({ Plaintext: plaintext }) },
  { operation: 'Decrypt', rest: blob => ({ CiphertextBlob: blob }) },
  { operation: 'ReEncrypt', member: 'SourceKeyId', rest: (blob, spare) => ({ CiphertextBlob: blob, DestinationKeyId: spare.id }) },
  { operation: 'ReEncrypt', member: 'DestinationKeyId', rest: blob => ({ CiphertextBlob: blob }) },
  { operation: 'GenerateDataKey', rest: () => ({ KeySpec: 'AES_128' }) },
  { operation: 'GenerateDataKeyWithoutPlaintext', rest: () => ({ KeySpec: 'AES_128' }) },
]
const refuseAliases: readonly Row[] = [
  ...['EnableKey', 'GetKeyPolicy', 'ListKeyPolicies', 'ListResourceTags', 'ListAliases', 'GetKeyRotationStatus', 'ListKeyRotations',
    'EnableKeyRotation', 'DisableKeyRotation', 'RotateKeyOnDemand'].map(operation => ({ operation })),
  { operation: 'UpdateKeyDescription', rest: () => ({ Description: 'x' }) },
  { operation: 'TagResource', rest: () => ({ Tags: [{ TagKey: 'a', TagValue: 'b' }] }) },
  { operation: 'UntagResource', rest: () => ({ TagKeys: ['a'] }) },
  { operation: 'PutKeyPolicy', rest: () => ({ Policy: policy }) },
  { operation: 'CreateAlias', member: 'TargetKeyId', rest: () => ({ AliasName: `alias/${Math.random().toString(36).slice(2)}` }) },
  { operation: 'UpdateAlias', member: 'TargetKeyId', rest: () => ({ AliasName: 'alias/named' }) },
  { operation: 'DisableKey' },
  { operation: 'ScheduleKeyDeletion' },
  { operation: 'CancelKeyDeletion' },
]

describe('key identifiers', () => {
  const on = suite()
  let key: NewKey
  let spare: NewKey
  let blob: string
  let forms: { 'key id': string, 'key ARN': string, 'alias name': string, 'alias ARN': string }

  before(async () => {
    key = await on.newKey()
    spare = await on.newKey()
    await on.kms.createAlias({ AliasName: 'alias/named', TargetKeyId: key.id })
    blob = (await on.call('Encrypt', { KeyId: key.id, Plaintext: plaintext })).json.CiphertextBlob as string
    forms = {
      'key id': key.id, 'key ARN': key.arn, 'alias name': 'alias/named', 'alias ARN': key.arn.replace(`key/${key.id}`, 'alias/named'),
    }
  })

  const ask = ({ operation, member = 'KeyId', rest }: Row, ref: string) => on.call(operation, { ...rest?.(blob, spare), [member]: ref })

  for (const row of takeAliases) {
    it(`${row.operation} takes all four forms in ${row.member ?? 'KeyId'}`, async () => {
      for (const [form, ref] of Object.entries(forms)) expect((await ask(row, ref)).status, form).to.equal(200)
    })
  }

  for (const row of refuseAliases) {
    it(`${row.operation} takes key id and key ARN, and no alias, in ${row.member ?? 'KeyId'}`, async () => {
      for (const ref of [forms['alias name'], forms['alias ARN']]) {
        const { status, json } = await ask(row, ref)
        expect([status, json]).to.deep.equal([400, { __type: 'NotFoundException', message: `Invalid keyId '${ref}'` }])
      }
      const byId = await ask(row, forms['key id'])
      expect(byId.status, byId.body).to.equal(200)
      // Cancelling twice is refused for the state, which shows that the ARN found the key.
      const byArn = await ask(row, forms['key ARN'])
      expect(byArn.json.__type ?? 'none').to.be.oneOf(['none', 'KMSInvalidStateException'])
    })
  }

  it('answers cryptographic operations with the key ARN, whatever the name was', async () => {
    await on.kms.enableKey({ KeyId: key.id })
    for (const row of takeAliases.filter(({ operation, member }) => operation !== 'DescribeKey' && member !== 'SourceKeyId')) {
      expect((await ask(row, 'alias/named')).json.KeyId, row.operation).to.equal(key.arn)
    }
  })

  const unreadable: readonly (readonly [ref: string, code: string, message: RegExp])[] = [
    ['1234abcd12ab34cd56ef1234567890ab', 'NotFoundException', /^Invalid keyId '1234abcd12ab34cd56ef1234567890ab'$/],
    ['no such thing', 'NotFoundException', /^Invalid keyId 'no such thing'$/],
    ['mrk-0123456789abcdef0123456789abcdef', 'NotFoundException', /^Key 'arn:.*:key\/mrk-[0-9a-f]{32}' does not exist$/],
    ['alias/nobody', 'NotFoundException', /^Alias arn:aws:kms:us-east-1:[0-9]{12}:alias\/nobody is not found\.$/],
    ['arn:aws:kms', 'InvalidArnException', /./],
    ['arn:aws:s3:::bucket', 'InvalidArnException', /./],
    ['arn:aws:kms:us-east-1:12:key/1234abcd-12ab-34cd-56ef-1234567890ab', 'InvalidArnException', /./],
  ]
  for (const [ref, code, message] of unreadable) {
    it(`refuses ${ref} with ${code}`, async () => {
      const answer = await refusal(on.kms.encrypt({ KeyId: ref, Plaintext: Buffer.from('x') }))
      expect(answer.code).to.equal(code)
      expect(answer.message).to.match(message)
    })
  }

  it('does not say of a key in another account whether it exists', async () => {
    const { accountId } = on.server.admin
    const foreign = key.arn.replace(accountId, accountId === '111122223333' ? '444455556666' : '111122223333')
    const answer = await refusal(on.kms.encrypt({ KeyId: foreign, Plaintext: Buffer.from('x') }))
    expect(answer.code).to.equal('AccessDeniedException')
    expect(answer.message).to.equal(`User: arn:aws:iam::${accountId}:user/administrator is not authorized to perform: kms:Encrypt on this `
      + 'resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy '
      + 'explicitly denies access')
  })
})

describe('regions', () => {
  const on = suite({ settings: { regions: ['eu-central-1', 'onprem-2'] } })
  let home: NewKey
  let away: NewKey
  let elsewhere: KMS

  before(async () => {
    elsewhere = kmsClient(on.server, { region: 'onprem-2', maxAttempts: 1 })
    home = await on.newKey()
    away = await newKey(elsewhere)
  })

  it('have the first of the configuration as home, which the credentials file names', () => {
    expect(on.server.admin.region).to.equal('eu-central-1')
  })

  it('name themselves in the ARNs of their keys', () => {
    expect([home.arn.split(':')[3], away.arn.split(':')[3]]).to.deep.equal(['eu-central-1', 'onprem-2'])
  })

  it('list their own keys and aliases only', async () => {
    for (const [client, { id }] of [[on.kms, home], [elsewhere, away]] as const) {
      await client.createAlias({ AliasName: 'alias/same', TargetKeyId: id })
      expect((await client.listKeys({})).Keys?.map(({ KeyId }) => KeyId)).to.deep.equal([id])
      expect((await client.listAliases({})).Aliases?.map(({ TargetKeyId }) => TargetKeyId)).to.deep.equal([id])
    }
  })

  it('do not know the keys of another region, and open nothing that was sealed there', async () => {
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: home.id, Plaintext: Buffer.from('home') })
    expect(await refusal(elsewhere.describeKey({ KeyId: home.id }))).to.deep.equal({
      code: 'NotFoundException', message: `Key '${home.arn.replace('eu-central-1', 'onprem-2')}' does not exist`,
    })
    expect(await refusal(elsewhere.describeKey({ KeyId: home.arn }))).to.deep.equal({
      code: 'NotFoundException', message: 'Invalid arn eu-central-1',
    })
    expect((await refusal(elsewhere.decrypt({ CiphertextBlob }))).code).to.equal('AccessDeniedException')
  })

  it('are refused when the server does not serve them', async () => {
    const nowhere = kmsClient(on.server, { region: 'us-east-1', maxAttempts: 1 })
    expect(await refusal(nowhere.listKeys({}))).to.deep.equal({
      code: 'InvalidSignatureException', message: 'Credential should be scoped to a valid region.',
    })
  })
})
