import type { Caller, CallerSession } from '../../../src/domain/caller.js'
import { grantAllows, isLeftToAccount, type Grant } from '../../../src/domain/grant.js'
import type { Key } from '../../../src/domain/key.js'
import { compilePolicyText, type CompiledPolicy } from '../../../src/domain/policy/compile.js'
import { decideByGrant, decideByPolicies, type Decision, type Reason } from '../../../src/domain/policy/decide.js'
import type { PolicyKind } from '../../../src/domain/policy/document.js'
import { conditionKey, readKey } from '../../../src/domain/policy/condition-keys.js'
import { PolicyRequest, type ContextValue } from '../../../src/domain/policy/request.js'
import { factsOf } from '../../../src/service/authorization/facts.js'
import { requestKeysOf } from '../../../src/service/authorization/request-keys.js'
import { operations } from '../../../src/service/operations.js'
import type { Operation } from '../../../src/service/operation.js'
import { sampleGrant, sampleKey } from '../../contract/store-samples.js'
import { accounts, arnOf, principalArnOf, rowKeyArn, rowKeyId, rowRegion, vocabulary, type Row, type RowGrant } from './decision-table.js'
import type { Json, PlainQuestion } from './reference-evaluator.js'

/** What `is` of a row stands for. */
export const outcomes: Readonly<Record<string, Partial<Reason>>> = {
  'allowed by the key policy': { verdict: 'allow', by: 'resource policy' },
  'allowed by the account': { verdict: 'allow', by: 'resource policy' },
  'allowed by an identity policy': { verdict: 'allow', by: 'identity policy' },
  'allowed by a grant': { verdict: 'allow', by: 'grant' },
  'denied by the key policy': { verdict: 'deny', by: 'resource policy' },
  'denied by an identity policy': { verdict: 'deny', by: 'identity policy' },
  'denied by the boundary': { verdict: 'deny', by: 'permissions boundary' },
  'denied by a session policy': { verdict: 'deny', by: 'session policy' },
  'not in the key policy': { verdict: 'no', by: 'resource policy' },
  'not in any identity policy': { verdict: 'no', by: 'identity policy' },
  'not in the boundary': { verdict: 'no', by: 'permissions boundary' },
  'not in any session policy': { verdict: 'no', by: 'session policy' },
  'not across accounts': { verdict: 'no', by: 'service' },
}
/** The only one that two statements decide together. */
export const byTwo = 'allowed by the account'

/** When every call is made, unless its row says otherwise. */
export const noon = Date.UTC(2026, 6, 1, 12)
const hourMs = 3_600_000

/** The operation whose action it is. */
export function operationOf({ action }: Pick<Row, 'action'>): Operation {
  const operation = operations.get(action.startsWith('ReEncrypt') ? 'ReEncrypt' : action)
  if (!operation) throw new Error(`there is no operation ${action}`)
  return operation
}

/** KMS developer guide, Permissions reference: what is about no key. */
const onNoKey: ReadonlySet<string> = new Set([
  'CreateKey', 'DescribeCustomKeyStores', 'GenerateRandom', 'ListAliases', 'ListKeys', 'ListRetirableGrants',
])

export function isOnKey({ action }: Pick<Row, 'action'>): boolean {
  return !onNoKey.has(action)
}

/** The row asked of the functions that decide, as service/authorization/access.ts asks them. */
export function decideRow(row: Row): Decision {
  const caller = callerOf(row)
  const key = keyOf(row)
  if (isOnKey(row) && !operationOf(row).crossAccount && caller.type !== 'Service' && caller.accountId !== key.accountId) {
    return { allowed: false, reason: { verdict: 'no', by: 'service' } }
  }
  const request = requestOf(row, caller, key)
  if (!isOnKey(row)) return decideByPolicies({ caller, request, resource: undefined })
  const policy = compiled(row.keyPolicy, 'key', row.bindings)
  const outcome = decideByPolicies({ caller, request, resource: { policy, accountId: key.accountId } })
  const { encryptionContext: context = {}, sourceArn } = request.facts
  const use = { caller, operation: row.action, context, sourceArn, ...row.with['new grant'] !== undefined && { child: childOf(row) } }
  const fitting = row.grants.map(grant => grantOf(grant)).filter(grant => grantAllows(grant, use))
  const grant = fitting.find(one => !isLeftToAccount(one, caller)) ?? fitting[0]
  return grant ? decideByGrant(outcome, { grantId: grant.grantId, ofAccount: isLeftToAccount(grant, caller) }) : outcome
}

export function requestOf(row: Row, caller: Caller, key: Key): PolicyRequest {
  const { 'with': about } = row
  const origin = {
    requestId: 'row', sourceIp: about['source ip'] ?? '127.0.0.1', userAgent: about['user agent'] ?? '',
    secureTransport: about['secure transport'] ?? false,
    ...about.referer !== undefined && { referer: about.referer },
    ...about['source arn'] !== undefined && { sourceArn: about['source arn'] },
    ...about['source account'] !== undefined && { sourceAccount: about['source account'] },
  }
  const time = about.time === undefined ? noon : Date.parse(about.time)
  const [context, aliases] = [about['encryption context'], about['key aliases']]
  const facts = factsOf({ caller, region: rowRegion, origin, time }, {
    ...about.region !== undefined && { region: about.region },
    ...about.alias !== undefined && { requestAlias: about.alias },
    ...isOnKey(row) && { resource: { accountId: key.accountId, tags: key.tags, key, ...aliases && { aliases } } },
    ...context && { encryptionContext: context },
    requestKeys: () => requestKeysOf(operationOf(row).name, {
      input: membersOf(row), ...about.algorithm !== undefined && { algorithm: about.algorithm },
    }, moreKeys(row)),
  })
  return new PolicyRequest(`kms:${row.action}`, isOnKey(row) ? key.arn : '*', facts)
}

/** The row for the reference; undefined for the few that it does not understand. */
export function plainQuestionOf(row: Row): PlainQuestion | undefined {
  const { keyPolicy, ownPolicies, boundary, sessionPolicies } = row
  const documents = [keyPolicy, ...ownPolicies, ...boundary ? [boundary] : [], ...sessionPolicies ?? []]
  const written = JSON.stringify(documents)
  const isBeyondIt = /BinaryEquals|::\/64|"(?:effect|PRINCIPAL)"|RecipientAttestation|ResourceAliases/.test(written)
    || row.is === 'not across accounts' || !isOnKey(row) || row.with['new grant'] !== undefined || row.grants.some(({ source }) => source)
    || /:|-02-30/.test(`${row.with['source ip'] ?? ''}${row.with['encryption context']?.app ?? ''}`)
  if (isBeyondIt) return undefined
  const caller = callerOf(row)
  const request = requestOf(row, caller, keyOf(row))
  const asked = [...written.matchAll(/"((?:aws|kms):[^"*]+)":/gi), ...written.matchAll(/\$\{([^,}]+)/g)]
  const names = asked.map(([, name = '']) => name.trim())
  return {
    caller, action: request.action, resource: request.resource, accountId: accounts.A ?? '', keyPolicy, bindings: row.bindings,
    identityPolicies: ownPolicies, boundary, sessionPolicies, encryptionContext: row.with['encryption context'] ?? {},
    context: Object.fromEntries(names.flatMap(name => {
      const value = readKey(name.toLowerCase(), conditionKey(name.toLowerCase()), 'identity', request)
      return value === undefined ? [] : [[name.toLowerCase(), value]]
    })),
    grants: row.grants.map(grantOf).map(({ granteePrincipal, granteeServicePrincipal, granteeId, operations: those, constraints }) => ({
      grantee: granteePrincipal ?? granteeServicePrincipal ?? '', granteeId, operations: those,
      equals: constraints?.EncryptionContextEquals, subset: constraints?.EncryptionContextSubset,
    })),
  }
}

/** What access.ts finds out beside the members. */
function moreKeys({ with: about }: Row): ReadonlyMap<string, ContextValue> {
  const keys = new Map<string, ContextValue>()
  for (const [index, value] of Object.entries(about.measurements ?? {})) {
    keys.set(`kms:recipientattestation:pcr${index}`, value)
    if (index === '0') keys.set('kms:recipientattestation:imagesha384', value)
  }
  if (about['days without use'] !== undefined) keys.set('kms:trailingdayswithoutkeyusage', String(about['days without use']))
  if (about['same key'] !== undefined) keys.set('kms:reencryptonsamekey', String(about['same key']))
  return keys
}

/** As the front reads them: members with a default are there, and ValidTo is a date. */
export function membersOf(row: Pick<Row, 'action' | 'with'>): Json {
  const { input } = operationOf(row).contract
  const defaults = Object.entries(input).flatMap(([name, shape]) => 'default' in shape ? [[name, shape.default] as const] : [])
  const { members: written = {} } = row.with
  const { ValidTo: time } = written
  return { ...Object.fromEntries(defaults), ...written, ...typeof time === 'string' && { ValidTo: new Date(time) } }
}

export function keyOf({ with: { 'key tags': tags = {}, key = {} } }: Row): Key {
  return sampleKey(1, {
    keyId: rowKeyId, arn: rowKeyArn, region: rowRegion, accountId: accounts.A ?? '',
    tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    ...key as Partial<Key>,
  })
}

export function callerOf(row: Row): Caller {
  const entry = vocabulary.callers[row.caller]
  if (!entry) throw new Error(`there is no caller ${row.caller}`)
  const accountId = entry.service === undefined ? accounts[entry.account ?? 'A'] ?? '' : ''
  const [arn, principalArn] = [arnOf(row.caller), principalArnOf(row.caller)]
  const uniqueId = entry.service ?? (entry.root ? accountId : uniqueIdOf(row.caller))
  const common = {
    arn, principalArn, accountId, uniqueId, accessKeyId: '',
    tags: Object.entries(row.with['caller tags'] ?? {}).map(([key, value]) => ({ key, value })),
    policies: row.ownPolicies.map(policy => compiled(policy, 'identity')),
    ...row.boundary && { boundary: compiled(row.boundary, 'limit') },
  }
  if (entry.user !== undefined) {
    return { type: 'User', ...common, userId: uniqueId, userName: entry.user, ...row.sessionPolicies && { session: sessionOf(row) } }
  }
  if (entry.role === undefined) return { type: entry.root ? 'Account' : 'Service', ...common, userId: uniqueId }
  return { type: 'AssumedRole', ...common, userId: `${uniqueId}:${entry.session ?? ''}`, session: sessionOf(row) }
}

/** Of the user, or of the role behind the session. */
export function uniqueIdOf(caller: string): string {
  const { id, user, role, account = 'A' } = vocabulary.callers[caller] ?? {}
  return id ?? `${user === undefined ? 'AROA' : 'AIDA'}${account === 'A' ? '' : `OF${account}`}${(user ?? role ?? '').toUpperCase()}`
}

function sessionOf({ sessionPolicies, with: { session = {} } }: Row): CallerSession {
  const { issued, 'source identity': sourceIdentity, provider } = session
  return {
    issuedAt: issued === undefined ? noon - hourMs : Date.parse(issued), expiresAt: noon + hourMs,
    ...sessionPolicies && { policies: sessionPolicies.map(policy => compiled(policy, 'limit')) },
    ...sourceIdentity !== undefined && { sourceIdentity }, ...provider !== undefined && { provider },
  }
}

function grantOf({ to, operations: those, equals, subset, source, formerGrantee }: RowGrant): Grant {
  const { granteePrincipal: _, ...grant } = sampleGrant(1, 1, { operations: those })
  const id = formerGrantee ? 'AIDAFORMER' : granteeIdOf(arnOf(to))
  return {
    ...grant,
    ...vocabulary.callers[to]?.service !== undefined ? { granteeServicePrincipal: arnOf(to) } : { granteePrincipal: arnOf(to) },
    ...id !== undefined && { granteeId: id },
    ...(equals ?? subset ?? source) !== undefined && { constraints: constraintsOf({ equals, subset, source }) },
  }
}

/** Of a user, or of a role or the role of a session; not of those who were made anew. */
function granteeIdOf(arn: string): string | undefined {
  const caller = Object.entries(vocabulary.callers).find(([name, { id, service, root }]) =>
    id === undefined && service === undefined && !root && [arnOf(name), principalArnOf(name)].includes(arn))
  return caller && uniqueIdOf(caller[0])
}

function childOf({ with: { 'new grant': written } }: Row): Pick<Grant, 'operations' | 'constraints'> {
  const { operations: those = [], equals, subset } = written ?? {}
  return { operations: those, ...(equals ?? subset) !== undefined && { constraints: constraintsOf({ equals, subset }) } }
}

export function constraintsOf(
  { equals, subset, source }: { readonly [K in 'equals' | 'subset' | 'source']?: RowGrant[K] | undefined },
): NonNullable<Grant['constraints']> {
  return {
    ...equals && { EncryptionContextEquals: equals }, ...subset && { EncryptionContextSubset: subset },
    ...source !== undefined && { SourceArn: source },
  }
}

function compiled(document: Json, kind: PolicyKind, bindings: Row['bindings'] = {}): CompiledPolicy {
  return compilePolicyText(JSON.stringify(document), { name: kind, kind, bindings })
}
