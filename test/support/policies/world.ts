import type { Caller, CallerSession } from '../../../src/domain/caller.js'
import { grantAllows, isLeftToAccount, type Grant } from '../../../src/domain/grant.js'
import type { Key, Tag } from '../../../src/domain/key.js'
import { compilePolicyText, type CompiledPolicy } from '../../../src/domain/policy/compile.js'
import { decideByGrant, decideByPolicies, type Decision } from '../../../src/domain/policy/decide.js'
import type { PolicyKind } from '../../../src/domain/policy/document.js'
import { PolicyRequest, type ContextValue, type RequestFacts } from '../../../src/domain/policy/request.js'
import { sampleKey } from '../../contract/store-samples.js'
import type { Json } from './reference-evaluator.js'

/** One question to policies and grants, with everything that it depends on, as plain as it can be written down. */
export interface World {
  readonly caller: WorldCaller
  /** Without `kms:`. */
  readonly operation: string
  readonly keyPolicy: Json
  readonly bindings: Readonly<Record<string, string>>
  readonly identityPolicies: readonly Json[]
  readonly boundary?: Json | undefined
  readonly sessionPolicies?: readonly Json[] | undefined
  readonly grants: readonly Grant[]
  readonly encryptionContext: Readonly<Record<string, string>>
  readonly keyTags: readonly Tag[]
  readonly requestKeys: Readonly<Record<string, ContextValue>>
  readonly sourceIp: string
  readonly secureTransport: boolean
  readonly time: number
}

export type WorldCaller = Pick<Caller, 'type' | 'arn' | 'principalArn' | 'accountId' | 'uniqueId' | 'userId' | 'tags'> & {
  readonly userName?: string
}

export const worldKey: Key = sampleKey(1, { tags: [] })
export const worldRegion = worldKey.region

/** As service/authorization/access.ts asks: the policies first, and where they only fail to allow, the grants. */
export function decideWorld(world: World): Decision {
  const caller = callerOf(world)
  const key = { ...worldKey, tags: world.keyTags }
  const facts = factsOf(world, caller, key)
  const policy = compiled(world.keyPolicy, 'key', world.bindings)
  const request = new PolicyRequest(`kms:${world.operation}`, key.arn, facts)
  const outcome = decideByPolicies({ caller, request, resource: { policy, accountId: key.accountId } })
  if (outcome.allowed || !outcome.own) return outcome
  const use = { caller, operation: world.operation, context: world.encryptionContext, sourceArn: undefined }
  // One that is for the caller before one that is for its account, as they are looked up.
  const fitting = world.grants.filter(grant => grantAllows(grant, use))
  const grant = fitting.find(one => !isLeftToAccount(one, caller)) ?? fitting[0]
  return grant ? decideByGrant(outcome, { grantId: grant.grantId, ofAccount: isLeftToAccount(grant, caller) }) : outcome
}

function compiled(document: Json, kind: PolicyKind, bindings: Readonly<Record<string, string>> = {}): CompiledPolicy {
  return compilePolicyText(JSON.stringify(document), { name: kind, kind, bindings })
}

function callerOf({ caller, identityPolicies, boundary, sessionPolicies, time }: World): Caller {
  const session: CallerSession = {
    issuedAt: time - 60_000, expiresAt: time + 60_000,
    ...sessionPolicies && { policies: sessionPolicies.map(policy => compiled(policy, 'limit')) },
  }
  return {
    ...caller, accessKeyId: '',
    policies: identityPolicies.map(policy => compiled(policy, 'identity')),
    ...boundary && { boundary: compiled(boundary, 'limit') },
    ...(caller.type === 'AssumedRole' || sessionPolicies) && { session },
  }
}

function factsOf(world: World, caller: Caller, key: Key): RequestFacts {
  const { time, sourceIp, secureTransport, encryptionContext } = world
  return {
    caller, time, region: key.region, sourceIp, secureTransport, userAgent: 'test', referer: undefined,
    sourceArn: undefined, sourceAccount: undefined, requestAlias: undefined,
    resource: { accountId: key.accountId, tags: key.tags, key },
    encryptionContext,
    requestKeys: () => new Map(Object.entries(world.requestKeys)),
  }
}

/** The same facts under the names of the condition keys, put together by hand for the reference. */
export function contextOf({ caller, ...world }: World): Readonly<Record<string, ContextValue>> {
  const isPrincipal = caller.type !== 'Service'
  return {
    ...world.requestKeys,
    ...grouped('kms:encryptioncontext:', Object.entries(world.encryptionContext)),
    ...Object.keys(world.encryptionContext).length > 0 && { 'kms:encryptioncontextkeys': Object.keys(world.encryptionContext) },
    ...grouped('aws:resourcetag/', world.keyTags.map(({ TagKey, TagValue }) => [TagKey, TagValue])),
    ...grouped('aws:principaltag/', caller.tags.map(({ key, value }) => [key, value])),
    ...caller.accountId !== '' && { 'kms:calleraccount': caller.accountId, 'aws:principalaccount': caller.accountId },
    ...isPrincipal && { 'aws:principalarn': caller.principalArn, 'aws:principaltype': caller.type },
    ...caller.userName !== undefined && { 'aws:username': caller.userName },
    ...(caller.type === 'AssumedRole' || world.sessionPolicies) && { 'aws:tokenissuetime': new Date(world.time - 60_000).toISOString() },
    'aws:userid': caller.userId,
    'aws:sourceip': world.sourceIp,
    'aws:securetransport': String(world.secureTransport),
    'aws:currenttime': new Date(world.time).toISOString(),
    'aws:epochtime': String(world.time / 1000),
    'aws:resourceaccount': worldKey.accountId,
    'kms:keyspec': worldKey.keySpec,
    'kms:multiregion': 'false',
  }
}

/** Names that differ in case only are one key with several values. */
function grouped(prefix: string, pairs: readonly (readonly [string, string])[]): Readonly<Record<string, ContextValue>> {
  const names = new Map<string, string[]>()
  for (const [name, value] of pairs) names.set(name.toLowerCase(), [...names.get(name.toLowerCase()) ?? [], value])
  return Object.fromEntries([...names].map(([name, values]) => [prefix + name, values.length === 1 ? values[0] ?? '' : values]))
}
