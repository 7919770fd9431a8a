import type { Caller, PrincipalTag } from '../../domain/caller.js'
import type { CompiledPolicy } from '../../domain/policy/compile.js'
import type { ContextValue, RequestFacts, RequestKeys, ResourceFacts } from '../../domain/policy/request.js'
import type { CallOrigin } from '../call-record.js'

/** Who calls, from where and when: what policies are told of every question that one call gives rise to. */
export interface CallFacts {
  readonly caller: Caller
  readonly region: string
  readonly origin: CallOrigin
  readonly time: number
  /** Of a call that is only thought of: what is to be taken for true of it. */
  readonly given?: RequestKeys
}

/** What they are told of one question. */
export interface QuestionFacts {
  readonly region?: string | undefined
  readonly resource?: ResourceFacts | undefined
  readonly requestAlias?: string | undefined
  readonly encryptionContext?: Readonly<Record<string, string>> | undefined
  readonly requestKeys?: () => RequestKeys
}

const noKeys: RequestKeys = new Map<string, ContextValue>()

export function factsOf({ caller, region, origin, time, given }: CallFacts, question: QuestionFacts = {}): RequestFacts {
  const fromService = caller.type === 'Service'
  return {
    caller, time,
    region: question.region ?? region,
    sourceIp: origin.sourceIp === '' ? undefined : origin.sourceIp,
    secureTransport: origin.secureTransport,
    userAgent: origin.userAgent === '' ? undefined : origin.userAgent,
    referer: origin.referer,
    // Only a service can say on whose behalf it calls: from anybody else the header means nothing.
    sourceArn: fromService ? origin.sourceArn : undefined,
    sourceAccount: fromService ? origin.sourceAccount : undefined,
    resource: question.resource,
    requestAlias: question.requestAlias,
    encryptionContext: question.encryptionContext,
    requestKeys: question.requestKeys ?? (() => noKeys),
    given,
  }
}

/** Tags as policies see them, of whatever has them. */
export function resourceTags(tags: readonly PrincipalTag[]): ResourceFacts['tags'] {
  return tags.map(({ key, value }) => ({ TagKey: key, TagValue: value }))
}

/** Whether a policy of the caller asks for a condition key, in small letters. */
export function mentions({ policies, boundary, session }: Caller, key: string): boolean {
  const has = (policy: CompiledPolicy) => policy.keys.has(key)
  return policies.some(has) || (boundary !== undefined && has(boundary)) || (session?.policies?.some(has) ?? false)
}
