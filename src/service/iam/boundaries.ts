import * as api from '../../api/iam/policies.js'
import type { Role, User } from '../../domain/identity.js'
import { nothingAgain, onAccount } from '../operation.js'
import type { Services } from '../services.js'
import { change } from './changes.js'
import { checkAttachable } from './managed.js'
import { actionOn, accountIdOf, checkOneName, holderOf, noSuchEntity, on, type Names, type Subject } from './subjects.js'

const names = ['UserName', 'RoleName'] as const

export const putPermissionsBoundary = onAccount(api.putPermissionsBoundary, {
  service: 'iam',
  check: input => checkOneName(input, names),
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Put*PermissionsBoundary', subject)]),
  async run(call, services) {
    const { input, scope } = call
    await change(call, principalOf(input), services, async stored => {
      await checkBoundary(input.PermissionsBoundary, accountIdOf(input, scope), services)
      return { ...stored, boundary: input.PermissionsBoundary }
    })
  },
})

export const deletePermissionsBoundary = onAccount(api.deletePermissionsBoundary, {
  service: 'iam',
  check: input => checkOneName(input, names),
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Delete*PermissionsBoundary', subject)]),
  async run(call, services) {
    const subject = principalOf(call.input)
    await change(call, subject, services, ({ boundary, ...rest }: User | Role) => {
      if (boundary === undefined) throw noSuchEntity('policy', `as the permissions boundary of ${subject.kind} ${subject.name}`)
      return rest
    })
  },
  retry: nothingAgain,
})

/** The user or role that is named. */
export function principalOf(input: Names): Subject & { readonly kind: 'user' | 'role' } {
  const { kind, name } = holderOf(input)
  if (kind === 'group') throw new Error('a group is no principal')
  return { kind, name }
}

/** A boundary is a managed policy like any other. */
export function checkBoundary(arn: string, accountId: string, services: Services): Promise<void> {
  return checkAttachable(arn, accountId, services)
}
