import * as api from '../../api/iam/roles.js'
import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, type Role, type User } from '../../domain/identity.js'
import { entityArn } from '../../domain/principal.js'
import { newEntityId } from '../credentials.js'
import { nothingAgain, onAccount } from '../operation.js'
import type { Services } from '../services.js'
import { refuseTrust } from './approvers.js'
import { checkBoundary, principalOf } from './boundaries.js'
import { change } from './changes.js'
import { blockers, refuseWith } from './deletion.js'
import { readTrust } from './documents.js'
import { ofKind, pageOf } from './lists.js'
import { refuseOneself } from './lockout.js'
import { insertNew } from './making.js'
import { roleDetail, shownRole } from './shown.js'
import { accountIdOf, actionOn, checkOneName, checkPermitted, holderOf, noSuchEntity, on, onWhole, storedEntity } from './subjects.js'
import { checkPrincipalTags, principalTags } from './tags.js'
import { checkAccount, inTurn } from './turns.js'

export const createRole = onAccount(api.createRole, {
  service: 'iam',
  check({ Tags: tags = [], AssumeRolePolicyDocument: text }) {
    checkPrincipalTags(tags)
    readTrust(text)
  },
  permissions: on(
    ({ RoleName: name, Path: path }) => ({ kind: 'role', name, path }),
    ({ Tags: tags = [] }) => ['iam:CreateRole', ...tags.length > 0 ? ['iam:TagRole'] : []],
  ),
  async run({ input, scope, caller }, services) {
    const accountId = accountIdOf(input, scope)
    const arn = entityArn('role', { accountId, path: input.Path, name: input.RoleName })
    refuseTrust('CreateRole', { arn, accountId }, services, caller)
    const { PermissionsBoundary: boundary, Tags: tags = [] } = input
    const role = await inTurn(accountId, services, async () => {
      if (boundary !== undefined) await checkBoundary(boundary, accountId, services)
      return insertNew<Role>({
        kind: 'role', accountId, name: input.RoleName, path: input.Path, id: await newEntityId(services.hsm, 'role'),
        createdAt: services.clock.now(), revision: 1, attachedPolicies: [], inlinePolicies: {}, description: input.Description,
        tags: principalTags(tags), maxSessionSeconds: input.MaxSessionDuration,
        ...await trust(input.AssumeRolePolicyDocument, services), ...boundary !== undefined && { boundary },
      }, services)
    })
    return { Role: await shownRole(role, services.identities) }
  },
  retry: {
    outcome: ({ Role: made }) => made?.RoleId ?? '',
    async answer(id, { input: { RoleName: name } }, { store, identities }) {
      const role = await store.identities.byId('role', id)
      if (!role) throw noSuchEntity('role', name)
      return { Role: await shownRole(role, identities) }
    },
  },
})

/** Whom the policy names must exist, and is known by its unique id from now on. */
async function trust(text: string, { identities }: Services): Promise<Pick<Role, 'trustPolicy' | 'trustBindings'>> {
  return { trustPolicy: text, trustBindings: await identities.bind(readTrust(text)) }
}

export const getRole = onAccount(api.getRole, {
  service: 'iam',
  readOnly: true,
  permissions: on(({ RoleName: name }) => ({ kind: 'role', name }), () => ['iam:GetRole']),
  async run(call, services) {
    const { input, scope } = call
    const accountId = accountIdOf(input, scope)
    await checkAccount(accountId, services)
    const role = checkPermitted(await storedEntity(services, accountId, 'role', input.RoleName), call)
    return { Role: await roleDetail(role, services.identities) }
  },
})

export const listRoles = onAccount(api.listRoles, {
  service: 'iam',
  readOnly: true,
  permissions: onWhole('iam:ListRoles'),
  async run({ input, scope }, services) {
    const accountId = accountIdOf(input, scope)
    await checkAccount(accountId, services)
    const { items, end } = await pageOf(services, `ListRoles ${accountId} ${input.PathPrefix}`, input,
      [ofKind(services, accountId, 'role')], ({ path }) => path.startsWith(input.PathPrefix))
    return { Roles: await Promise.all(items.map(role => shownRole(role, services.identities))), ...end }
  },
})

export const updateRole = onAccount(api.updateRole, {
  service: 'iam',
  check({ AssumeRolePolicyDocument: text }) {
    if (text !== undefined) readTrust(text)
  },
  // IAM has two operations for it.
  permissions: on(({ RoleName: name }) => ({ kind: 'role', name }), input => [
    ...input.AssumeRolePolicyDocument === undefined ? [] : ['iam:UpdateAssumeRolePolicy'],
    ...input.AssumeRolePolicyDocument === undefined || input.Description !== undefined || input.MaxSessionDuration !== undefined
      ? ['iam:UpdateRole'] : [],
  ]),
  async run(call, services) {
    const { RoleName: name, AssumeRolePolicyDocument: text, Description: description, MaxSessionDuration: seconds } = call.input
    await change(call, { kind: 'role', name }, services, async stored => {
      if (text !== undefined) refuseTrust('UpdateRole', { arn: arnOfEntity(stored), accountId: stored.accountId }, services, call.caller)
      return {
        ...stored,
        ...text !== undefined && await trust(text, services),
        ...description !== undefined && { description },
        ...seconds !== undefined && { maxSessionSeconds: seconds },
      }
    })
  },
})

export const deleteRole = onAccount(api.deleteRole, {
  service: 'iam',
  permissions: on(({ RoleName: name }) => ({ kind: 'role', name }), () => ['iam:DeleteRole']),
  async run(call, services) {
    const { input, scope } = call
    const accountId = accountIdOf(input, scope)
    await inTurn(accountId, services, async () => {
      const role = checkPermitted(await storedEntity(services, accountId, 'role', input.RoleName), call)
      refuseOneself(call, role)
      refuseWith(role, blockers(role))
      await services.store.identities.remove(role)
    })
  },
  retry: nothingAgain,
})

const principals = ['UserName', 'RoleName'] as const

export const revokeSessions = onAccount(api.revokeSessions, {
  service: 'iam',
  check: input => checkOneName(input, principals),
  // IAM has no operation for it: its console puts a policy that denies what is older.
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Revoke*Sessions', subject)]),
  async run(call, services) {
    const now = services.clock.now()
    const { sessionsRevokedAt } = await change(call, principalOf(call.input), services, (stored: User | Role) => {
      // A clock that was put back must not give life to what was revoked.
      return { ...stored, sessionsRevokedAt: Math.max(now, stored.sessionsRevokedAt ?? 0) }
    })
    if (sessionsRevokedAt === undefined) throw new KmsError('KMSInternalException')
    return { RevokedAt: new Date(sessionsRevokedAt) }
  },
})
