import { expect } from 'chai'
import { newAccount, newAdministrator, newTenant, type Tenant } from '../support/tenants.js'
import { ask, attempted, codesOf, refusedAt, type Answer } from './attacks-suite.js'
import { missingKeyId, suite } from './suite.js'

const accountId = '111122223333'
const otherAccountId = '444455556666'
const missingAccountId = '777788889999'
const region = 'us-east-1'
const denied = 'AccessDeniedException'
const Plaintext = Buffer.from('x').toString('base64')
const grantId = '0'.repeat(64)

const keyArn = (account: string, id: string) => `arn:aws:kms:${region}:${account}:key/${id}`
const aliasArn = (account: string, name: string) => `arn:aws:kms:${region}:${account}:alias/${name}`

const openToAll = '{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}'

/** Members of operations beside the key. */
const operations: Readonly<Record<string, object>> = {
  DescribeKey: {}, Encrypt: { Plaintext }, GenerateDataKey: { NumberOfBytes: 32 },
  GenerateMac: { Message: Plaintext, MacAlgorithm: 'HMAC_SHA_256' },
  Sign: { Message: Plaintext, SigningAlgorithm: 'ECDSA_SHA_256' }, GetPublicKey: {}, ListGrants: {}, RevokeGrant: { GrantId: grantId },
  RetireGrant: { GrantId: grantId }, CreateGrant: { GranteePrincipal: `arn:aws:iam::${otherAccountId}:root`, Operations: ['Decrypt'] },
  GetKeyRotationStatus: {},
  // Never across accounts, whatever policies say.
  DisableKey: {}, ScheduleKeyDeletion: {}, GetKeyPolicy: {}, PutKeyPolicy: { Policy: openToAll }, ListResourceTags: {},
  UpdateKeyDescription: { Description: '' },
  TagResource: { Tags: [{ TagKey: 'a', TagValue: 'b' }] }, EnableKeyRotation: {}, ListKeyRotations: {}, GetParametersForImport: {
    WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048',
  },
}
const byAlias: ReadonlySet<string> = new Set(['DescribeKey', 'Encrypt', 'GenerateDataKey', 'GenerateMac', 'Sign', 'GetPublicKey'])

describe('an attack from another account', function suiteOfTenants() {
  this.timeout(30_000)
  const on = suite({ settings: { accountId } })
  /** With every right in its own account. */
  let mallory: Tenant
  let keys: Readonly<Record<'enabled' | 'disabled' | 'signing' | 'open', string>>

  before(async () => {
    await newAccount(on.server, otherAccountId)
    mallory = await newAdministrator(on.server, 'mallory', otherAccountId)
    const [enabled, disabled] = [(await on.newKey()).id, (await on.newKey()).id]
    const open = (await on.newKey()).id
    keys = { enabled, disabled, open, signing: (await on.newKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })).id }
    await on.kms.disableKey({ KeyId: disabled })
    await on.kms.createAlias({ AliasName: 'alias/there', TargetKeyId: enabled })
  })

  const names = () => [
    ...[keys.enabled, keys.disabled, keys.signing, missingKeyId].map(id => keyArn(accountId, id)), keyArn(missingAccountId, missingKeyId),
    keyArn(missingAccountId, keys.enabled),
  ]
  const aliases = () => [aliasArn(accountId, 'there'), aliasArn(accountId, 'not-there'), aliasArn(missingAccountId, 'there')]

  /** What of an answer could tell one key from another. */
  const told = ({ status, code, message, body }: Answer) => ({ status, code, message, bytes: body.length })

  for (const [operation, members] of Object.entries(operations)) {
    it(`learns nothing by ${operation}: whatever it names is refused in one text`, async () => {
      const answers: Answer[] = []
      for (const KeyId of [...names(), ...byAlias.has(operation) ? aliases() : []]) {
        const { answer, records } = await attempted(on, () => ask(mallory, 'kms', operation, { KeyId, ...members }))
        expect(codesOf(records)).to.deep.equal([denied])
        answers.push(answer)
      }
      const [first] = answers
      expect(first).to.include(refusedAt('kms', denied))
      expect(first?.message).to.match(/^User: \S+:user\/mallory is not authorized to perform: kms:\w+ on this resource because /)
      for (const answer of answers) expect(told(answer)).to.deep.equal(first && told(first))
    })
  }

  it('learns nothing by bare key ids: that of somebody else is that of nobody', async () => {
    for (const [operation, members] of Object.entries(operations).filter(([name]) => name !== 'RetireGrant')) {
      const [there, missing] = [keys.enabled, missingKeyId].map(KeyId => ask(mallory, 'kms', operation, { KeyId, ...members }))
      const [one, other] = [await there, await missing]
      expect(one?.code, operation).to.equal('NotFoundException')
      expect(one?.message.replace(keys.enabled, missingKeyId)).to.equal(other?.message)
    }
  })

  it('learns nothing by the bare id of the key of a ciphertext, nor by one that it is not of', async () => {
    await ask(on.server, 'kms', 'PutKeyPolicy', { KeyId: keys.open, Policy: openToAll })
    const { CiphertextBlob: blob = new Uint8Array() } = await on.kms.encrypt({ KeyId: keys.enabled, Plaintext: Buffer.from('x') })
    const CiphertextBlob = Buffer.from(blob).toString('base64')
    const own = await ask(mallory, 'kms', 'CreateKey')
    const { KeyMetadata: { KeyId: DestinationKeyId } } = JSON.parse(own.body) as { KeyMetadata: { KeyId: string } }
    const asking: readonly (readonly [operation: string, input: (id: string) => object])[] = [
      ['Decrypt', KeyId => ({ CiphertextBlob, KeyId })],
      ['Decrypt', KeyId => ({ KeyId, DryRun: true, DryRunModifiers: ['IGNORE_CIPHERTEXT'] })],
      ['ReEncrypt', SourceKeyId => ({ CiphertextBlob, SourceKeyId, DestinationKeyId })],
      ['ReEncrypt', id => ({ CiphertextBlob, SourceKeyId: DestinationKeyId, DestinationKeyId: id })],
    ]
    for (const [operation, input] of asking) {
      const answers: Answer[] = []
      for (const id of [missingKeyId, keys.enabled, keys.disabled, keys.signing]) {
        const { answer, records } = await attempted(on, () => ask(mallory, 'kms', operation, input(id)))
        expect(codesOf(records)).to.deep.equal(['NotFoundException'])
        answers.push({ ...answer, body: answer.body.replaceAll(id, 'ID'), message: answer.message.replaceAll(id, 'ID') })
      }
      expect(answers[0]).to.include(refusedAt('kms', 'NotFoundException'))
      for (const answer of answers) expect(told(answer), operation).to.deep.equal(answers[0] && told(answers[0]))
    }
    // Whom its policy lets may name it so: with another code, or nothing was shown.
    expect(await ask(mallory, 'kms', 'Decrypt', { CiphertextBlob, KeyId: keys.open })).to.include(refusedAt('kms', 'IncorrectKeyException'))
  })

  it('learns nothing by ciphertexts: one of a key that there is and one of a key that there is not are the same', async () => {
    const { CiphertextBlob: real = new Uint8Array() } = await on.kms.encrypt({ KeyId: keys.enabled, Plaintext: Buffer.from('x') })
    const forged = Buffer.from(real)
    // The id of the key stands behind format and suite (domain/ciphertext-blob.ts).
    forged.fill(0x41, 5, 21)
    const answers: Answer[] = []
    for (const bytes of [Buffer.from(real), forged]) {
      for (const input of [{}, { KeyId: keyArn(accountId, keys.enabled) }, { KeyId: keyArn(accountId, missingKeyId) }]) {
        const { answer, records } = await attempted(on, () =>
          ask(mallory, 'kms', 'Decrypt', { CiphertextBlob: bytes.toString('base64'), ...input }))
        expect(answer).to.include(refusedAt('kms', denied))
        expect(codesOf(records)).to.deep.equal([denied])
        answers.push(answer)
      }
    }
    expect(new Set(answers.map(({ body }) => body))).to.have.lengthOf.at.most(2)
    expect(answers.slice(0, 3).map(told)).to.deep.equal(answers.slice(3).map(told))
  })

  it('learns nothing by what the audit log shows it of its own attempts', async () => {
    const seen: string[] = []
    for (const KeyId of names()) {
      await ask(mallory, 'kms', 'DescribeKey', { KeyId })
      const { body } = await ask(mallory, 'iam', 'LookupEvents', { MaxResults: 1, EventName: 'DescribeKey' })
      const { Events: events = [] } = JSON.parse(body) as { Events?: readonly Readonly<Record<string, unknown>>[] }
      expect(events, body).to.have.length(1)
      // But for what differs between any two calls.
      seen.push(JSON.stringify(events[0]).replaceAll(KeyId, 'KEY').replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')
        .replace(/"EventTime":[^,}]+|\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'))
    }
    expect(new Set(seen).size, seen.join('\n')).to.equal(1)
  })

  it('cannot go on where somebody else stopped: a marker is for one listing of one account', async () => {
    for (const [operation, input] of [['ListKeys', {}], ['ListAliases', {}]] as const) {
      const { body } = await ask(on.server, 'kms', operation, { Limit: 1, ...input })
      const { NextMarker: Marker } = JSON.parse(body) as { NextMarker?: string }
      if (Marker === undefined) continue
      const { answer, records } = await attempted(on, () => ask(mallory, 'kms', operation, { Marker }))
      expect(answer).to.include(refusedAt('kms', 'InvalidMarkerException'))
      expect(codesOf(records)).to.deep.equal(['InvalidMarkerException'])
    }
  })

  it('administers nothing there, and does not learn what there is', async () => {
    await newTenant(on.server, 'eve')
    for (const [operation, input] of [
      ['CreateAccessKey', { UserName: 'eve' }], ['CreateUser', { UserName: 'mallory' }],
      ['GetUser', { UserName: 'eve' }], ['ListUsers', {}],
      ['DeleteUser', { UserName: 'eve' }], ['ListAccessKeys', { UserName: 'eve' }], ['GetAccountAuthorizationDetails', {}],
      ['AttachPolicy', { UserName: 'eve', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' }],
    ] as const) {
      const answers: Answer[] = []
      for (const AccountId of [accountId, missingAccountId]) {
        for (const more of 'UserName' in input ? [input, { ...input, UserName: 'nobody' }] : [input]) {
          const { answer, records } = await attempted(on, () => ask(mallory, 'iam', operation, { AccountId, ...more }))
          expect(codesOf(records)).to.deep.equal([denied])
          expect(answer).to.include(refusedAt('iam', denied))
          answers.push(answer)
        }
      }
      expect(new Set(answers.map(({ body }) => body)).size, operation).to.equal(1)
    }
    expect((await ask(on.server, 'iam', 'ListAccessKeys', { UserName: 'eve' })).body.match(/"AccessKeyId"/g)).to.have.length(1)
  })

  it('by whoever is called now as somebody was before is refused: names pass on, rights do not', async () => {
    const [named, granted] = [await on.newKey(), await on.newKey()]
    const before = await newTenant(on.server, 'passing', { accountId: otherAccountId })
    await ask(mallory, 'iam', 'PutInlinePolicy', { UserName: 'passing', PolicyName: 'p', PolicyDocument: JSON.stringify({
      Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'kms:Encrypt', Resource: '*' },
    }) })
    await on.kms.putKeyPolicy({ KeyId: named.id, Policy: JSON.stringify({ Version: '2012-10-17', Statement: [
      { Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*' },
      { Effect: 'Allow', Principal: { AWS: before.arn }, Action: 'kms:Encrypt', Resource: '*' },
    ] }) })
    await on.kms.createGrant({ KeyId: granted.id, GranteePrincipal: before.arn, Operations: ['Encrypt'] })
    const encrypt = (by: Tenant, KeyId: string) => ask(by, 'kms', 'Encrypt', { KeyId, Plaintext })
    for (const { arn } of [named, granted]) expect(await encrypt(before, arn)).to.include({ status: 200 })

    for (const [operation, input] of [
      ['DeleteInlinePolicy', { PolicyName: 'p' }], ['DeleteAccessKey', { AccessKeyId: before.admin.accessKeyId }], ['DeleteUser', {}],
      ['CreateUser', {}], ['AttachPolicy', { PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' }],
    ] as const) expect(await ask(mallory, 'iam', operation, { UserName: 'passing', ...input }), operation).to.include({ status: 200 })
    const made = await ask(mallory, 'iam', 'CreateAccessKey', { UserName: 'passing' })
    const { AccessKey: { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey } } =
      JSON.parse(made.body) as { AccessKey: { AccessKeyId: string, SecretAccessKey: string } }
    const after = { ...before, admin: { ...before.admin, accessKeyId, secretAccessKey } }
    for (const { arn } of [named, granted]) {
      const { answer, records } = await attempted(on, () => encrypt(after, arn))
      expect(answer).to.include(refusedAt('kms', denied))
      expect(codesOf(records)).to.deep.equal([denied])
    }
    expect(await encrypt(before, named.arn)).to.include(refusedAt('kms', 'UnrecognizedClientException'))
  })
})
