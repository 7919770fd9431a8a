import type { Caller, CallerType } from '../caller.js'
import type { Key } from '../key.js'
import { isReplica } from '../multi-region.js'
import type { PolicyKind } from './document.js'
import { foldCase } from './fold-case.js'
import type { ContextValue, PolicyRequest } from './request.js'
import type { Work } from './work.js'

/** What the values of a key are, for people; operators work on texts. `multi`: a key may have several values in one request. */
export type KeyType = 'String' | 'Bool' | 'Numeric' | 'Date' | 'ARN' | 'IP'

export interface ConditionKey {
  /** As AWS spells it; `<name>` stands for what follows the prefix. */
  readonly name: string
  /** Where its `<…>` begins; negative if it has none. */
  readonly restAt: number
  readonly type: KeyType
  readonly multi?: true
  /** Only in policies of identities (KMS developer guide, kms:ResourceAliases). */
  readonly identityOnly?: true
  /** `rest` is what stands for `<…>`, in small letters. */
  readonly read: (request: PolicyRequest, rest: string) => ContextValue | undefined
}

function key(
  name: string, type: KeyType, read: ConditionKey['read'], more: Pick<ConditionKey, 'multi' | 'identityOnly'> = {},
): ConditionKey {
  return { name, restAt: name.indexOf('<'), type, read, ...more }
}

/** Of the members of some operations: service/authorization/request-keys.ts fills them in. */
function asked(name: string, type: KeyType, more: Pick<ConditionKey, 'multi'> = {}): ConditionKey {
  const lower = name.toLowerCase()
  return key(name, type, ({ requestKeys }) => requestKeys.get(lower), more)
}

/** Of the key of the request, or of the one that is to be made. */
function ofKey(name: string, type: KeyType, read: (of: Key) => string | undefined): ConditionKey {
  const lower = name.toLowerCase()
  return key(name, type, ({ facts, requestKeys }) => facts.resource?.key ? read(facts.resource.key) : requestKeys.get(lower))
}

function ofSession(name: string, type: KeyType, value: string | undefined): ConditionKey {
  return key(name, type, ({ facts: { caller } }) => caller.session && value)
}

/** Of services and of whoever has no role yet these say nothing: they are principals of no account. */
const principalTypes: ReadonlySet<CallerType> = new Set<CallerType>(['Account', 'User', 'AssumedRole'])

function ofPrincipal(name: string, type: KeyType, read: (caller: Caller) => string | undefined): ConditionKey {
  return key(name, type, ({ facts: { caller } }) => principalTypes.has(caller.type) ? read(caller) : undefined)
}

/** Set only by what there is in the cloud of AWS. It is known all the same, so that nothing else can ever pass for it. */
function never(name: string, type: KeyType, more: Pick<ConditionKey, 'multi'> = {}): ConditionKey {
  return key(name, type, () => undefined, more)
}

function resourceTag({ facts: { resource }, work }: PolicyRequest, name: string): ContextValue | undefined {
  return resource && valuesOf(resource.tags, name, ({ TagKey }) => TagKey, ({ TagValue }) => TagValue, work)
}

/** Condition keys of KMS (KMS developer guide), of IAM (global condition context keys) and of STS that the service knows. */
export const conditionKeys: readonly ConditionKey[] = [
  key('kms:CallerAccount', 'String', ({ facts: { caller } }) => caller.accountId === '' ? undefined : caller.accountId),
  never('kms:ViaService', 'String'),
  ofKey('kms:KeySpec', 'String', of => of.keySpec),
  ofKey('kms:CustomerMasterKeySpec', 'String', of => of.keySpec),
  ofKey('kms:KeyUsage', 'String', of => of.keyUsage),
  ofKey('kms:CustomerMasterKeyUsage', 'String', of => of.keyUsage),
  ofKey('kms:KeyOrigin', 'String', of => of.origin),
  ofKey('kms:MultiRegion', 'Bool', of => String(of.multiRegion !== undefined)),
  ofKey('kms:MultiRegionKeyType', 'String', of => of.multiRegion && (isReplica(of) ? 'REPLICA' : 'PRIMARY')),
  key('kms:ResourceAliases', 'String', ({ facts }) => facts.resource?.aliases, { multi: true, identityOnly: true }),
  key('kms:RequestAlias', 'String', ({ facts }) => facts.requestAlias),
  key('kms:EncryptionContext:<name>', 'String', (request, name) => contextValue(request, name)),
  key('kms:EncryptionContextKeys', 'String', ({ contextNames }) => contextNames, { multi: true }),
  asked('kms:EncryptionAlgorithm', 'String'),
  asked('kms:SigningAlgorithm', 'String'),
  asked('kms:MessageType', 'String'),
  asked('kms:MacAlgorithm', 'String'),
  asked('kms:KeyAgreementAlgorithm', 'String'),
  asked('kms:DataKeyPairSpec', 'String'),
  asked('kms:ReEncryptOnSameKey', 'Bool'),
  asked('kms:GrantOperations', 'String', { multi: true }),
  asked('kms:GrantConstraintType', 'String'),
  asked('kms:GrantConstraintSourceArn', 'ARN'),
  asked('kms:GranteePrincipal', 'String'),
  asked('kms:GranteeServicePrincipal', 'String'),
  asked('kms:RetiringPrincipal', 'String'),
  asked('kms:RetiringServicePrincipal', 'String'),
  asked('kms:GrantIsForAWSResource', 'Bool'),
  asked('kms:BypassPolicyLockoutSafetyCheck', 'Bool'),
  asked('kms:RotationPeriodInDays', 'Numeric'),
  asked('kms:ScheduleKeyDeletionPendingWindowInDays', 'Numeric'),
  asked('kms:TrailingDaysWithoutKeyUsage', 'Numeric'),
  asked('kms:ExpirationModel', 'String'),
  asked('kms:ValidTo', 'Date'),
  asked('kms:WrappingAlgorithm', 'String'),
  asked('kms:WrappingKeySpec', 'String'),
  asked('kms:ReplicaRegion', 'String'),
  asked('kms:PrimaryRegion', 'String'),
  key('kms:RecipientAttestation:<measurement>', 'String',
    ({ requestKeys }, measurement) => requestKeys.get(`kms:recipientattestation:${measurement}`)),

  ofPrincipal('aws:PrincipalArn', 'ARN', ({ principalArn }) => principalArn),
  key('aws:PrincipalAccount', 'String', ({ facts: { caller } }) => caller.accountId === '' ? undefined : caller.accountId),
  ofPrincipal('aws:PrincipalType', 'String', ({ type }) => type),
  never('aws:PrincipalOrgID', 'String'),
  never('aws:PrincipalOrgPaths', 'String', { multi: true }),
  key('aws:PrincipalIsAWSService', 'Bool', ({ facts: { caller } }) => String(caller.type === 'Service')),
  key('aws:PrincipalServiceName', 'String', ({ facts: { caller } }) => caller.type === 'Service' ? caller.uniqueId : undefined),
  key('aws:PrincipalTag/<key>', 'String', ({ facts: { caller }, work }, name) =>
    valuesOf(caller.tags, name, ({ key: tag }) => tag, ({ value }) => value, work)),
  key('aws:userid', 'String', ({ facts: { caller } }) => caller.userId),
  key('aws:username', 'String', ({ facts: { caller } }) => caller.userName),
  key('aws:SourceIp', 'IP', ({ facts }) => facts.sourceIp),
  key('aws:SecureTransport', 'Bool', ({ facts }) => String(facts.secureTransport)),
  key('aws:CurrentTime', 'Date', ({ facts }) => new Date(facts.time).toISOString()),
  key('aws:EpochTime', 'Date', ({ facts }) => String(Math.floor(facts.time / 1000))),
  key('aws:RequestedRegion', 'String', ({ facts }) => facts.region),
  key('aws:ResourceTag/<key>', 'String', resourceTag),
  key('aws:ResourceAccount', 'String', ({ facts: { resource } }) => resource?.accountId),
  key('aws:RequestTag/<key>', 'String', ({ requestKeys }, tag) => requestKeys.get(`aws:requesttag/${tag}`)),
  asked('aws:TagKeys', 'String', { multi: true }),
  ofSession('aws:MultiFactorAuthPresent', 'Bool', 'false'),
  never('aws:MultiFactorAuthAge', 'Numeric'),
  key('aws:TokenIssueTime', 'Date', ({ facts: { caller } }) => caller.session && new Date(caller.session.issuedAt).toISOString()),
  key('aws:SourceIdentity', 'String', ({ facts: { caller } }) => caller.session?.sourceIdentity),
  key('aws:FederatedProvider', 'String', ({ facts: { caller } }) => caller.session?.provider),
  key('aws:UserAgent', 'String', ({ facts }) => facts.userAgent),
  key('aws:Referer', 'String', ({ facts }) => facts.referer),
  key('aws:SourceArn', 'ARN', ({ facts }) => facts.sourceArn),
  key('aws:SourceAccount', 'String', ({ facts }) => facts.sourceAccount),
  key('aws:ViaAWSService', 'Bool', () => 'false'),
  never('aws:CalledVia', 'String', { multi: true }),
  never('aws:SourceVpc', 'String'),
  never('aws:SourceVpce', 'String'),
  never('aws:VpcSourceIp', 'IP'),

  asked('iam:PermissionsBoundary', 'ARN'),
  asked('iam:PolicyARN', 'ARN'),
  key('iam:ResourceTag/<key>', 'String', resourceTag),

  asked('sts:ExternalId', 'String'),
  asked('sts:RoleSessionName', 'String'),
  asked('sts:SourceIdentity', 'String'),
  asked('sts:TransitiveTagKeys', 'String', { multi: true }),
  asked('sts:DurationSeconds', 'Numeric'),
]

const exact = new Map(conditionKeys.filter(({ name }) => !name.includes('<')).map(one => [one.name.toLowerCase(), one]))
const families = conditionKeys.filter(({ name }) => name.includes('<'))
  .map(one => ({ one, prefix: one.name.slice(0, one.restAt).toLowerCase() }))

/** The definition behind a name in small letters; undefined for a key that the service does not know. */
export function conditionKey(lower: string): ConditionKey | undefined {
  return exact.get(lower) ?? families.find(({ prefix }) => lower.startsWith(prefix) && lower.length > prefix.length)?.one
}

/** Whether it is the whole name of a key that the service knows, and no name that somebody made up. */
export function isOwnKey(lower: string): boolean {
  return exact.has(lower)
}

/**
 * The value of a key in a request, by its name in small letters and its definition; undefined where the request has not got it. A key that
 * the service does not know may be one of an identity provider (`issuer.example/path:sub`), which the request has or has not.
 */
export function readKey(
  lower: string, known: ConditionKey | undefined, kind: PolicyKind, request: PolicyRequest,
): ContextValue | undefined {
  const { facts: { given } } = request
  if (!known) return given?.get(lower) ?? request.requestKeys.get(lower)
  if (known.identityOnly && kind !== 'identity' && kind !== 'limit') return undefined
  return given?.get(lower) ?? known.read(request, known.restAt < 0 ? '' : lower.slice(known.restAt))
}

/** Hex digits that people write in either case (KMS developer guide, kms:RecipientAttestation). */
export function ignoresCase(name: string): boolean {
  return name.toLowerCase().startsWith('kms:recipientattestation:')
}

function contextValue({ facts: { encryptionContext: pairs = {} }, contextNames, work }: PolicyRequest, lower: string) {
  return valuesOf(contextNames, lower, name => name, name => pairs[name] ?? '', work)
}

/** Of those with that name, which is compared without regard to case: several may differ in nothing else. */
function valuesOf<T>(
  of: readonly T[], lower: string, nameOf: (item: T) => string, valueOf: (item: T) => string, work: Work,
): ContextValue | undefined {
  work.spend(of.length)
  let value: string | undefined
  let several: string[] | undefined
  for (const item of of) {
    const name = nameOf(item)
    if (name.length !== lower.length || (name !== lower && foldCase(name) !== lower)) continue
    if (value === undefined) value = valueOf(item)
    else several = [...several ?? [value], valueOf(item)]
  }
  return several ?? value
}
