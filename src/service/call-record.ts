import { randomUUID } from 'node:crypto'
import type { Members, Shape } from '../api/shape.js'
import type { AuditEvent } from '../domain/audit-chain.js'
import type { Caller } from '../domain/caller.js'
import type { KmsError } from '../domain/errors.js'
import type { Key } from '../domain/key.js'
import type { Reason } from '../domain/policy/decide.js'
import type { Clock } from '../ports/clock.js'
import type { Operation, ServiceName } from './operation.js'

/** Where a call came from, as its front saw it. */
export interface CallOrigin {
  readonly requestId: string
  readonly sourceIp: string
  readonly userAgent: string
  /** `amz-sdk-invocation-id`: the same for every try of one call of a client. */
  readonly invocationId?: string
  /** Whether it came over TLS, all the way from its client. */
  readonly secureTransport: boolean
  readonly referer?: string
  /** On whose behalf a service says that it calls. */
  readonly sourceArn?: string
  readonly sourceAccount?: string
}

/** A question to policies and grants, and its answer. */
export interface DecisionRecord { readonly action: string, readonly resource?: string, readonly reason: Reason }

type Detail = string | Readonly<Record<string, string>>

interface UsedVersion { readonly keyArn: string, readonly keyVersion: number, readonly keyMaterialId: string }

/** Longest User-Agent that is recorded, in characters. */
const userAgentMax = 512
/** Members that let their bearer use a grant, although the API does not call them sensitive. */
const grantTokens: readonly string[] = ['GrantToken', 'GrantTokens']

/** Gathers what the audit log is told of one call, in CloudTrail's shape (CloudTrail User Guide, Record contents). */
export class CallRecord {
  /** Both known before the operation is, and also when the service has no such operation. */
  service: ServiceName | undefined
  eventName: string | undefined
  operation: Operation | undefined
  input: unknown
  output: unknown
  /** The keys that the operation worked with, once it has. */
  keys: readonly Key[] = []
  /** The earlier request whose answer this one gets again. */
  retryOf: string | undefined
  readonly eventId = randomUUID()
  /** When the call came. */
  readonly time: number
  readonly #origin: CallOrigin
  readonly #resources: string[] = []
  readonly #used: UsedVersion[] = []
  readonly #decisions: Readonly<Record<string, string>>[] = []
  #details: Readonly<Record<string, Detail>> | undefined
  #caller: Caller | undefined
  #region: string | undefined

  constructor(origin: CallOrigin, clock: Clock) {
    this.#origin = origin
    this.time = clock.now()
  }

  get requestId(): string {
    return this.#origin.requestId
  }

  get invocationId(): string | undefined {
    return this.#origin.invocationId
  }

  identified({ caller, region }: { readonly caller: Caller | undefined, readonly region: string }): void {
    this.#caller = caller
    this.#region = region
  }

  resource(arn: string): void {
    this.#resources.push(arn)
  }

  used(keyArn: string, keyVersion: number, keyMaterialId: string): void {
    this.#used.push({ keyArn, keyVersion, keyMaterialId })
  }

  /** By what the call was allowed or refused. */
  decided({ action, resource: of, reason: { verdict, by, policy, statement, and } }: DecisionRecord): void {
    this.#decisions.push({
      action,
      ...of !== undefined && { resource: of },
      verdict: verdict === 'no' ? 'not allowed' : verdict,
      by,
      ...policy !== undefined && { policy },
      ...statement !== undefined && { statement },
      ...and && { and: `${and.policy}: ${and.statement}` },
    })
  }

  detail(name: string, value: Detail): void {
    this.#details = { ...this.#details, [name]: value }
  }

  succeeded(): AuditEvent {
    const members = this.operation?.readOnly ? null : this.operation?.contract.output
    return this.#event(recordableMembers(members, this.output), undefined)
  }

  refused(error: KmsError): AuditEvent {
    return this.#event(null, error)
  }

  /** One literal: this is made for every call, and copying it would cost as much as making it. */
  #event(responseElements: AuditEvent['responseElements'], error: KmsError | undefined): AuditEvent {
    return {
      eventVersion: '1.11',
      eventTime: new Date(this.time).toISOString(),
      eventSource: `${this.operation?.service ?? this.service ?? 'kms'}.amazonaws.com`,
      eventName: this.operation?.name ?? this.eventName ?? 'Unknown',
      eventType: 'AwsApiCall',
      eventID: this.eventId,
      requestID: this.#origin.requestId,
      awsRegion: this.#region,
      sourceIPAddress: this.#origin.sourceIp,
      userAgent: this.#origin.userAgent.slice(0, userAgentMax),
      userIdentity: this.#caller && identity(this.#caller),
      readOnly: this.operation?.readOnly ?? true,
      requestParameters: recordableMembers(this.operation?.contract.input, this.input),
      responseElements,
      additionalEventData: this.#additional(),
      resources: this.#resources.length > 0 ? this.#resources.map(resource) : undefined,
      errorCode: error?.code,
      errorMessage: error?.message === '' ? undefined : error?.message,
    }
  }

  #additional(): AuditEvent['additionalEventData'] {
    const [used, decisions, certificate] = [this.#used, this.#decisions, this.#caller?.certificate]
    if (used.length === 0 && decisions.length === 0 && !this.#details && !certificate && this.retryOf === undefined) return undefined
    return {
      ...certificate && { clientCertificate: certificate },
      ...used.length > 0 && { keyVersions: used },
      ...decisions.length > 0 && { authorization: decisions },
      ...this.#details,
      ...this.retryOf !== undefined && { retryOf: this.retryOf },
    }
  }
}

const identityTypes: Readonly<Record<Caller['type'], string>> = {
  Account: 'Root', User: 'IAMUser', AssumedRole: 'AssumedRole', Service: 'AWSService', WebIdentity: 'WebIdentityUser',
}

const identities = new WeakMap<Caller, Readonly<Record<string, string>>>()

/** A caller is one object for as long as nothing about it changes: worked out once for all its calls. */
function identity(caller: Caller): Readonly<Record<string, string>> {
  let known = identities.get(caller)
  if (!known) identities.set(caller, known = identityOf(caller))
  return known
}

/** CloudTrail User Guide, userIdentity element. */
function identityOf(caller: Caller): Readonly<Record<string, string>> {
  const { type, arn, principalArn, userId, accountId, accessKeyId, userName, uniqueId, session, webIdentity } = caller
  return {
    type: identityTypes[type],
    principalId: userId,
    ...type === 'Service' ? { invokedBy: uniqueId } : arn !== '' && { arn },
    ...accountId !== '' && { accountId },
    ...accessKeyId !== '' && { accessKeyId },
    ...userName !== undefined && { userName },
    ...webIdentity && { userName: webIdentity.subject },
    ...type === 'AssumedRole' && { sessionIssuer: principalArn },
    ...session?.sourceIdentity !== undefined && { sourceIdentity: session.sourceIdentity },
    ...session?.provider !== undefined && { identityProvider: session.provider },
  }
}

const iamTypes: ReadonlyMap<string, string> = new Map([
  ['user', 'AWS::IAM::User'], ['group', 'AWS::IAM::Group'], ['role', 'AWS::IAM::Role'], ['policy', 'AWS::IAM::ManagedPolicy'],
])

/** With its type, as CloudFormation calls it. What is of IAM and has no name is about users. */
function resource(arn: string): { ARN: string, type: string, accountId: string } {
  const [, , service, , accountId = '', rest = ''] = arn.split(':')
  const type = service === 'iam' ? iamTypes.get(rest.slice(0, rest.indexOf('/'))) ?? 'AWS::IAM::User' : 'AWS::KMS::Key'
  return { ARN: arn, type, accountId }
}

interface RecordableMember { readonly name: string, readonly recordedAs: string, readonly shape: Shape }

/** Looked up for every call, so worked out once for every contract. */
const plans = new WeakMap<Members, readonly RecordableMember[]>()

function planOf(members: Members): readonly RecordableMember[] {
  let plan = plans.get(members)
  if (!plan) {
    plan = Object.entries(members)
      .filter(([name, shape]) => !grantTokens.includes(name) && !isSecret(shape))
      .map(([name, shape]) => ({ name, recordedAs: (name[0] ?? '').toLowerCase() + name.slice(1), shape }))
    plans.set(members, plan)
  }
  return plan
}

/** The members that may stand in a log: no blob, nothing sensitive, no grant token. Names as CloudTrail writes them. */
export function recordableMembers(members: Members | null | undefined, value: unknown): Record<string, unknown> | null {
  if (!members || typeof value !== 'object' || value === null) return null
  const out: Record<string, unknown> = {}
  let empty = true
  for (const { name, recordedAs, shape } of planOf(members)) {
    const member = recordable(shape, (value as Record<string, unknown>)[name])
    if (member === undefined) continue
    out[recordedAs] = member
    empty = false
  }
  return empty ? null : out
}

/** undefined for what must not be recorded, at whatever depth. */
function recordable(shape: Shape, value: unknown): unknown {
  if (value === undefined || isSecret(shape)) return undefined
  if (shape.type === 'structure') return recordableMembers(shape.members, value)
  if (shape.type === 'list') return (value as readonly unknown[]).map(item => recordable(shape.of, item)).filter(item => item !== undefined)
  if (shape.type === 'map') return isSecret(shape.value) ? undefined : value
  return value
}

function isSecret(shape: Shape): boolean {
  return shape.type === 'blob' || ('sensitive' in shape && shape.sensitive === true)
}
