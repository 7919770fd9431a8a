import { expect } from 'chai'
import { createAlias, deleteAlias, updateAlias } from '../../src/api/aliases.js'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { createKey, describeKey, disableKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { getKeyPolicy, putKeyPolicy } from '../../src/api/policies.js'
import { tagResource } from '../../src/api/tags.js'
import type { Caller } from '../../src/domain/caller.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import { accountId, administrator, allowing, identityPolicy, otherAccountId, sampleUser, userCaller } from '../support/callers.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, newKey, nobody, storedKey } from '../support/services.js'

const anne = `arn:aws:iam::${accountId}:user/anne`
const bob = `arn:aws:iam::${accountId}:user/bob`
const root = `arn:aws:iam::${accountId}:root`
const locksOut = 'The new key policy will not allow you to update the key policy in the future.'

const allow = (AWS: string | readonly string[], Action: string | readonly string[], more: object = {}) =>
  ({ Effect: 'Allow', Principal: { AWS }, Action, Resource: '*', ...more })
const policyOf = (...Statement: readonly object[]) => JSON.stringify({ Version: '2012-10-17', Statement })
const administered = allow(administrator.arn, 'kms:*')

describe('a key policy that is set', () => {
  const on = serviceSuite()
  let key: UsableKey
  let KeyId: string

  beforeEach(async () => {
    key = await newKey(on.services)
    KeyId = key.key.keyId
  })

  const put = (Policy: string, more: object = {}, by?: Caller) => call(on.services, putKeyPolicy, { KeyId, Policy, ...more }, by)
  const shown = async () => JSON.parse((await call(on.services, getKeyPolicy, { KeyId })).Policy ?? '') as object
  const Plaintext = Buffer.from('x')

  it('decides from the answer on', async () => {
    const user = userCaller('anne')
    await refused(call(on.services, encrypt, { KeyId, Plaintext }, user), 'AccessDeniedException')
    await put(policyOf(administered, allow(anne, 'kms:Encrypt')))
    await call(on.services, encrypt, { KeyId, Plaintext }, user)
    await refused(call(on.services, describeKey, { KeyId }, user), 'AccessDeniedException')
    await put(policyOf(administered))
    await refused(call(on.services, encrypt, { KeyId, Plaintext }, user), 'AccessDeniedException')
  })

  it('must let who sets it replace it again', async () => {
    for (const policy of [
      policyOf(allow(anne, 'kms:*')),
      policyOf(allow(administrator.arn, 'kms:Encrypt')),
      policyOf(administered, { Effect: 'Deny', Principal: '*', Action: 'kms:PutKeyPolicy', Resource: '*' }),
      policyOf(allow(administrator.arn, 'kms:*', { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } })),
    ]) {
      const { message } = await refused(put(policy), 'MalformedPolicyDocumentException')
      expect(message).to.equal(locksOut)
    }
    expect((await storedKey(on.store, KeyId)).key.policy).to.equal(key.key.policy)
    // By its account, as far as its own policies go.
    await put(policyOf(allow(root, 'kms:*')))
    await put(policyOf(allow(anne, 'kms:*')), { BypassPolicyLockoutSafetyCheck: true })
    await refused(put(policyOf(administered)), 'AccessDeniedException')
  })

  it('must let who makes the key replace it, too', async () => {
    const input = { Policy: policyOf(allow(anne, 'kms:*')) }
    expect((await refused(call(on.services, createKey, input), 'MalformedPolicyDocumentException')).message).to.equal(locksOut)
    await call(on.services, createKey, { ...input, BypassPolicyLockoutSafetyCheck: true })
    const byTag = allow(administrator.arn, 'kms:*', { Condition: { StringEquals: { 'aws:ResourceTag/team': 'a' } } })
    await refused(call(on.services, createKey, { Policy: policyOf(byTag) }), 'MalformedPolicyDocumentException')
    await call(on.services, createKey, { Policy: policyOf(byTag), Tags: [{ TagKey: 'team', TagValue: 'a' }] })
  })

  it('names principals that exist', async () => {
    await refused(put(policyOf(administered, allow(`${anne}x`, 'kms:Encrypt'))), 'MalformedPolicyDocumentException')
    await refused(put(policyOf(administered, allow('999999999999', 'kms:Encrypt'))), 'MalformedPolicyDocumentException')
    await put(policyOf(administered, allow([anne, bob, `arn:aws:iam::${otherAccountId}:root`], 'kms:Encrypt')))
  })

  it('means the user that bore the name, and shows its id when it is gone', async () => {
    const notX = { Condition: { ArnNotEquals: { 'aws:PrincipalArn': `${anne}x` } } }
    const policy = policyOf(administered, allow([anne, bob], 'kms:Encrypt', notX))
    await put(policy)
    expect(await shown()).to.deep.equal(JSON.parse(policy))
    const user = sampleUser('anne')
    await on.store.identities.remove(user)
    await on.store.identities.insert({ ...user, id: 'AIDANEW' })
    on.services.identities.forget()
    expect(await shown()).to.deep.equal(JSON.parse(policy.replace(`"${anne}"`, `"${user.id}"`)))
    const newAnne = userCaller('anne', [], { uniqueId: 'AIDANEW' })
    await refused(call(on.services, encrypt, { KeyId, Plaintext }, newAnne), 'AccessDeniedException')
    await call(on.services, encrypt, { KeyId, Plaintext }, userCaller('bob'))
  })

  it('from before it could be read allows its replacement only, to whom its account lets', async () => {
    const old = policyOf({ ...administered, Condition: { NoSuchOperator: { a: 'b' } } })
    await on.services.directory.change(key.key.region, KeyId, view => ({ key: { ...view.key, policy: old } }))
    await refused(call(on.services, encrypt, { KeyId, Plaintext }), 'AccessDeniedException')
    await refused(put(policyOf(administered), {}, nobody), 'AccessDeniedException')
    expect(await shown()).to.deep.equal(JSON.parse(old))
    await put(policyOf(administered))
    await call(on.services, encrypt, { KeyId, Plaintext })
    expect(on.log.entries.filter(({ level }) => level === 'error').map(({ message }) => message))
      .to.deep.equal(['the policy of a key cannot be read: it allows nothing until PutKeyPolicy replaces it'])
  })

  it('tells who may not use the key nothing of its state', async () => {
    await call(on.services, disableKey, { KeyId })
    await refused(call(on.services, encrypt, { KeyId, Plaintext }, nobody), 'AccessDeniedException')
    await refused(call(on.services, encrypt, { KeyId, Plaintext }), 'DisabledException')
  })
})

describe('permission beside the key policy', () => {
  const on = serviceSuite()
  let KeyId: string

  beforeEach(async () => { KeyId = (await newKey(on.services)).key.keyId })

  const someone = (...statements: readonly object[]) =>
    userCaller('anne', [identityPolicy({ Version: '2012-10-17', Statement: statements })])
  const may = (Action: string | readonly string[], Resource = '*') => ({ Effect: 'Allow', Action, Resource })

  it('is needed for the alias and for its key', async () => {
    const onKey = may('kms:*Alias', `arn:aws:kms:*:${accountId}:key/*`)
    const onAlias = may('kms:*Alias', `arn:aws:kms:*:${accountId}:alias/mine-*`)
    const input = { AliasName: 'alias/mine-1', TargetKeyId: KeyId }
    await refused(call(on.services, createAlias, input, someone(onKey)), 'AccessDeniedException')
    await refused(call(on.services, createAlias, input, someone(onAlias)), 'AccessDeniedException')
    await refused(call(on.services, createAlias, { ...input, AliasName: 'alias/yours' }, someone(onKey, onAlias)), 'AccessDeniedException')
    await call(on.services, createAlias, input, someone(onKey, onAlias))
    const other = (await newKey(on.services)).key.keyId
    const onlyFirst = may('kms:*Alias', `arn:aws:kms:*:${accountId}:key/${KeyId}`)
    await refused(call(on.services, updateAlias, { ...input, TargetKeyId: other }, someone(onAlias, onlyFirst)), 'AccessDeniedException')
    await refused(call(on.services, deleteAlias, { AliasName: input.AliasName }, someone(onAlias)), 'AccessDeniedException')
    await call(on.services, deleteAlias, { AliasName: input.AliasName }, someone(onAlias, onlyFirst))
  })

  it('is needed for the tags of a new key', async () => {
    const Tags = [{ TagKey: 'team', TagValue: 'a' }]
    await call(on.services, createKey, {}, someone(may('kms:CreateKey')))
    await refused(call(on.services, createKey, { Tags }, someone(may('kms:CreateKey'))), 'AccessDeniedException')
    await call(on.services, createKey, { Tags }, someone(may(['kms:CreateKey', 'kms:TagResource'])))
  })

  it('depends on what is asked for', async () => {
    const rsa = { StringLike: { 'kms:KeySpec': 'RSA_*' }, Bool: { 'kms:MultiRegion': false } }
    const onlyRsa = someone({ ...may('kms:CreateKey'), Condition: rsa })
    await refused(call(on.services, createKey, {}, onlyRsa), 'AccessDeniedException')
    await call(on.services, createKey, { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' }, onlyRsa)
    const longWait = someone({
      ...may('kms:ScheduleKeyDeletion'), Condition: { NumericGreaterThanEquals: { 'kms:ScheduleKeyDeletionPendingWindowInDays': 14 } },
    })
    await refused(call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 }, longWait), 'AccessDeniedException')
    const teamTags = someone({ ...may('kms:TagResource'), Condition: { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } } })
    await call(on.services, tagResource, { KeyId, Tags: [{ TagKey: 'team', TagValue: 'b' }] }, teamTags)
    await refused(call(on.services, tagResource, { KeyId, Tags: [{ TagKey: 'cost', TagValue: 'b' }] }, teamTags), 'AccessDeniedException')
    await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 14 }, longWait)
  })

  it('may depend on how long the key was not used, and on its aliases', async () => {
    await call(on.services, encrypt, { KeyId, Plaintext: Buffer.from('x') })
    const aMonth = { NumericGreaterThan: { 'kms:TrailingDaysWithoutKeyUsage': 30 } }
    const unused = someone({ ...may('kms:ScheduleKeyDeletion'), Condition: aMonth })
    await refused(call(on.services, scheduleKeyDeletion, { KeyId }, unused), 'AccessDeniedException')
    await call(on.services, createAlias, { AliasName: 'alias/app-1', TargetKeyId: KeyId })
    const byAlias = (name: string) =>
      someone({ ...may('kms:DescribeKey'), Condition: { 'ForAnyValue:StringLike': { 'kms:ResourceAliases': name } } })
    await call(on.services, describeKey, { KeyId }, byAlias('alias/app-*'))
    await refused(call(on.services, describeKey, { KeyId }, byAlias('alias/web-*')), 'AccessDeniedException')
    on.clock.advance(31 * 86_400_000)
    await call(on.services, scheduleKeyDeletion, { KeyId }, unused)
  })
})

describe('keys of another account', () => {
  const on = serviceSuite()
  let key: UsableKey
  const theirs = (name: string, ...actions: readonly string[]) =>
    userCaller(name, actions.length > 0 ? [identityPolicy(allowing(...actions))] : [], { accountId: otherAccountId })

  beforeEach(async () => { key = await newKey(on.services) })

  const admit = (AWS: string) => call(on.services, putKeyPolicy, {
    KeyId: key.key.keyId, Policy: policyOf(administered, allow(AWS, ['kms:Encrypt', 'kms:Decrypt', 'kms:DisableKey', 'kms:DescribeKey'])),
  })
  const Plaintext = Buffer.from('x')

  it('need both sides to agree', async () => {
    const input = { KeyId: key.key.arn, Plaintext }
    const willing = theirs('anne', 'kms:*')
    await refused(call(on.services, encrypt, input, willing), 'AccessDeniedException')
    await admit(`arn:aws:iam::${otherAccountId}:root`)
    await call(on.services, encrypt, input, willing)
    await refused(call(on.services, encrypt, input, theirs('bob')), 'AccessDeniedException')
    await admit(`arn:aws:iam::${otherAccountId}:user/anne`)
    await call(on.services, encrypt, input, willing)
    await refused(call(on.services, encrypt, input, theirs('anne')), 'AccessDeniedException')
    await refused(call(on.services, encrypt, input, theirs('bob', 'kms:*')), 'AccessDeniedException')
  })

  it('are opened by a ciphertext alone, and by a bare key id beside it', async () => {
    await admit(`arn:aws:iam::${otherAccountId}:root`)
    const { CiphertextBlob = new Uint8Array() } = await call(on.services, encrypt, { KeyId: key.key.arn, Plaintext })
    const willing = theirs('anne', 'kms:Decrypt')
    await call(on.services, decrypt, { CiphertextBlob: Uint8Array.from(CiphertextBlob) }, willing)
    await call(on.services, decrypt, { CiphertextBlob: Uint8Array.from(CiphertextBlob), KeyId: key.key.keyId }, willing)
    await refused(call(on.services, describeKey, { KeyId: key.key.keyId }, theirs('anne', 'kms:*')), 'NotFoundException')
  })

  it('cannot be managed from there, whatever the policies say', async () => {
    await admit(`arn:aws:iam::${otherAccountId}:root`)
    await refused(call(on.services, disableKey, { KeyId: key.key.arn }, theirs('anne', 'kms:*')), 'AccessDeniedException')
  })

  it('are refused in one text, whether they are there, denied, or in a bad state', async () => {
    const told = new Set<string>()
    const willing = theirs('anne', 'kms:*')
    const unknown = key.key.arn.replace(key.key.keyId, '1234abcd-12ab-44cd-96ef-1234567890ab')
    const inputs = [key.key.arn, unknown, key.key.arn.replace(/key\/.*/, 'alias/none')]
    for (const KeyId of inputs) {
      told.add((await refused(call(on.services, encrypt, { KeyId, Plaintext }, willing), 'AccessDeniedException')).message)
    }
    await admit(`arn:aws:iam::${otherAccountId}:root`)
    const denied = userCaller('anne', [identityPolicy({
      Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }, { Effect: 'Deny', Action: 'kms:Encrypt', Resource: '*' }],
    })], { accountId: otherAccountId })
    await call(on.services, disableKey, { KeyId: key.key.keyId })
    told.add((await refused(call(on.services, encrypt, { KeyId: key.key.arn, Plaintext }, denied), 'AccessDeniedException')).message)
    expect([...told]).to.deep.equal([`User: ${willing.arn} is not authorized to perform: kms:Encrypt on this resource because the resource `
      + 'does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access'])
    // Who may use it learns what is wrong with it.
    await refused(call(on.services, encrypt, { KeyId: key.key.arn, Plaintext }, willing), 'DisabledException')
  })

  it('have aliases of their own', async () => {
    await call(on.services, createAlias, { AliasName: 'alias/same', TargetKeyId: key.key.keyId })
    const willing = theirs('administrator', '*')
    const made = await call(on.services, createKey, {}, willing)
    const own = made.KeyMetadata?.KeyId ?? ''
    expect(made.KeyMetadata?.AWSAccountId).to.equal(otherAccountId)
    await call(on.services, createAlias, { AliasName: 'alias/same', TargetKeyId: own }, willing)
    expect((await call(on.services, describeKey, { KeyId: 'alias/same' }, willing)).KeyMetadata?.KeyId).to.equal(own)
    expect((await call(on.services, describeKey, { KeyId: 'alias/same' })).KeyMetadata?.KeyId).to.equal(key.key.keyId)
    await refused(call(on.services, createAlias, { AliasName: 'alias/theirs', TargetKeyId: own }), 'NotFoundException')
  })
})
