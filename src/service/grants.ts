import { grantOperation } from '../api/enums.js'
import * as api from '../api/grants.js'
import type { Input } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import { checkContext, checkGrantId, constraintsOf, grantPrincipal, notAPrincipal, type Grant } from '../domain/grant.js'
import { keyArn, type Scope } from '../domain/key-ref.js'
import type { Key } from '../domain/key.js'
import { foreignDenied } from '../domain/policy/denial.js'
import { parsePrincipal } from '../domain/principal.js'
import { slotMax } from '../ports/grants.js'
import { fitsGrant, type GrantOperation } from './grants/fit.js'
import { onAccount, onKey, type Call } from './operation.js'
import type { Services } from './services.js'

/** KMS developer guide, Quotas. */
const grantsPerKeyMax = 50_000
const grantPageMax = 100
const grantIdBytes = 32

type CreateGrantInput = Input<typeof api.createGrant>

export const createGrant = onKey(api.createGrant, {
  crossAccount: true,
  state: 'grant',
  key: input => input.KeyId,
  check: checkMembers,
  fits: (key, input) => { fitsGrant(key, input.Operations, constraintsOf(input.Constraints)) },
  child: input => {
    const constraints = constraintsOf(input.Constraints)
    return { operations: input.Operations, ...constraints && { constraints } }
  },
  async run({ key: { key }, input, scope }, services) {
    const { store, turns, grantTokens, grantIndex } = services
    const draft = await draftGrant(input, key, scope, services)
    // In turns, so that two calls with one name cannot both find that there is none.
    const grant = await turns.take(`grants of ${key.arn}`, async () => {
      const twin = await twinOf(draft, services)
      if (twin) return twin
      await checkQuota(draft, services)
      const made = { ...draft, grantId: Buffer.from(await services.hsm.random(grantIdBytes)).toString('hex') }
      try {
        if (!await store.grants.insert(made)) throw tooManyAlike()
      } finally {
        grantIndex.added(made)
      }
      return made
    })
    return { GrantToken: await grantTokens.tokenOf(grant), GrantId: grant.grantId }
  },
  async rehearse({ input, scope, keys: [key] }, services) {
    if (!key) return
    const draft = await draftGrant(input, key.key, scope, services)
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
  crossAccount: true,
  state: 'read',
  key: input => input.KeyId,
  check({ GrantId: grantId, GranteePrincipal: principal }) {
    if (grantId !== undefined) checkGrantId(grantId)
    if (principal !== undefined) grantPrincipal(principal)
  },
  async run({ key: { key }, input, scope }, { store, pages }) {
    const { keyId } = key
    const { GrantId: grantId, GranteePrincipal: grantee, GranteeServicePrincipal: granteeServicePrincipal } = input
    const filter = {
      ...grantId !== undefined && { grantId },
      ...grantee !== undefined && { granteePrincipal: grantPrincipal(grantee) },
      ...granteeServicePrincipal !== undefined && { granteeServicePrincipal },
    }
    const listing = `ListGrants ${key.arn} ${JSON.stringify(filter)}`
    const limit = Math.min(input.Limit, grantPageMax)
    const after = await pages.after(listing, input.Marker)
    const grants = await store.grants.list(scope.region, keyId, filter, after, limit + 1)
    const { items, end } = await pages.cut(listing, grants, limit, grant => grant.grantId)
    return { Grants: items.map(grant => entry(grant, key.arn)), ...end }
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
  async run({ input, scope, caller }, { store, pages, directory }) {
    const { RetiringPrincipal: principal, RetiringServicePrincipal: servicePrincipal } = input
    if (!isOfCaller(input, caller)) throw foreignDenied(caller, 'kms:ListRetirableGrants')
    const by = principal !== undefined ? { principal: grantPrincipal(principal) } : { servicePrincipal: servicePrincipal ?? '' }
    const listing = `ListRetirableGrants ${scope.accountId} ${scope.region} ${JSON.stringify(by)}`
    const limit = Math.min(input.Limit, grantPageMax)
    const after = await pages.after(listing, input.Marker)
    const grants = await store.grants.listRetirable(scope.region, by, after, limit + 1)
    const { items, end } = await pages.cut(listing, grants, limit, grant => grant.grantId)
    // The keys may be of any account.
    const views = await Promise.all(items.map(({ region, keyId }) => directory.key(region, keyId)))
    return { Grants: items.map((grant, at) => entry(grant, views[at]?.key.arn ?? keyArn(scope, grant.keyId))), ...end }
  },
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

/**
 * Operations and pairs in an order of their own: that of the caller means nothing, and what is the same must be stored the same. Throws
 * InvalidArnException for a principal that does not exist.
 */
async function draftGrant(input: CreateGrantInput, { region, keyId }: Key, { accountId }: Scope, services: Services): Promise<Draft> {
  const { Name: name, GranteePrincipal: grantee, GranteeServicePrincipal: granteeServicePrincipal } = input
  const { RetiringPrincipal: retiring, RetiringServicePrincipal: retiringServicePrincipal } = input
  const constraints = constraintsOf(input.Constraints)
  const [granteeId, retiringId] = [await idOf(grantee, services), await idOf(retiring, services)]
  return {
    region, keyId,
    ...name !== undefined && { name },
    createdAt: services.clock.now(),
    ...granteeId !== undefined && { granteeId },
    ...retiringId !== undefined && { retiringId },
    ...grantee !== undefined && { granteePrincipal: grantPrincipal(grantee) },
    ...granteeServicePrincipal !== undefined && { granteeServicePrincipal },
    ...retiring !== undefined && { retiringPrincipal: grantPrincipal(retiring) },
    ...retiringServicePrincipal !== undefined && { retiringServicePrincipal },
    issuingAccount: grantPrincipal(accountId),
    operations: grantOperation.filter(operation => input.Operations.includes(operation)),
    ...constraints && { constraints },
  }
}

async function idOf(principal: string | undefined, { identities }: Services): Promise<string | undefined> {
  if (principal === undefined) return undefined
  const { exists, id } = await identities.uniqueId(grantPrincipal(principal))
  if (!exists) throw notAPrincipal(principal)
  return id
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

/** Of whose grants the caller may ask: an account of the principals in it, a service of its own. */
function isOfCaller(
  { RetiringPrincipal: principal, RetiringServicePrincipal: service }: Input<typeof api.listRetirableGrants>, caller: Call['caller'],
): boolean {
  if (service !== undefined) return caller.type === 'Service' && caller.uniqueId === service
  return principal !== undefined && parsePrincipal(principal)?.accountId === caller.accountId
}

function entry(grant: Grant, key: string) {
  const { name, granteePrincipal, granteeServicePrincipal, retiringPrincipal, retiringServicePrincipal, constraints } = grant
  return {
    KeyId: key,
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

function tooManyAlike(): KmsError {
  return new KmsError('LimitExceededException', `A grantee can have at most ${slotMax} grants of a key that ask for the same pair of the `
    + 'encryption context, or that let it create grants')
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
