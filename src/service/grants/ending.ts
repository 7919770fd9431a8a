import * as api from '../../api/grants.js'
import type { Input } from '../../api/shape.js'
import { KmsError } from '../../domain/errors.js'
import { checkGrantId, mayRetire, type Grant } from '../../domain/grant.js'
import type { Key } from '../../domain/key.js'
import type { Reason } from '../../domain/policy/decide.js'
import { accessDenied, foreignDenied } from '../../domain/policy/denial.js'
import { rootArn } from '../../domain/principal.js'
import { nothingAgain, onKey, onKeys, type Call } from '../operation.js'
import type { Services } from '../services.js'
import { grantOfToken, type GrantName } from './tokens.js'

const retire = 'kms:RetireGrant'

export const retireGrant = onKeys(api.retireGrant, {
  crossAccount: true,
  check(input) {
    const { GrantToken: token, KeyId: keyId, GrantId: grantId } = input
    const named = keyId !== undefined && grantId !== undefined
    if (token === undefined ? !named : keyId !== undefined || grantId !== undefined) {
      throw invalid('Specify either GrantToken, or KeyId and GrantId.')
    }
    if (grantId !== undefined) checkGrantId(grantId)
  },
  needs: input => [{
    ref: keyToRetireFrom(input), action: retire, state: 'read', aliases: false, decidedBy: 'grant',
    ...input.GrantToken !== undefined && { foundIn: 'token' },
  }],
  async run(call, services) {
    const grant = await grantToRetire(call, services)
    call.detail('grantId', grant.grantId)
    await remove(grant, services)
  },
  rehearse: async (call, services) => void await grantToRetire(call, services),
  retry: nothingAgain,
})

export const revokeGrant = onKey(api.revokeGrant, {
  crossAccount: true,
  state: 'read',
  key: input => input.KeyId,
  check: input => { checkGrantId(input.GrantId) },
  run: ({ key: { key: { region, keyId } }, input }, services) => remove({ region, keyId, grantId: input.GrantId }, services),
  async rehearse({ keys: [key], input }, services) {
    if (key) await stored({ region: key.key.region, keyId: key.key.keyId, grantId: input.GrantId }, services)
  },
  retry: nothingAgain,
})

function keyToRetireFrom({ GrantToken: token, KeyId: keyId }: Input<typeof api.retireGrant>): string {
  return token === undefined ? keyId ?? '' : grantOfToken(token).keyId
}

/** Throws unless there is such a grant and the caller may retire it. */
async function grantToRetire(call: Call<Input<typeof api.retireGrant>>, services: Services): Promise<Grant> {
  const { input: { GrantToken: token, GrantId: grantId }, keys: [key], scope, caller, access } = call
  if (!key) throw new Error('the call was given no key')
  const name = token === undefined ? { region: scope.region, keyId: key.key.keyId, grantId: grantId ?? '' } : grantOfToken(token)
  // A multi-Region key has the same id in every region, its grants are of one.
  if (name.region !== scope.region) throw grantNotFound(name)
  const grant = await services.store.grants.get(name.region, name.keyId, name.grantId)
  const reason = whyRetire(grant, key.key, call)
  access.decided(key.key, retire, reason)
  if (grant && reason.verdict === 'allow') return grant
  if (key.key.accountId !== caller.accountId) throw foreignDenied(caller, retire)
  // Which grants there are is told to whom the account lets retire them.
  if (reason.verdict === 'allow') throw grantNotFound(name)
  throw accessDenied(caller, retire, key.key.arn, reason)
}

function whyRetire(grant: Grant | undefined, { accountId }: Key, call: Call): Reason {
  if (grant && mayRetire(grant, call.caller)) {
    // A boundary and session policies limit what a grant gives, too.
    return call.outcomes[0]?.own?.limit() ?? { verdict: 'allow', by: 'grant', policy: grant.grantId }
  }
  return { verdict: isDelegated(grant?.issuingAccount ?? rootArn(accountId), call) ? 'allow' : 'no', by: 'identity policy' }
}

/** The account that made a grant may retire it: its root, and whom its policies let. */
function isDelegated(issuingAccount: string, { caller, outcomes: [outcome] }: Pick<Call, 'caller' | 'outcomes'>): boolean {
  if (issuingAccount !== rootArn(caller.accountId)) return false
  if (caller.type === 'Account') return true
  return outcome?.own !== undefined && outcome.own.allow() && !outcome.own.limit()
}

async function stored(name: GrantName, { store }: Services): Promise<Grant> {
  const grant = await store.grants.get(name.region, name.keyId, name.grantId)
  if (!grant) throw grantNotFound(name)
  return grant
}

async function remove(name: GrantName, { store, grantIndex }: Services): Promise<void> {
  try {
    if (!await store.grants.remove(name.region, name.keyId, name.grantId)) throw grantNotFound(name)
  } finally {
    grantIndex.removed(name)
  }
}

function grantNotFound({ grantId }: GrantName): KmsError {
  return new KmsError('NotFoundException', `Grant ${grantId} is not found.`)
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
