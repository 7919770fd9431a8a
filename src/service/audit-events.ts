import { createHash } from 'node:crypto'
import * as api from '../api/iam/events.js'
import type { Input } from '../api/shape.js'
import type { AuditEvent } from '../domain/audit-chain.js'
import { eventFor, type Viewer } from '../domain/audit-view.js'
import { KmsError } from '../domain/errors.js'
import { onAccount } from './operation.js'

type LookupInput = Input<typeof api.lookupEvents>
type AttributeKey = (typeof api.lookupAttributeKey)[number]

/** Whether an event, as its reader may see it, has a value of an attribute. */
const attributes: Readonly<Record<AttributeKey, (event: AuditEvent, value: string) => boolean>> = {
  AccessKeyId: ({ userIdentity }, value) => userIdentity?.accessKeyId === value,
  EventId: ({ eventID }, value) => eventID === value,
  EventName: ({ eventName }, value) => eventName === value,
  EventSource: ({ eventSource }, value) => eventSource === value,
  ReadOnly: ({ readOnly }, value) => String(readOnly) === value,
  // A key may be named by its id as well.
  ResourceName: ({ resources = [] }, value) => resources.some(({ ARN }) => ARN === value || ARN.endsWith(`/${value}`)),
  ResourceType: ({ resources = [] }, value) => resources.some(({ type }) => type === value),
  Username: (event, value) => usernameOf(event) === value || event.userIdentity?.arn === value,
}

/** The newest first. Where there is a token there is more, also behind a page without events: one page reads only so much of the log. */
export const lookupEvents = onAccount(api.lookupEvents, {
  service: 'iam',
  readOnly: true,
  permissions: () => [{ action: 'cloudtrail:LookupEvents', resource: '*' }],
  check({ StartTime: start, EndTime: end }) {
    if (start && end && start > end) throw new KmsError('ValidationException', 'StartTime must not be after EndTime.')
  },
  async run({ input, caller }, { accountId, auditEvents, pages }) {
    const viewer: Viewer = { accountId: caller.accountId, isOperator: caller.accountId === accountId }
    const { StartTime: start, EndTime: end, MaxResults: limit, NextToken: token } = input
    const listing = `LookupEvents ${caller.accountId} ${queryHash(input)}`
    const found: AuditEvent[] = []
    const { next } = await auditEvents.read({
      after: await pages.after(listing, token), start: start?.getTime(), end: end?.getTime(), limit,
      wanted(event) {
        if (!isWithin(event, start, end)) return false
        const seen = eventFor(event, viewer)
        if (!seen || !hasAttributes(seen, input)) return false
        found.push(seen)
        return true
      },
    })
    return { Events: found.map(shown), ...next !== undefined && { NextToken: await pages.at(listing, next) } }
  },
})

/** Both ends count (CloudTrail API Reference). */
function isWithin({ eventTime }: AuditEvent, start: Date | undefined, end: Date | undefined): boolean {
  const time = Date.parse(eventTime)
  return (!start || time >= start.getTime()) && (!end || time <= end.getTime())
}

function hasAttributes(event: AuditEvent, { LookupAttributes: wanted = [] }: LookupInput): boolean {
  return wanted.every(({ AttributeKey: key, AttributeValue: value }) => attributes[key](event, value))
}

/** A token goes on with the question that it was given out for. */
function queryHash({ LookupAttributes: wanted = [], StartTime: start, EndTime: end }: LookupInput): string {
  const query = [wanted.map(({ AttributeKey: key, AttributeValue: value }) => [key, value]), start?.getTime(), end?.getTime()]
  return createHash('sha256').update(JSON.stringify(query)).digest('hex')
}

function shown(event: AuditEvent) {
  const { eventID, eventName, readOnly, eventTime, eventSource, userIdentity, resources = [] } = event
  const username = usernameOf(event)
  return {
    EventId: eventID, EventName: eventName, ReadOnly: String(readOnly ?? false), EventTime: new Date(eventTime), EventSource: eventSource,
    ...userIdentity?.accessKeyId !== undefined && { AccessKeyId: userIdentity.accessKeyId },
    ...username !== undefined && { Username: username },
    Resources: resources.map(({ type, ARN }) => ({ ResourceType: type, ResourceName: ARN })),
    CloudTrailEvent: JSON.stringify(event),
  }
}

/** Of a user the name, of a session of a role the name of the session. */
function usernameOf({ userIdentity }: AuditEvent): string | undefined {
  return userIdentity?.userName ?? userIdentity?.arn?.split('/').at(-1)
}
