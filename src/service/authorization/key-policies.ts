import { KmsError } from '../../domain/errors.js'
import type { Key } from '../../domain/key.js'
import { compilePolicyText, type CompiledPolicy } from '../../domain/policy/compile.js'
import { rootArn } from '../../domain/principal.js'
import type { Log } from '../../ports/log.js'

export const keyPolicyName = 'key policy'

/** What may be done about a policy that this version cannot read; its account decides by whom. */
const repairs = ['kms:DescribeKey', 'kms:GetKeyPolicy', 'kms:PutKeyPolicy']

/** The policies of keys, compiled once for as long as the key stays as it is. */
export class KeyPolicies {
  readonly #log: Log
  readonly #compiled = new WeakMap<Key, CompiledPolicy>()

  constructor(log: Log) {
    this.#log = log
  }

  of(key: Key): CompiledPolicy {
    const known = this.#compiled.get(key)
    if (known) return known
    const compiled = this.#compile(key)
    this.#compiled.set(key, compiled)
    return compiled
  }

  /** Policies of before they decided were checked for less: one that means nothing today allows nothing but to replace it. */
  #compile({ arn, accountId, policy, policyBindings = {} }: Key): CompiledPolicy {
    try {
      return compilePolicyText(policy, { name: keyPolicyName, kind: 'key', bindings: policyBindings })
    } catch (error) {
      if (!(error instanceof KmsError)) throw error
      this.#log.error('the policy of a key cannot be read: it allows nothing until PutKeyPolicy replaces it', { arn, error })
      const statement = { Effect: 'Allow', Principal: { AWS: rootArn(accountId) }, Action: repairs, Resource: '*' }
      return compilePolicyText(JSON.stringify({ Statement: statement }), { name: 'key policy (unreadable)', kind: 'key' })
    }
  }
}
