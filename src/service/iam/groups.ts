import * as api from '../../api/iam/groups.js'
import { KmsError } from '../../domain/errors.js'
import type { Group } from '../../domain/identity.js'
import { newEntityId } from '../credentials.js'
import { nothingAgain, onAccount } from '../operation.js'
import { without } from './changes.js'
import { blockers, listed, membersOf, refuseWith } from './deletion.js'
import { ofKind, pageOf } from './lists.js'
import { checkLockout } from './lockout.js'
import { insertNew } from './making.js'
import { shownGroup } from './shown.js'
import { accountIdOf, checkPermitted, noSuchEntity, on, onWhole, storedEntity } from './subjects.js'
import { checkAccount, inTurn } from './turns.js'
import { checkGroupCount } from './users.js'

export const createGroup = onAccount(api.createGroup, {
  service: 'iam',
  permissions: on(({ GroupName: name, Path: path }) => ({ kind: 'group', name, path }), () => ['iam:CreateGroup']),
  async run({ input, scope }, services) {
    const accountId = accountIdOf(input, scope)
    const group = await inTurn(accountId, services, async () => insertNew<Group>({
      kind: 'group', accountId, name: input.GroupName, path: input.Path, id: await newEntityId(services.hsm, 'group'),
      createdAt: services.clock.now(), revision: 1, attachedPolicies: [], inlinePolicies: {},
    }, services))
    return { Group: shownGroup(group) }
  },
  retry: {
    outcome: ({ Group: made }) => made?.GroupId ?? '',
    async answer(id, { input: { GroupName: name } }, { store }) {
      const group = await store.identities.byId('group', id)
      if (!group) throw noSuchEntity('group', name)
      return { Group: shownGroup(group) }
    },
  },
})

export const listGroups = onAccount(api.listGroups, {
  service: 'iam',
  readOnly: true,
  permissions: onWhole('iam:ListGroups'),
  async run({ input, scope }, services) {
    const accountId = accountIdOf(input, scope)
    await checkAccount(accountId, services)
    const { items, end } = await pageOf(services, `ListGroups ${accountId} ${input.PathPrefix}`, input,
      [ofKind(services, accountId, 'group')], ({ path }) => path.startsWith(input.PathPrefix))
    return { Groups: items.map(shownGroup), ...end }
  },
})

export const deleteGroup = onAccount(api.deleteGroup, {
  service: 'iam',
  permissions: on(({ GroupName: name }) => ({ kind: 'group', name }), () => ['iam:DeleteGroup']),
  async run(call, services) {
    const { input, scope } = call
    const accountId = accountIdOf(input, scope)
    await inTurn(accountId, services, async () => {
      const group = checkPermitted(await storedEntity(services, accountId, 'group', input.GroupName), call)
      const members = await membersOf(group, services)
      refuseWith(group, [...members.length > 0 ? [`remove its members (${listed(members)})`] : [], ...blockers(group)])
      await services.store.identities.remove(group)
    })
  },
  retry: nothingAgain,
})

/** Who is in the group already stays there. */
export const addUserToGroup = onAccount(api.addUserToGroup, {
  service: 'iam',
  permissions: on(({ GroupName: name }) => ({ kind: 'group', name }), () => ['iam:AddUserToGroup']),
  async run(call, services) {
    const { input, scope } = call
    const accountId = accountIdOf(input, scope)
    await inTurn(accountId, services, async () => {
      const group = checkPermitted(await storedEntity(services, accountId, 'group', input.GroupName), call)
      const user = await storedEntity(services, accountId, 'user', input.UserName)
      if (user.groups.includes(group.name)) return
      const groups = [...user.groups, group.name]
      checkGroupCount({ groups })
      await services.store.identities.update({ ...user, groups })
    })
  },
})

export const removeUserFromGroup = onAccount(api.removeUserFromGroup, {
  service: 'iam',
  permissions: on(({ GroupName: name }) => ({ kind: 'group', name }), () => ['iam:RemoveUserFromGroup']),
  async run(call, services) {
    const { input, scope } = call
    const accountId = accountIdOf(input, scope)
    await inTurn(accountId, services, async () => {
      const group = checkPermitted(await storedEntity(services, accountId, 'group', input.GroupName), call)
      const user = await storedEntity(services, accountId, 'user', input.UserName)
      if (!user.groups.includes(group.name)) {
        throw new KmsError('NoSuchEntityException', `The user ${user.name} is not in the group ${group.name}.`)
      }
      const changed = { ...user, groups: without(user.groups, group.name) }
      await checkLockout(call, user, changed, services)
      await services.store.identities.update(changed)
    })
  },
  retry: nothingAgain,
})
