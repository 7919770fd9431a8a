import * as api from '../api/policies.js'
import { KmsError } from '../domain/errors.js'
import { parsePolicy } from '../domain/policy/parse.js'
import { newKeyPolicy } from './authorization/new-policy.js'
import { changeKey } from './change-key.js'
import { shownPolicy } from './authorization/shown-policy.js'
import { onKey } from './operation.js'

const onlyName = 'default'

export const putKeyPolicy = onKey(api.putKeyPolicy, {
  state: 'put-policy',
  key: input => input.KeyId,
  check(input) {
    if (input.PolicyName !== onlyName) throw new KmsError('UnsupportedOperationException', 'The only policy name is default')
    parsePolicy(input.Policy, 'key')
  },
  async run(call, services) {
    const { key, input } = call
    const policy = await newKeyPolicy(input.Policy, key.key, call, services, input.BypassPolicyLockoutSafetyCheck ?? false)
    await changeKey(key, 'put-policy', services, stored => ({ ...stored, ...policy }))
  },
  async rehearse(call, services) {
    const { keys: [key], input } = call
    if (key) await newKeyPolicy(input.Policy, key.key, call, services, input.BypassPolicyLockoutSafetyCheck ?? false)
  },
})

export const getKeyPolicy = onKey(api.getKeyPolicy, {
  readOnly: true,
  state: 'read',
  key: input => input.KeyId,
  check(input) {
    // The reference of this operation does not list UnsupportedOperationException.
    if (input.PolicyName !== onlyName) throw new KmsError('NotFoundException', 'No such policy exists')
  },
  run: async ({ key: { key } }, { identities }) => ({ Policy: await shownPolicy(key, identities), PolicyName: onlyName }),
})

export const listKeyPolicies = onKey(api.listKeyPolicies, {
  readOnly: true,
  state: 'read',
  key: input => input.KeyId,
  async run({ key, input }, { pages }) {
    // A key has one policy, so there is no second page and no marker was ever given out.
    await pages.after(`ListKeyPolicies ${key.key.arn}`, input.Marker)
    return { PolicyNames: [onlyName], Truncated: false }
  },
})
