import { updateRole } from '../../../api/iam/roles.js'
import { nameKey } from '../../../domain/identity.js'
import { parsePolicy } from '../../../domain/policy/parse.js'
import { parsePrincipal } from '../../../domain/principal.js'
import type { Change } from './changes.js'

/** Trusts nobody: of a role that is there before those that it trusts. */
const nobody = JSON.stringify({
  Version: '2012-10-17', Statement: { Effect: 'Deny', Principal: '*', Action: 'sts:AssumeRole' },
})

/** Roles in an order in which each is made after those that it trusts; where they trust each other, one of them trusts nobody at first. */
export function inOrderOfTrust(roles: readonly Change[]): readonly Change[] {
  const left = new Map(roles.map(role => [placeOf(role.accountId, role.name), role]))
  const ordered: Change[] = []
  const later: Change[] = []
  while (left.size > 0) {
    const ready = [...left].filter(([, role]) => trusted(role).every(place => !left.has(place)))
    const [first] = left
    for (const [place, role] of ready.length > 0 ? ready : first ? [first] : []) {
      left.delete(place)
      if (ready.length > 0) {
        ordered.push(role)
        continue
      }
      const [distrusting, trusting] = inTwoSteps(role)
      ordered.push(distrusting)
      later.push(trusting)
    }
  }
  return [...ordered, ...later]
}

function inTwoSteps(role: Change): readonly [Change, Change] {
  const [made, ...rest] = role.calls
  if (!made) throw new Error('a role is made by no call')
  const { AssumeRolePolicyDocument: document, ...input } = made.input
  const { accountId, kind, name } = role
  return [
    { ...role, calls: [{ ...made, input: { ...input, AssumeRolePolicyDocument: nobody } }, ...rest] },
    {
      verb: 'update', kind, accountId, name, details: ['~ trust policy, now that those are there whom it trusts'],
      calls: [{ contract: updateRole, input: { AccountId: accountId, RoleName: name, AssumeRolePolicyDocument: document } }],
    },
  ]
}

/** The roles that are named in the trust policy. */
function trusted({ calls: [made] }: Change): readonly string[] {
  const { statements } = parsePolicy(made?.input.AssumeRolePolicyDocument as string, 'trust')
  return statements.flatMap(({ principals }) => principals?.names ?? []).flatMap(({ name }) => {
    const ref = parsePrincipal(name)
    if (ref?.kind === 'role') return [placeOf(ref.accountId, ref.name)]
    return ref?.kind === 'session' ? [placeOf(ref.accountId, ref.role)] : []
  })
}

function placeOf(accountId: string, name: string): string {
  return `${accountId}/${nameKey(name)}`
}
