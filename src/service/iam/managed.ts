import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, type ManagedPolicy } from '../../domain/identity.js'
import type { Scope } from '../../domain/key-ref.js'
import { builtInPolicy } from '../../domain/policy/managed-policies.js'
import { policyRef, type PolicyRef } from '../../domain/principal.js'
import type { Asking, Permission } from '../operation.js'
import type { Services } from '../services.js'
import { accountIdOf, noSuchEntity, type OfAccount } from './subjects.js'

/** Throws InvalidArnException for what is not the ARN of a policy. */
export function parsePolicyArn(arn: string): PolicyRef {
  const ref = policyRef(arn)
  if (!ref) throw new KmsError('InvalidArnException', `ARN ${arn} is not valid.`)
  return ref
}

interface OfPolicy extends OfAccount { readonly PolicyArn: string }

/** Throws ValidationException when the policy is of another account than the call is about. */
export function checkPolicyArn({ PolicyArn: arn, AccountId: named }: OfPolicy): void {
  const { accountId } = parsePolicyArn(arn)
  if (named === undefined || accountId === 'aws' || accountId === named) return
  throw new KmsError('ValidationException', `${arn} is not a policy of account ${named}.`)
}

/** The account whose policy it is: of a built-in one the account that is asked. */
export function accountOfPolicy(input: OfPolicy, scope: Pick<Scope, 'accountId'>): string {
  const { accountId } = parsePolicyArn(input.PolicyArn)
  return accountId === 'aws' ? accountIdOf(input, scope) : accountId
}

/** Permission for something that is done to a policy by its ARN, which is all that policies of identities are told of it. */
export function onPolicy(action: string) {
  return (input: OfPolicy, scope: Scope, _asking: Asking): readonly Permission[] => [
    { action, resource: input.PolicyArn, of: { accountId: accountOfPolicy(input, scope), tags: [] } },
  ]
}

/** What is stored under exactly this ARN, as nobody else has read it; not of built-in ones. */
export async function storedPolicy(arn: string, { store }: Services): Promise<ManagedPolicy> {
  const { accountId, name } = parsePolicyArn(arn)
  const policy = accountId === 'aws' ? undefined : await store.identities.get(accountId, 'policy', name)
  if (!policy || arnOfEntity(policy) !== arn) throw noSuchEntity('policy', arn)
  return policy
}

/** Throws NoSuchEntityException unless it is a policy of the account or a built-in one: whether another account has it is not told. */
export async function checkAttachable(arn: string, accountId: string, services: Services): Promise<void> {
  const { accountId: owner } = parsePolicyArn(arn)
  if (owner === 'aws' ? builtInPolicy(arn) : owner === accountId && await isStored(arn, services)) return
  throw new KmsError('NoSuchEntityException', `Policy ${arn} does not exist or is not attachable.`)
}

async function isStored(arn: string, services: Services): Promise<boolean> {
  try {
    await storedPolicy(arn, services)
    return true
  } catch (error) {
    if (error instanceof KmsError) return false
    throw error
  }
}
