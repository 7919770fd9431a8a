import { identityProviders } from '../adapters/web-identity/identity-providers.js'
import type { Config } from '../config.js'
import type { Clock } from '../ports/clock.js'
import type { Hsm } from '../ports/hsm.js'
import type { Log } from '../ports/log.js'
import { AccessKeys } from '../service/credentials.js'
import type { Services } from '../service/services.js'
import { SessionTokens } from '../service/sts/session-tokens.js'
import { Sessions } from '../service/sts/sessions.js'
import { SigningCredentials } from '../service/sts/signing-credentials.js'
import type { StsServices } from '../service/sts/sts-services.js'
import { TrustPolicies } from '../service/sts/trust-policies.js'

interface Parts { readonly config: Config, readonly hsm: Hsm, readonly macVersion: number, readonly clock: Clock, readonly log: Log }

export function stsServices({ config, hsm, macVersion, clock, log }: Parts): StsServices {
  return {
    sessionTokens: new SessionTokens(hsm, macVersion),
    trustPolicies: new TrustPolicies(log),
    identityProviders: identityProviders(config.sts.issuers, { clock, log }),
  }
}

/** Everything that a call can be signed with. */
export function signingCredentials({ store, hsm, identities, clock, sts: { sessionTokens: tokens } }: Services): SigningCredentials {
  const sessions = new Sessions({ tokens, identities, accessKeys: store.credentials, clock })
  return new SigningCredentials(new AccessKeys(store, hsm, identities), sessions)
}
