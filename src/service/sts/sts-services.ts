import type { IdentityProviders } from '../../ports/web-identity.js'
import type { SessionTokens } from './session-tokens.js'
import type { TrustPolicies } from './trust-policies.js'

/** What the operations of STS work with besides the rest. */
export interface StsServices {
  readonly sessionTokens: SessionTokens
  readonly trustPolicies: TrustPolicies
  readonly identityProviders: IdentityProviders
}
