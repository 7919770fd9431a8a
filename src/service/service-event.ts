import { randomUUID } from 'node:crypto'
import type { AuditEvent } from '../domain/audit-chain.js'
import type { Key } from '../domain/key.js'
import type { Clock } from '../ports/clock.js'

/** What the service did to a key by itself, for the audit log (CloudTrail calls these AwsServiceEvent). */
export function serviceEvent(eventName: string, key: Key, clock: Clock, data: Readonly<Record<string, unknown>> = {}): AuditEvent {
  return {
    eventVersion: '1.11',
    eventTime: new Date(clock.now()).toISOString(),
    eventSource: 'claviger',
    eventName,
    eventType: 'ClavigerServiceEvent',
    eventID: randomUUID(),
    awsRegion: key.region,
    readOnly: false,
    requestParameters: null,
    responseElements: null,
    additionalEventData: data,
    resources: [{ ARN: key.arn, type: 'AWS::KMS::Key', accountId: key.accountId }],
  }
}
