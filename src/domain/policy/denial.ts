import type { Caller } from '../caller.js'
import { withoutStack, type KmsError } from '../errors.js'
import type { Decider, Reason } from './decide.js'

/** Of whom it is said that they do not allow, or deny. */
const kinds: Readonly<Record<Decider, string>> = {
  'resource policy': 'resource-based policy', 'identity policy': 'identity-based policy', 'permissions boundary': 'permissions boundary',
  'session policy': 'session policy', 'grant': 'grant', 'service': 'policy of the service',
}

type Who = Pick<Caller, 'arn'>

/** The refusal of a call in the words of AWS KMS. Only for resources of the caller's own account: it tells which policy it was. */
export function accessDenied(caller: Who, action: string, resource: string | undefined, { verdict, by }: Reason): KmsError {
  const kind = kinds[by]
  const article = kind.startsWith('i') ? 'an' : 'a'
  const tail = verdict === 'deny' ? `with an explicit deny in ${article} ${kind}` : `because no ${kind} allows the ${action} action`
  return denied(caller, action, resource === undefined ? '' : ` on resource: ${resource}`, tail)
}

/** The same text for a key of another account that does not exist, one that may not be used, and one that is denied. */
export function foreignDenied(caller: Who, action: string): KmsError {
  return denied(caller, action, ' on this resource', foreign)
}

/** The same text for what is in another account, whether or not there is such an account. */
export function accountDenied(caller: Who, action: string): KmsError {
  return denied(caller, action, ' in that account', 'because only callers of the account itself and of the account of the installation may')
}

/** Of a ciphertext that names its key. */
export function ciphertextDenied(caller: Who, action: string): KmsError {
  return denied(caller, action, ' on the resource associated with this ciphertext', foreign)
}

/** Of a role: the same text for one that does not exist, one that may not be assumed, and one whose own account denies it. */
export function roleDenied({ arn, type }: Pick<Caller, 'arn' | 'type'>, action: string, roleArn: string): KmsError {
  const text = type === 'WebIdentity'
    ? `Not authorized to perform ${action}`
    : `User: ${arn} is not authorized to perform: ${action} on resource: ${roleArn}`
  return withoutStack('AccessDeniedException', text)
}

/** Whether it was left open if there is such a resource: then nothing else may tell, either. */
export function isForeignDenial(message: string): boolean {
  return message.endsWith(foreign)
}

const foreign = 'because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy '
  + 'explicitly denies access'

function denied({ arn }: Who, action: string, on: string, tail: string): KmsError {
  return withoutStack('AccessDeniedException', `User: ${arn} is not authorized to perform: ${action}${on} ${tail}`)
}
