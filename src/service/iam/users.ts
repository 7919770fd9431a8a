import * as api from '../../api/iam/users.js'
import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, identityQuotas, type User } from '../../domain/identity.js'
import { newEntityId } from '../credentials.js'
import { nothingAgain, onAccount } from '../operation.js'
import type { Services } from '../services.js'
import { checkBoundary } from './boundaries.js'
import { blockers, refuseWith } from './deletion.js'
import { ofKind, pageOf } from './lists.js'
import { refuseOneself } from './lockout.js'
import { insertNew } from './making.js'
import { ownUser } from './own-user.js'
import { shownUser, userDetail } from './shown.js'
import { accountIdOf, checkPermitted, noSuchEntity, on, onWhole, storedEntity } from './subjects.js'
import { checkPrincipalTags, principalTags } from './tags.js'
import { checkAccount, inTurn } from './turns.js'

export const createUser = onAccount(api.createUser, {
  service: 'iam',
  check: ({ Tags: tags = [] }) => checkPrincipalTags(tags),
  permissions: on(
    ({ UserName: name, Path: path }) => ({ kind: 'user', name, path }),
    ({ Tags: tags = [] }) => ['iam:CreateUser', ...tags.length > 0 ? ['iam:TagUser'] : []],
  ),
  async run({ input, scope }, services) {
    const accountId = accountIdOf(input, scope)
    const { PermissionsBoundary: boundary, Tags: tags = [] } = input
    const user = await inTurn(accountId, services, async () => {
      if (boundary !== undefined) await checkBoundary(boundary, accountId, services)
      return insertNew<User>({
        kind: 'user', accountId, name: input.UserName, path: input.Path, id: await newEntityId(services.hsm, 'user'),
        createdAt: services.clock.now(), revision: 1, attachedPolicies: [], inlinePolicies: {}, groups: [], tags: principalTags(tags),
        ...boundary !== undefined && { boundary },
      }, services)
    })
    return { User: shownUser(user) }
  },
  retry: {
    outcome: ({ User: made }) => made?.UserId ?? '',
    async answer(id, { input: { UserName: name } }, { store }) {
      const user = await store.identities.byId('user', id)
      if (!user) throw noSuchEntity('user', name)
      return { User: shownUser(user) }
    },
  },
})

export const getUser = onAccount(api.getUser, {
  service: 'iam',
  readOnly: true,
  permissions: on((input, { caller }) => ({ kind: 'user', name: ownUser(input, caller) }), () => ['iam:GetUser']),
  async run(call, services) {
    const { input, scope, caller } = call
    const accountId = accountIdOf(input, scope)
    await checkAccount(accountId, services)
    return { User: userDetail(checkPermitted(await storedEntity(services, accountId, 'user', ownUser(input, caller)), call)) }
  },
})

export const listUsers = onAccount(api.listUsers, {
  service: 'iam',
  readOnly: true,
  permissions: onWhole('iam:ListUsers'),
  async run({ input, scope }, services) {
    const accountId = accountIdOf(input, scope)
    await checkAccount(accountId, services)
    const { items, end } = await pageOf(services, `ListUsers ${accountId} ${input.PathPrefix}`, input,
      [ofKind(services, accountId, 'user')], ({ path }) => path.startsWith(input.PathPrefix))
    return { Users: items.map(shownUser), ...end }
  },
})

export const deleteUser = onAccount(api.deleteUser, {
  service: 'iam',
  permissions: on(({ UserName: name }) => ({ kind: 'user', name }), () => ['iam:DeleteUser']),
  async run(call, services) {
    const { input: { UserName: name }, scope } = call
    const accountId = accountIdOf(call.input, scope)
    await inTurn(accountId, services, async () => {
      const user = checkPermitted(await storedEntity(services, accountId, 'user', name), call)
      refuseOneself(call, user)
      refuseWith(user, [...await accessKeysOf(user, services), ...blockers(user)])
      await services.store.identities.remove(user)
    })
  },
  retry: nothingAgain,
})

async function accessKeysOf(user: User, { store }: Services): Promise<readonly string[]> {
  const keys = await store.credentials.ofPrincipal(arnOfEntity(user))
  return keys.length > 0 ? [`delete its access keys (${keys.map(({ accessKeyId }) => accessKeyId).join(', ')})`] : []
}

/** Throws LimitExceededException for a user who is to be in too many groups. */
export function checkGroupCount({ groups }: Pick<User, 'groups'>): void {
  if (groups.length <= identityQuotas.groupsPerUser) return
  throw new KmsError('LimitExceededException', `A user can be in at most ${identityQuotas.groupsPerUser} groups`)
}
