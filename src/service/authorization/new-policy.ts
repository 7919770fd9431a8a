import { KmsError } from '../../domain/errors.js'
import type { Key } from '../../domain/key.js'
import { compilePolicy } from '../../domain/policy/compile.js'
import { parsePolicy } from '../../domain/policy/parse.js'
import type { Call } from '../operation.js'
import type { Services } from '../services.js'
import { keyPolicyName } from './key-policies.js'

/**
 * A key policy that a call sets, made good (KMS developer guide, Setting a key policy): its principals must exist, and the caller must be
 * able to replace it again, unless that check is told to be left out. `key` is the key as it will be, or as it is but for the policy.
 */
export async function newKeyPolicy(
  text: string, key: Key, { access }: Pick<Call, 'access'>, { identities }: Pick<Services, 'identities'>, bypassLockoutCheck: boolean,
): Promise<Pick<Key, 'policy' | 'policyBindings'>> {
  const document = parsePolicy(text, 'key')
  const policyBindings = await identities.bind(document)
  if (!bypassLockoutCheck) {
    const compiled = compilePolicy(document, { name: keyPolicyName, kind: 'key', bindings: policyBindings })
    if (!await access.wouldAllow(key, 'kms:PutKeyPolicy', compiled)) {
      const message = 'The new key policy will not allow you to update the key policy in the future.'
      throw new KmsError('MalformedPolicyDocumentException', message)
    }
  }
  return { policy: text, policyBindings }
}
