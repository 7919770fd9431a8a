import * as api from '../../api/iam/policies.js'
import { KmsError } from '../../domain/errors.js'
import type { ManagedPolicy } from '../../domain/identity.js'
import { builtInPolicies, builtInPolicy, type BuiltInPolicy } from '../../domain/policy/managed-policies.js'
import { newEntityId } from '../credentials.js'
import { nothingAgain, onAccount } from '../operation.js'
import { holdersOf, listed } from './deletion.js'
import { checkManaged } from './documents.js'
import { ofKind, pageOf, type Source } from './lists.js'
import { insertNew } from './making.js'
import { accountOfPolicy, checkPolicyArn, onPolicy, storedPolicy } from './managed.js'
import { policyDetail, shownPolicy } from './shown.js'
import { accountIdOf, noSuchEntity, on, onWhole } from './subjects.js'
import { checkAccount, inTurn } from './turns.js'

export const createPolicy = onAccount(api.createPolicy, {
  service: 'iam',
  check: ({ PolicyDocument: text }) => checkManaged(text),
  permissions: on(({ PolicyName: name, Path: path }) => ({ kind: 'policy', name, path }), () => ['iam:CreatePolicy']),
  async run({ input, scope }, services) {
    const accountId = accountIdOf(input, scope)
    const now = services.clock.now()
    const policy = await inTurn(accountId, services, async () => insertNew<ManagedPolicy>({
      kind: 'policy', accountId, name: input.PolicyName, path: input.Path, id: await newEntityId(services.hsm, 'policy'),
      createdAt: now, updatedAt: now, revision: 1, description: input.Description, document: input.PolicyDocument,
    }, services))
    return { Policy: shownPolicy(policy) }
  },
  retry: {
    outcome: ({ Policy: made }) => made?.PolicyId ?? '',
    async answer(id, { input: { PolicyName: name } }, { store }) {
      const policy = await store.identities.byId('policy', id)
      if (!policy) throw noSuchEntity('policy', name)
      return { Policy: shownPolicy(policy) }
    },
  },
})

export const getPolicy = onAccount(api.getPolicy, {
  service: 'iam',
  readOnly: true,
  check: input => checkPolicyArn(input),
  permissions: onPolicy('iam:GetPolicy'),
  async run({ input, scope }, services) {
    await checkAccount(accountOfPolicy(input, scope), services)
    return { Policy: policyDetail(builtInPolicy(input.PolicyArn) ?? await storedPolicy(input.PolicyArn, services)) }
  },
})

/** What every account has, ascending by name. */
const builtIn: readonly BuiltInPolicy[] = builtInPolicies.toSorted((a, b) => a.name < b.name ? -1 : 1)

export const builtInSource: Source<BuiltInPolicy> = {
  name: 'aws',
  read: async (after, limit) => builtIn.filter(({ name }) => after === undefined || name > after).slice(0, limit),
  position: ({ name }) => name,
}

export const listPolicies = onAccount(api.listPolicies, {
  service: 'iam',
  readOnly: true,
  permissions: onWhole('iam:ListPolicies'),
  async run({ input, scope }, services) {
    const accountId = accountIdOf(input, scope)
    await checkAccount(accountId, services)
    const { Scope: which, PathPrefix: prefix } = input
    const sources: readonly Source<BuiltInPolicy | ManagedPolicy>[] = [
      ...which === 'Local' ? [] : [builtInSource], ...which === 'AWS' ? [] : [ofKind(services, accountId, 'policy')],
    ] as readonly Source<BuiltInPolicy | ManagedPolicy>[]
    const { items, end } = await pageOf(services, `ListPolicies ${accountId} ${which} ${prefix}`, input, sources,
      policy => ('path' in policy ? policy.path : '/').startsWith(prefix))
    return { Policies: items.map(shownPolicy), ...end }
  },
})

export const updatePolicy = onAccount(api.updatePolicy, {
  service: 'iam',
  check(input) {
    checkPolicyArn(input)
    checkManaged(input.PolicyDocument)
  },
  // IAM has versions instead, and one permission for all that makes another document count.
  permissions: onPolicy('iam:CreatePolicyVersion'),
  async run({ input, scope }, services) {
    refuseBuiltIn(input.PolicyArn)
    const policy = await inTurn(accountOfPolicy(input, scope), services, async () => services.store.identities.update({
      ...await storedPolicy(input.PolicyArn, services), document: input.PolicyDocument, updatedAt: services.clock.now(),
    }))
    return { Policy: shownPolicy(policy) }
  },
})

export const deletePolicy = onAccount(api.deletePolicy, {
  service: 'iam',
  check: input => checkPolicyArn(input),
  permissions: onPolicy('iam:DeletePolicy'),
  async run({ input: { PolicyArn: arn, ...input }, scope }, services) {
    refuseBuiltIn(arn)
    const accountId = accountOfPolicy({ ...input, PolicyArn: arn }, scope)
    await inTurn(accountId, services, async () => {
      const policy = await storedPolicy(arn, services)
      const holders = await holdersOf(arn, accountId, services)
      if (holders.length > 0) {
        const message = `Cannot delete policy ${arn}: it is attached to, or the boundary of, ${listed(holders)}.`
        throw new KmsError('DeleteConflictException', message)
      }
      await services.store.identities.remove(policy)
    })
  },
  retry: nothingAgain,
})

function refuseBuiltIn(arn: string): void {
  if (builtInPolicy(arn)) throw new KmsError('ValidationException', `${arn} is built in: nobody changes it.`)
}
