import { expect } from 'chai'
import { createAccount, getAccountAuthorizationDetails, listAccounts } from '../../../src/api/iam/accounts.js'
import { createGroup } from '../../../src/api/iam/groups.js'
import { attachPolicy, createPolicy, putInlinePolicy } from '../../../src/api/iam/policies.js'
import { createRole } from '../../../src/api/iam/roles.js'
import { createUser } from '../../../src/api/iam/users.js'
import { createKey } from '../../../src/api/keys.js'
import type { Output } from '../../../src/api/shape.js'
import { identityQuotas } from '../../../src/domain/identity.js'
import { builtInPolicies } from '../../../src/domain/policy/managed-policies.js'
import { AccessKeys } from '../../../src/service/credentials.js'
import { otherAccountId } from '../../support/callers.js'
import { Interruption, Killed, replacing } from '../../support/interruption.js'
import { refused, rejected } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call, region } from '../../support/services.js'
import { attempt, callerOf, foreignAdministrator, keyUse, policyArn, trusting } from './support.js'

type Details = Output<typeof getAccountAuthorizationDetails>

describe('CreateAccount', () => {
  const on = serviceSuite()
  const lookup = (accessKeyId: string) => new AccessKeys(on.store, on.hsm, on.services.identities).lookup(accessKeyId)

  it('makes an account with a number of its own and an administrator, whose access key it shows once', async () => {
    const { Account, User, AccessKey } = await call(on.services, createAccount, { AccountName: 'tenant' })
    const { AccountId = '' } = Account ?? {}
    expect(AccountId).to.match(/^[0-9]{12}$/)
    expect(Account).to.deep.equal({
      AccountId, AccountName: 'tenant', Arn: `arn:aws:iam::${AccountId}:root`, CreateDate: new Date(on.clock.now()),
    })
    expect(User).to.deep.include({ UserName: 'administrator', Arn: `arn:aws:iam::${AccountId}:user/administrator` })
    const credential = await lookup(AccessKey?.AccessKeyId ?? '')
    expect(Buffer.from(credential?.secret ?? []).toString()).to.equal(AccessKey?.SecretAccessKey)
    const { KeyMetadata } = await call(on.services, createKey, {}, credential?.caller)
    expect(KeyMetadata?.Arn).to.include(`arn:aws:kms:${region}:${AccountId}:key/`)
    expect(JSON.stringify(on.audit.events)).to.not.include(AccessKey?.SecretAccessKey)
  })

  it('takes a number that is free', async () => {
    const asked = { AccountName: 'tenant', AccountId: '000000000001' }
    expect((await call(on.services, createAccount, asked)).Account?.AccountId).to.equal('000000000001')
    await refused(call(on.services, createAccount, asked), 'EntityAlreadyExistsException')
    await refused(call(on.services, createAccount, { ...asked, AccountId: accountId }), 'EntityAlreadyExistsException')
  })

  it('makes one of two that ask for the same number at once', async () => {
    const asked = { AccountName: 'tenant', AccountId: '000000000001' }
    const outcomes = await Promise.allSettled([call(on.services, createAccount, asked), call(on.services, createAccount, asked)])
    expect(outcomes.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected'])
    const made = outcomes.find(outcome => outcome.status === 'fulfilled')
    expect(await lookup(made?.value.AccessKey?.AccessKeyId ?? '')).to.not.equal(undefined)
  })

  it('tried again after a lost answer names what was made, and shows no secret', async () => {
    const { Account, AccessKey } = await attempt(on.services, createAccount, { AccountName: 'tenant' }, 'try')
    const again = attempt(on.services, createAccount, { AccountName: 'tenant' }, 'try')
    const { message } = await refused(again, 'EntityAlreadyExistsException')
    expect(message).to.include(Account?.AccountId).and.to.include(AccessKey?.AccessKeyId).and.to.not.include(AccessKey?.SecretAccessKey)
    expect((await call(on.services, listAccounts, {})).Accounts).to.have.length(3)
  })

  it('interrupted anywhere is done again from the start, and nothing of the first try works', async () => {
    const { store } = on
    for (let steps = 0; ; steps++) {
      const asked = { AccountName: 'tenant', AccountId: String(steps).padStart(12, '0') }
      const interruption = new Interruption(steps)
      const [identities, credentials] = [interruption.over(store.identities, 'i'), interruption.over(store.credentials, 'c')]
      on.restart({ store: { ...store, identities, credentials } })
      const made = call(on.services, createAccount, asked)
      if (!await made.then(() => false, () => true)) break
      await rejected(made.catch((error: Error & { cause?: Error }) => { throw error.cause ?? error }), Killed)
      on.restart()
      const { Account, AccessKey } = await call(on.services, createAccount, asked)
      const keys = await store.credentials.ofPrincipal(`arn:aws:iam::${Account?.AccountId}:user/administrator`)
      expect(keys.map(({ accessKeyId }) => accessKeyId)).to.deep.equal([AccessKey?.AccessKeyId])
    }
    expect((await on.store.identities.accounts(undefined, 100)).length).to.be.greaterThan(5)
  })

  it('is limited in number', async () => {
    const full = replacing(on.store.identities, {
      accounts: async (_after, limit) => Array.from({ length: limit }, () => ({ accountId, name: '', createdAt: 0 })),
    })
    on.restart({ store: { ...on.store, identities: full } })
    const { message } = await refused(call(on.services, createAccount, { AccountName: 'tenant' }), 'LimitExceededException')
    expect(message).to.equal(`There can be at most ${identityQuotas.accounts} accounts`)
  })

  it('and ListAccounts are for callers of the account of the installation only', async () => {
    const messages = [
      await refused(call(on.services, createAccount, { AccountName: 'tenant' }, foreignAdministrator), 'AccessDeniedException'),
      await refused(call(on.services, listAccounts, {}, foreignAdministrator), 'AccessDeniedException'),
    ].map(({ message }) => message)
    expect(messages).to.deep.equal(['organizations:CreateAccount', 'organizations:ListAccounts'].map(action =>
      `User: ${foreignAdministrator.arn} is not authorized to perform: ${action} in that account because only callers of the account `
      + 'itself and of the account of the installation may'))
    const nobody = await callerOf(on.services, `arn:aws:iam::${accountId}:user/nobody`)
    const { message } = await refused(call(on.services, createAccount, { AccountName: 'tenant' }, nobody), 'AccessDeniedException')
    expect(message).to.include('because no identity-based policy allows the organizations:CreateAccount action')
  })
})

describe('ListAccounts', () => {
  const on = serviceSuite()

  it('shows all of them in pages', async () => {
    const all = (await call(on.services, listAccounts, {})).Accounts
    const numbers = all?.map(({ AccountId, AccountName }) => [AccountId, AccountName])
    expect(numbers).to.deep.equal([[accountId, 'main'], [otherAccountId, 'other']])
    const page = await call(on.services, listAccounts, { MaxItems: 1 })
    expect([page.Accounts, page.IsTruncated]).to.deep.equal([all?.slice(0, 1), true])
    const rest = await call(on.services, listAccounts, { MaxItems: 1, Marker: page.Marker ?? '' })
    expect(rest).to.deep.equal({ Accounts: all?.slice(1), IsTruncated: false })
    await refused(call(on.services, listAccounts, { Marker: 'x' }), 'InvalidMarkerException')
  })
})

describe('GetAccountAuthorizationDetails', () => {
  const on = serviceSuite()

  beforeEach(async () => {
    await call(on.services, createPolicy, { PolicyName: 'use', PolicyDocument: keyUse })
    await call(on.services, createGroup, { GroupName: 'team' })
    await call(on.services, createRole, { RoleName: 'deploy', AssumeRolePolicyDocument: trusting(accountId) })
    for (const named of [{ UserName: 'bob' }, { GroupName: 'team' }, { RoleName: 'deploy' }]) {
      await call(on.services, attachPolicy, { ...named, PolicyArn: policyArn('use') })
      await call(on.services, putInlinePolicy, { ...named, PolicyName: 'own', PolicyDocument: keyUse })
    }
    await call(on.services, createUser, { AccountId: otherAccountId, UserName: 'theirs' })
  })

  async function everything(input: Partial<Parameters<typeof call<typeof getAccountAuthorizationDetails>>[2]>) {
    const pages: Details[] = []
    for (let marker: string | undefined, more = true; more; more = marker !== undefined) {
      const asked = { ...input, ...marker !== undefined && { Marker: marker } }
      const page: Details = await call(on.services, getAccountAuthorizationDetails, asked)
      pages.push(page)
      marker = page.Marker
    }
    return {
      pages: pages.length,
      users: pages.flatMap(page => page.UserDetailList ?? []), groups: pages.flatMap(page => page.GroupDetailList ?? []),
      roles: pages.flatMap(page => page.RoleDetailList ?? []), policies: pages.flatMap(page => page.Policies ?? []),
      caller: pages[0]?.CallerArn,
    }
  }

  it('shows everything of an account, and nothing of another', async () => {
    const { users, groups, roles, policies, caller } = await everything({})
    const AttachedManagedPolicies = [{ PolicyName: 'use', PolicyArn: policyArn('use') }]
    const own = [{ PolicyName: 'own', PolicyDocument: keyUse }]
    expect(users.map(({ UserName }) => UserName)).to.deep.equal(['administrator', 'anne', 'bob', 'nobody'])
    expect(users[2]).to.deep.include({ AttachedManagedPolicies, UserPolicyList: own, GroupList: [] })
    expect(groups).to.have.length(1)
    expect(groups[0]).to.deep.include({ GroupName: 'team', AttachedManagedPolicies, GroupPolicyList: own })
    expect(roles).to.have.length(1)
    expect(roles[0]).to.deep.include({
      RoleName: 'deploy', AssumeRolePolicyDocument: trusting(accountId), AttachedManagedPolicies, RolePolicyList: own,
    })
    expect(policies.map(({ PolicyName }) => PolicyName)).to.deep.equal([...builtInPolicies.map(({ name }) => name).sort(), 'use'])
    expect(policies.at(-1)).to.deep.include({ PolicyDocument: keyUse })
    expect(caller).to.equal(`arn:aws:iam::${accountId}:user/administrator`)
  })

  it('is the same in pages of any size', async () => {
    const { pages: _, ...whole } = await everything({})
    for (const MaxItems of [1, 2, 3, 7]) {
      const { pages, ...parts } = await everything({ MaxItems })
      expect(pages).to.equal(Math.ceil(12 / MaxItems))
      expect(parts).to.deep.equal(whole)
    }
  })

  it('shows what is asked for', async () => {
    const { users, groups, roles, policies } = await everything({ Filter: ['Role', 'LocalManagedPolicy'] })
    expect([users.length, groups.length, roles.length, policies.length]).to.deep.equal([0, 0, 1, 1])
    const { Marker } = await call(on.services, getAccountAuthorizationDetails, { Filter: ['Role', 'User'], MaxItems: 1 })
    const other = call(on.services, getAccountAuthorizationDetails, { Filter: ['Role'], MaxItems: 1, Marker: Marker ?? '' })
    await refused(other, 'InvalidMarkerException')
  })
})
