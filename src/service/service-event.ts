import { randomUUID } from 'node:crypto'
import type { AuditEvent } from '../domain/audit-chain.js'
import type { Key } from '../domain/key.js'
import type { Clock } from '../ports/clock.js'

/** What the service did to a key by itself, for the audit log (CloudTrail calls these AwsServiceEvent). */
export function serviceEvent(eventName: string, key: Key, clock: Clock, data: Readonly<Record<string, unknown>> = {}): AuditEvent {
  return serviceEventOn([key.arn], { eventName, region: key.region, clock, data })
}

interface ServiceEvent {
  readonly eventName: string
  readonly region: string
  readonly clock: Clock
  readonly data: Readonly<Record<string, unknown>>
}

/** The same of several keys, by their ARNs, or of none. */
export function serviceEventOn(keys: readonly string[], { eventName, region, clock, data }: ServiceEvent): AuditEvent {
  return {
    eventVersion: '1.11',
    eventTime: new Date(clock.now()).toISOString(),
    eventSource: 'claviger',
    eventName,
    eventType: 'ClavigerServiceEvent',
    eventID: randomUUID(),
    awsRegion: region,
    readOnly: false,
    requestParameters: null,
    responseElements: null,
    additionalEventData: data,
    resources: keys.length > 0
      ? keys.map(arn => ({ ARN: arn, type: 'AWS::KMS::Key', accountId: arn.split(':')[4] ?? '' }))
      : undefined,
  }
}
