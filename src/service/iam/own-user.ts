import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import type { OfAccount } from './subjects.js'

/** The user that is named; without a name the caller (IAM API Reference, GetUser). Throws ValidationException if that is no user. */
export function ownUser({ UserName: name, AccountId: accountId }: OfAccount & { readonly UserName?: string }, caller: Caller): string {
  if (name !== undefined) return name
  const isOwn = accountId === undefined || accountId === caller.accountId
  if (isOwn && caller.type === 'User' && caller.userName !== undefined) return caller.userName
  throw new KmsError('ValidationException', 'Must specify UserName when calling with credentials of no user of that account.')
}
