import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, type Role } from '../../domain/identity.js'
import { compilePolicyText, emptyPolicy, type CompiledPolicy } from '../../domain/policy/compile.js'
import type { Log } from '../../ports/log.js'

const name = 'trust policy'

/** Of a role that does not exist: asked all the same, so that its answer is like any other. */
export const trustsNobody = emptyPolicy(name)

/** The trust policies of roles, compiled once for as long as the role stays as it is. */
export class TrustPolicies {
  readonly #log: Log
  readonly #compiled = new WeakMap<Role, CompiledPolicy>()

  constructor(log: Log) {
    this.#log = log
  }

  of(role: Role): CompiledPolicy {
    const known = this.#compiled.get(role)
    if (known) return known
    const compiled = this.#compile(role)
    this.#compiled.set(role, compiled)
    return compiled
  }

  #compile(role: Role): CompiledPolicy {
    try {
      return compilePolicyText(role.trustPolicy, { name, kind: 'trust', bindings: role.trustBindings })
    } catch (error) {
      if (!(error instanceof KmsError)) throw error
      this.#log.error('the trust policy of a role cannot be read: nobody can assume it', { arn: arnOfEntity(role), error })
      return trustsNobody
    }
  }
}
