import type { AuditEvent } from './audit-chain.js'
import { isForeignDenial } from './policy/denial.js'

/** Who reads the audit log. */
export interface Viewer {
  readonly accountId: string
  /** That of the installation, which sees everything. */
  readonly isOperator: boolean
}

type Data = Readonly<Record<string, unknown>>
type Entry = Readonly<Record<string, string>>
type Resource = NonNullable<AuditEvent['resources']>[number]

/** Members that name a key as the caller wrote it, as the log has them. */
const keyMembers: readonly string[] = ['keyId', 'sourceKeyId', 'destinationKeyId', 'targetKeyId', 'aliasName']
/** What the owner of a key is told of others' calls beside versions and decisions. */
const sharedDetails: readonly string[] = ['grantId']
/** Who decided, and is of the account that the key is of. */
const ownDeciders: readonly (string | undefined)[] = ['resource policy', 'grant']

/**
 * An event as an account may see it; undefined if it is none of its business, because no caller and no key of the account had part in it.
 * Of what belongs to others the caller is told what the call was answered with, and the owner of a key that it was used, how, and from
 * which account; neither sees the policies of the other.
 */
export function eventFor(event: AuditEvent, viewer: Viewer): AuditEvent | undefined {
  if (viewer.isOperator) return event
  const { accountId } = viewer
  const isOwn = ({ accountId: of }: Resource) => of === accountId
  const callerAccount = event.userIdentity?.accountId
  if (callerAccount === accountId) return asCaller(event, isOwn)
  if (!event.userIdentity) return ofService(event, accountId, isOwn)
  const resources = (event.resources ?? []).filter(isOwn)
  return resources.length > 0 ? asOwner(event, resources) : undefined
}

/** Of a key that it may not use the caller is not told whether it exists: so neither is whoever reads this. */
function asCaller(event: AuditEvent, isOwn: (resource: Resource) => boolean): AuditEvent {
  const isOpen = isForeignDenial(event.errorMessage ?? '')
  const isTold = (resource: Resource) => isOwn(resource)
    || (!isOpen && (event.errorCode === undefined || (event.errorMessage ?? '').includes(resource.ARN)))
  const resources = (event.resources ?? []).filter(isTold)
  const foreign = (event.resources ?? []).filter(resource => !isOwn(resource)).map(({ ARN }) => ARN)
  const { authorization, keyVersions, ...details } = event.additionalEventData ?? {}
  return {
    ...event,
    resources: resources.length > 0 ? resources : undefined,
    additionalEventData: present({
      keyVersions: listOf(keyVersions).filter(({ keyArn = '' }) => !foreign.includes(keyArn)),
      authorization: isOpen ? [] : listOf(authorization).filter(({ resource = '' }) => !foreign.includes(resource)),
      ...details,
    }),
  }
}

function asOwner(event: AuditEvent, resources: readonly Resource[]): AuditEvent {
  const own = resources.map(({ ARN }) => ARN)
  const { authorization, keyVersions, ...details } = event.additionalEventData ?? {}
  return {
    ...event,
    userIdentity: identityAbroad(event.userIdentity ?? {}),
    requestParameters: event.requestParameters && parametersAbroad(event.requestParameters, own),
    resources,
    additionalEventData: present({
      keyVersions: listOf(keyVersions).filter(({ keyArn = '' }) => own.includes(keyArn)),
      authorization: listOf(authorization).filter(({ resource = '' }) => own.includes(resource)).map(decisionAbroad),
      ...Object.fromEntries(Object.entries(details).filter(([name]) => sharedDetails.includes(name))),
    }),
    // It names the caller.
    errorMessage: undefined,
  }
}

/** Without a caller: what the service did by itself, and calls of nobody that it knows. */
function ofService(event: AuditEvent, accountId: string, isOwn: (resource: Resource) => boolean): AuditEvent | undefined {
  const { accountId: about } = event.additionalEventData ?? {}
  if (about !== undefined) return about === accountId ? event : undefined
  const resources = event.resources ?? []
  return resources.length > 0 && resources.every(isOwn) ? event : undefined
}

/** As CloudTrail shows the caller of another account. A service is of none. */
function identityAbroad({ type, principalId, accountId, invokedBy }: Entry): Entry {
  return {
    type: invokedBy === undefined ? 'AWSAccount' : type ?? '',
    ...principalId !== undefined && { principalId },
    ...accountId !== undefined && { accountId },
    ...invokedBy !== undefined && { invokedBy },
  }
}

/** A name that the caller gave to a key may be one of its own account, or of a third; so may be what ReEncrypt does with the other key. */
function parametersAbroad(parameters: Data, own: readonly string[]): Data {
  const { sourceKeyId, destinationKeyId } = parameters
  const isOwnKey = (name: unknown) => own.some(arn => arn === name || arn.endsWith(`/${String(name)}`))
  const isDestination = isOwnKey(destinationKeyId)
  // Where the caller does not name the source, it is the key that is not the destination.
  const isSource = sourceKeyId === undefined ? own.length > Number(isDestination) : isOwnKey(sourceKeyId)
  const isTold = ([name, value]: readonly [string, unknown]) => (!keyMembers.includes(name) || isOwnKey(value))
    && (!name.startsWith('source') || isSource) && (!name.startsWith('destination') || isDestination)
  return Object.fromEntries(Object.entries(parameters).filter(isTold))
}

/** Which policy of the caller's account allowed it, or did not, is no business of the owner of the key. */
function decisionAbroad({ action = '', resource = '', verdict = '', by, policy, statement }: Entry): Entry {
  if (!ownDeciders.includes(by)) return { action, resource, verdict: verdict === 'allow' ? verdict : 'not allowed' }
  return {
    action, resource, verdict, ...by !== undefined && { by },
    ...policy !== undefined && { policy }, ...statement !== undefined && { statement },
  }
}

function listOf(entries: unknown): readonly Entry[] {
  return Array.isArray(entries) ? entries as readonly Entry[] : []
}

/** Without empty lists; undefined if nothing is left. */
function present(data: Data): Data | undefined {
  const entries = Object.entries(data).filter(([, value]) => !Array.isArray(value) || value.length > 0)
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}
