import type { Caller } from '../caller.js'

export interface Decision {
  readonly allowed: boolean
  /** The tail of the AccessDeniedException that AWS KMS would give. */
  readonly because: string
}

/**
 * May `caller` perform `action`? Until identities and policies are evaluated, the administrator may do everything and
 * nobody else may do anything. The caller of this function must not go on when the answer is no.
 */
export function decide(caller: Caller, action: string): Decision {
  return { allowed: caller.administrator, because: `no identity-based policy allows the ${action} action` }
}
