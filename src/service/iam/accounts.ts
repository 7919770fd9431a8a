import * as api from '../../api/iam/accounts.js'
import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, identityQuotas, type IdentityEntity, type ManagedPolicy } from '../../domain/identity.js'
import type { BuiltInPolicy } from '../../domain/policy/managed-policies.js'
import { randomAccountId } from '../first-start.js'
import { administratorArn, administratorOf } from '../identities/first-identities.js'
import { onAccount } from '../operation.js'
import type { Services } from '../services.js'
import { storeNewKey } from './access-keys.js'
import { refuseAccessKey } from './approvers.js'
import { ofKind, pageOf, type Source } from './lists.js'
import { builtInSource } from './policies.js'
import { groupDetail, policyDetail, roleDetail, shownAccount, shownUser, userDetail } from './shown.js'
import { accountIdOf, onInstallation, onWhole } from './subjects.js'
import { checkAccount } from './turns.js'

/** Of a random number that is taken, which never happens twice. */
const numbersTriedMax = 3

/**
 * The account comes last: what a crash interrupts the next call with the same number does again, and whatever access key was made then
 * nobody has ever seen. A retry of a call whose answer was lost is refused as CreateAccessKey does.
 */
export const createAccount = onAccount(api.createAccount, {
  service: 'iam',
  permissions: onInstallation('organizations:CreateAccount'),
  run: ({ input, caller }, services) => services.turns.take('accounts', async () => {
    const { identities, credentials } = services.store
    await checkAccountCount(services)
    const accountId = await freeNumber(input.AccountId, services)
    refuseAccessKey(administratorArn(accountId), services, caller)
    const account = { accountId, name: input.AccountName, createdAt: services.clock.now() }
    try {
      const administrator = await administratorOf(accountId, account.createdAt, services.store, services.hsm)
      for (const { accessKeyId } of await credentials.ofPrincipal(arnOfEntity(administrator))) await credentials.remove(accessKeyId)
      const accessKey = await storeNewKey(administrator, services)
      await identities.insertAccount(account)
      return { Account: shownAccount(account), User: shownUser(administrator), AccessKey: accessKey }
    } finally {
      services.identities.forget()
    }
  }),
  retry: {
    outcome: ({ Account: made, AccessKey: key }) => `${made?.AccountId ?? ''} ${key?.AccessKeyId ?? ''}`,
    async answer(outcome) {
      const [accountId = '', accessKeyId = ''] = outcome.split(' ')
      throw new KmsError('EntityAlreadyExistsException', `An earlier try of this call has made the account ${accountId} and the access key `
        + `${accessKeyId} of its administrator, and its answer had the secret. If that did not arrive, delete this access key and make `
        + 'another.')
    },
  },
})

async function checkAccountCount({ store }: Services): Promise<void> {
  const { accounts: max } = identityQuotas
  const accounts = await store.identities.accounts(undefined, max)
  if (accounts.length >= max) throw new KmsError('LimitExceededException', `There can be at most ${max} accounts`)
}

async function freeNumber(asked: string | undefined, { store, hsm }: Services): Promise<string> {
  for (let tried = 1; ; tried++) {
    const accountId = asked ?? await randomAccountId(hsm)
    if (!await store.identities.account(accountId)) return accountId
    if (asked !== undefined || tried >= numbersTriedMax) {
      throw new KmsError('EntityAlreadyExistsException', `There is an account ${accountId} already.`)
    }
  }
}

export const listAccounts = onAccount(api.listAccounts, {
  service: 'iam',
  readOnly: true,
  permissions: onInstallation('organizations:ListAccounts'),
  async run({ input }, services) {
    const { items, end } = await pageOf(services, 'ListAccounts', input, [{
      name: 'account',
      read: (after, limit) => services.store.identities.accounts(after, limit),
      position: ({ accountId }) => accountId,
    }])
    return { Accounts: items.map(shownAccount), ...end }
  },
})

/** Each may have tens of thousands of characters of policies. */
const detailsPageMax = 100

type Listed = IdentityEntity | BuiltInPolicy

export const getAccountAuthorizationDetails = onAccount(api.getAccountAuthorizationDetails, {
  service: 'iam',
  readOnly: true,
  permissions: onWhole('iam:GetAccountAuthorizationDetails'),
  async run({ input, scope, caller }, services) {
    const accountId = accountIdOf(input, scope)
    await checkAccount(accountId, services)
    const wanted = new Set(input.Filter ?? api.entityType)
    const asked = { ...input, MaxItems: Math.min(input.MaxItems, detailsPageMax) }
    const listing = `GetAccountAuthorizationDetails ${accountId} ${[...wanted].sort().join(',')}`
    const { items, end } = await pageOf(services, listing, asked, sourcesOf(accountId, wanted, services))
    const of = <K extends IdentityEntity['kind']>(kind: K) =>
      items.filter((item): item is Extract<IdentityEntity, { kind: K }> => 'kind' in item && item.kind === kind)
    return {
      UserDetailList: of('user').map(userDetail),
      GroupDetailList: of('group').map(groupDetail),
      RoleDetailList: await Promise.all(of('role').map(role => roleDetail(role, services.identities))),
      Policies: items.filter(isPolicy).map(policyDetail),
      CallerArn: caller.principalArn,
      ...end,
    }
  },
})

function isPolicy(item: Listed): item is BuiltInPolicy | ManagedPolicy {
  return !('kind' in item) || item.kind === 'policy'
}

function sourcesOf(accountId: string, wanted: ReadonlySet<(typeof api.entityType)[number]>, services: Services): readonly Source<Listed>[] {
  return [
    ...wanted.has('AWSManagedPolicy') ? [builtInSource] : [],
    ...wanted.has('LocalManagedPolicy') ? [ofKind(services, accountId, 'policy')] : [],
    ...wanted.has('Group') ? [ofKind(services, accountId, 'group')] : [],
    ...wanted.has('User') ? [ofKind(services, accountId, 'user')] : [],
    ...wanted.has('Role') ? [ofKind(services, accountId, 'role')] : [],
  ] as readonly Source<Listed>[]
}
