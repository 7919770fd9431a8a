import { createHash } from 'node:crypto'

/** What a call was and how it ended, in CloudTrail's words. Never holds plaintext, key bytes, PINs or secrets. */
export interface AuditEvent {
  readonly eventVersion: '1.11'
  readonly eventTime: string
  readonly eventSource: 'kms.amazonaws.com' | 'claviger'
  readonly eventName: string
  readonly eventType: 'AwsApiCall' | 'ClavigerServiceEvent'
  readonly eventID: string
  readonly requestID?: string
  readonly awsRegion?: string
  readonly sourceIPAddress?: string
  readonly userAgent?: string
  readonly userIdentity?: Readonly<Record<string, string>>
  readonly readOnly?: boolean
  readonly requestParameters?: Readonly<Record<string, unknown>> | null
  readonly responseElements?: Readonly<Record<string, unknown>> | null
  readonly additionalEventData?: Readonly<Record<string, unknown>>
  readonly resources?: readonly { readonly ARN: string, readonly type: string, readonly accountId: string }[]
  readonly errorCode?: string
  readonly errorMessage?: string
}

/** A signed statement that a chain had `sequence` records, the last of hash `head`. */
export interface Checkpoint {
  readonly chain: string
  readonly sequence: number
  /** SHA-256 of the last record's line, hex. */
  readonly head: string
  readonly time: string
  readonly rootVersion: number
  /** ECDSA P-256 by `root/audit` over `checkpointDigest`, r‖s, base64. */
  readonly signature: string
}

/** The hash that links a record to its successor: over the bytes of its line, without the line feed. */
export function lineHash(line: string): string {
  return createHash('sha256').update(line).digest('hex')
}
