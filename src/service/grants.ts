import { grantOperation } from '../api/enums.js'
import * as api from '../api/grants.js'
import type { Input } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import { checkContext, checkGrantId, grantPrincipal, mayRetire } from '../domain/grant.js'
import { keyArn, type Scope } from '../domain/key-ref.js'
import type { Grant, GrantConstraints } from '../ports/grants.js'
import { fitsGrant, type GrantOperation } from './grants/fit.js'
import { grantOfToken, type GrantName } from './grants/tokens.js'
import { nothingAgain, onAccount, onKey, onKeys, type Call } from './operation.js'
import type { Services } from './services.js'

/** KMS developer guide, Quotas. */
const grantsPerKeyMax = 50_000
const grantPageMax = 100
const grantIdBytes = 32

type CreateGrantInput = Input<typeof api.createGrant>

export const createGrant = onKey(api.createGrant, {
  state: 'grant',
  key: input => input.KeyId,
  check: checkMembers,
  fits: (key, input) => { fitsGrant(key, input.Operations, constraintsOf(input)) },
  async run({ key: { key }, input, scope }, services) {
    const { store, turns, grantTokens } = services
    const draft = draftGrant(input, { ...scope, keyId: key.keyId }, services)
    // In turns, so that two calls with one name cannot both find that there is none.
    const grant = await turns.take(`grants of ${key.arn}`, async () => {
      const twin = await twinOf(draft, services)
      if (twin) return twin
      await checkQuota(draft, services)
      const made = { ...draft, grantId: Buffer.from(await services.hsm.random(grantIdBytes)).toString('hex') }
      await store.grants.insert(made)
      return made
    })
    return { GrantToken: await grantTokens.tokenOf(grant), GrantId: grant.grantId }
  },
  async rehearse({ input, scope, keys: [key] }, services) {
    if (!key) return
    const draft = draftGrant(input, { ...scope, keyId: key.key.keyId }, services)
    if (!await twinOf(draft, services)) await checkQuota(draft, services)
  },
  retry: {
    outcome: ({ GrantId: grantId }) => grantId ?? '',
    async answer(grantId, { keys: [key], scope }, { grantTokens }) {
      // Its grants have gone with the key.
      if (!key) throw new KmsError('NotFoundException', `Grant ${grantId} is not found.`)
      return { GrantToken: await grantTokens.tokenOf({ region: scope.region, keyId: key.key.keyId, grantId }), GrantId: grantId }
    },
  },
})

export const listGrants = onKey(api.listGrants, {
  readOnly: true,
  state: 'read',
  key: input => input.KeyId,
  check({ GrantId: grantId, GranteePrincipal: principal }) {
    if (grantId !== undefined) checkGrantId(grantId)
    if (principal !== undefined) grantPrincipal(principal)
  },
  async run({ key: { key: { keyId } }, input, scope }, { store, pages }) {
    const { GrantId: grantId, GranteePrincipal: grantee, GranteeServicePrincipal: granteeServicePrincipal } = input
    const filter = {
      ...grantId !== undefined && { grantId },
      ...grantee !== undefined && { granteePrincipal: grantPrincipal(grantee) },
      ...granteeServicePrincipal !== undefined && { granteeServicePrincipal },
    }
    const listing = `ListGrants ${scope.region} ${keyId} ${JSON.stringify(filter)}`
    const limit = Math.min(input.Limit, grantPageMax)
    const after = await pages.after(listing, input.Marker)
    const grants = await store.grants.list(scope.region, keyId, filter, after, limit + 1)
    const { items, end } = await pages.cut(listing, grants, limit, grant => grant.grantId)
    return { Grants: items.map(grant => entry(grant, scope)), ...end }
  },
})

export const listRetirableGrants = onAccount(api.listRetirableGrants, {
  readOnly: true,
  check({ RetiringPrincipal: principal, RetiringServicePrincipal: service }) {
    if ((principal === undefined) === (service === undefined)) {
      throw invalid('Specify exactly one of RetiringPrincipal and RetiringServicePrincipal.')
    }
    if (principal !== undefined) grantPrincipal(principal)
  },
  async run({ input, scope }, { store, pages }) {
    const { RetiringPrincipal: principal, RetiringServicePrincipal: servicePrincipal } = input
    const by = principal !== undefined ? { principal: grantPrincipal(principal) } : { servicePrincipal: servicePrincipal ?? '' }
    const listing = `ListRetirableGrants ${scope.region} ${JSON.stringify(by)}`
    const limit = Math.min(input.Limit, grantPageMax)
    const after = await pages.after(listing, input.Marker)
    const grants = await store.grants.listRetirable(scope.region, by, after, limit + 1)
    const { items, end } = await pages.cut(listing, grants, limit, grant => grant.grantId)
    return { Grants: items.map(grant => entry(grant, scope)), ...end }
  },
})

export const retireGrant = onKeys(api.retireGrant, {
  check(input) {
    const { GrantToken: token, KeyId: keyId, GrantId: grantId } = input
    const named = keyId !== undefined && grantId !== undefined
    if (token === undefined ? !named : keyId !== undefined || grantId !== undefined) {
      throw invalid('Specify either GrantToken, or KeyId and GrantId.')
    }
    if (grantId !== undefined) checkGrantId(grantId)
  },
  needs: input => [{ ref: keyToRetireFrom(input), action: 'kms:RetireGrant', state: 'read', aliases: false }],
  async run(call, services) {
    const grant = await grantToRetire(call, services)
    call.detail('grantId', grant.grantId)
    await remove(grant, services)
  },
  rehearse: async (call, services) => void await grantToRetire(call, services),
  retry: nothingAgain,
})

export const revokeGrant = onKey(api.revokeGrant, {
  state: 'read',
  key: input => input.KeyId,
  check: input => { checkGrantId(input.GrantId) },
  run: ({ key: { key: { region, keyId } }, input }, services) => remove({ region, keyId, grantId: input.GrantId }, services),
  async rehearse({ keys: [key], input }, services) {
    if (key) await stored({ region: key.key.region, keyId: key.key.keyId, grantId: input.GrantId }, services)
  },
  retry: nothingAgain,
})

/** The rules between members that the model of the API does not have. */
function checkMembers(input: CreateGrantInput): void {
  const { GranteePrincipal: grantee, GranteeServicePrincipal: granteeService, Constraints: constraints } = input
  const { RetiringPrincipal: retiring, RetiringServicePrincipal: retiringService } = input
  if (input.Operations.length === 0) throw invalid('Operations must name at least one operation.')
  if ((grantee === undefined) === (granteeService === undefined)) {
    throw invalid('Specify exactly one of GranteePrincipal and GranteeServicePrincipal.')
  }
  if (retiring !== undefined && retiringService !== undefined) {
    throw invalid('Specify at most one of RetiringPrincipal and RetiringServicePrincipal.')
  }
  if (granteeService !== undefined) {
    if (constraints?.SourceArn === undefined) throw invalid('GranteeServicePrincipal requires a SourceArn constraint.')
    if (retiring === undefined && retiringService === undefined) {
      throw invalid('GranteeServicePrincipal requires RetiringPrincipal or RetiringServicePrincipal.')
    }
  }
  for (const principal of [grantee, retiring]) if (principal !== undefined) grantPrincipal(principal)
  checkContext('EncryptionContextEquals', constraints?.EncryptionContextEquals)
  checkContext('EncryptionContextSubset', constraints?.EncryptionContextSubset)
}

type Draft = Omit<Grant, 'grantId'>

/** Operations and pairs in an order of their own: that of the caller means nothing, and what is the same must be stored the same. */
function draftGrant(input: CreateGrantInput, { region, accountId, keyId }: Scope & { readonly keyId: string }, { clock }: Services): Draft {
  const { Name: name, GranteePrincipal: grantee, GranteeServicePrincipal: granteeServicePrincipal } = input
  const { RetiringPrincipal: retiring, RetiringServicePrincipal: retiringServicePrincipal } = input
  const constraints = constraintsOf(input)
  return {
    region, keyId,
    ...name !== undefined && { name },
    createdAt: clock.now(),
    ...grantee !== undefined && { granteePrincipal: grantPrincipal(grantee) },
    ...granteeServicePrincipal !== undefined && { granteeServicePrincipal },
    ...retiring !== undefined && { retiringPrincipal: grantPrincipal(retiring) },
    ...retiringServicePrincipal !== undefined && { retiringServicePrincipal },
    issuingAccount: grantPrincipal(accountId),
    operations: grantOperation.filter(operation => input.Operations.includes(operation)),
    ...constraints && { constraints },
  }
}

/** Constraints that constrain nothing are none. */
function constraintsOf({ Constraints: constraints = {} }: CreateGrantInput): GrantConstraints | undefined {
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset, SourceArn: source } = constraints
  if (!equals && !subset && source === undefined) return undefined
  return {
    ...equals && { EncryptionContextEquals: sorted(equals) },
    ...subset && { EncryptionContextSubset: sorted(subset) },
    ...source !== undefined && { SourceArn: source },
  }
}

function sorted(pairs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(pairs).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A grant of the same name that is the same in everything else. A name alone says nothing. */
async function twinOf(draft: Draft, { store }: Services): Promise<Grant | undefined> {
  return draft.name === undefined ? undefined : store.grants.twin(draft)
}

async function checkQuota({ region, keyId }: Draft, { store }: Services): Promise<void> {
  if (await store.grants.count(region, keyId) >= grantsPerKeyMax) {
    throw new KmsError('LimitExceededException', `A key can have at most ${grantsPerKeyMax} grants`)
  }
}

function keyToRetireFrom({ GrantToken: token, KeyId: keyId }: Input<typeof api.retireGrant>): string {
  return token === undefined ? keyId ?? '' : grantOfToken(token).keyId
}

/** Throws unless there is such a grant and the caller may retire it. */
async function grantToRetire(call: Call<Input<typeof api.retireGrant>>, services: Services): Promise<Grant> {
  const { input: { GrantToken: token, GrantId: grantId }, keys: [key], scope, caller } = call
  if (!key) throw new Error('the call was given no key')
  const name = token === undefined ? { region: scope.region, keyId: key.key.keyId, grantId: grantId ?? '' } : grantOfToken(token)
  // A multi-Region key has the same id in every region, its grants are of one.
  if (name.region !== scope.region) throw grantNotFound(name)
  const grant = await stored(name, services)
  if (mayRetire(grant, caller)) return grant
  throw new KmsError('AccessDeniedException', `User: ${caller.arn} is not authorized to perform: kms:RetireGrant on resource: `
    + `${key.key.arn} because neither the grant nor the account that made it allows the kms:RetireGrant action`)
}

async function stored(name: GrantName, { store }: Services): Promise<Grant> {
  const grant = await store.grants.get(name.region, name.keyId, name.grantId)
  if (!grant) throw grantNotFound(name)
  return grant
}

async function remove(name: GrantName, { store }: Services): Promise<void> {
  if (!await store.grants.remove(name.region, name.keyId, name.grantId)) throw grantNotFound(name)
}

function grantNotFound({ grantId }: GrantName): KmsError {
  return new KmsError('NotFoundException', `Grant ${grantId} is not found.`)
}

function entry(grant: Grant, scope: Scope) {
  const { name, granteePrincipal, granteeServicePrincipal, retiringPrincipal, retiringServicePrincipal, constraints } = grant
  return {
    KeyId: keyArn(scope, grant.keyId),
    GrantId: grant.grantId,
    ...name !== undefined && { Name: name },
    CreationDate: new Date(grant.createdAt),
    ...granteePrincipal !== undefined && { GranteePrincipal: granteePrincipal },
    ...granteeServicePrincipal !== undefined && { GranteeServicePrincipal: granteeServicePrincipal },
    ...retiringPrincipal !== undefined && { RetiringPrincipal: retiringPrincipal },
    ...retiringServicePrincipal !== undefined && { RetiringServicePrincipal: retiringServicePrincipal },
    IssuingAccount: grant.issuingAccount,
    Operations: grant.operations as readonly GrantOperation[],
    ...constraints && { Constraints: constraints },
  }
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
