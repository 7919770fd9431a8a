import { KmsError } from '../../domain/errors.js'
import type { Key } from '../../domain/key.js'
import { compilePolicyText, type CompiledPolicy } from '../../domain/policy/compile.js'
import { rootArn } from '../../domain/principal.js'
import type { Log } from '../../ports/log.js'
import { WeightedCache } from '../weighted-cache.js'
import { entryWeight } from '../weights.js'

export const keyPolicyName = 'key policy'

/** What may be done about a policy that this version cannot read; its account decides by whom. */
const repairs = ['kms:DescribeKey', 'kms:GetKeyPolicy', 'kms:PutKeyPolicy']

/** Of compiled policies of keys that are kept, in characters of their texts: some 9,000 usual ones, or 250 of the longest. */
const compiledWeightMax = 8 * 1024 * 1024

interface Known {
  readonly policy: string
  readonly policyBindings: Key['policyBindings']
  readonly compiled: CompiledPolicy
}

/** The policies of keys, compiled once for as long as the policy stays as it is and there is room for it; then once more. */
export class KeyPolicies {
  readonly #log: Log
  readonly #known: WeightedCache<Known>

  constructor(log: Log, weightMax = compiledWeightMax) {
    this.#log = log
    this.#known = new WeightedCache(weightMax)
  }

  of(key: Key): CompiledPolicy {
    const { arn, policy, policyBindings } = key
    const known = this.#known.get(arn)
    if (known?.policy === policy && known.policyBindings === policyBindings) return known.compiled
    const compiled = this.#compile(key)
    this.#known.set(arn, { policy, policyBindings, compiled }, entryWeight + policy.length)
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
