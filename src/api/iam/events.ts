import { contract, type Members } from '../shape.js'

/** Of the administration API: CloudTrail's operation over the audit log (CloudTrail API Reference, LookupEvents). */

export const lookupAttributeKey = [
  'AccessKeyId', 'EventId', 'EventName', 'EventSource', 'ReadOnly', 'ResourceName', 'ResourceType', 'Username',
] as const

const lookupAttribute = {
  AttributeKey: { type: 'enum', required: true, values: lookupAttributeKey },
  AttributeValue: { type: 'string', required: true, min: 1, max: 2000 },
} as const satisfies Members

const resource = {
  ResourceType: { type: 'string' },
  ResourceName: { type: 'string' },
} as const satisfies Members

const event = {
  EventId: { type: 'string' },
  EventName: { type: 'string' },
  ReadOnly: { type: 'string' },
  AccessKeyId: { type: 'string' },
  EventTime: { type: 'timestamp' },
  EventSource: { type: 'string' },
  Username: { type: 'string' },
  Resources: { type: 'list', of: { type: 'structure', members: resource } },
  /** JSON: the whole event. */
  CloudTrailEvent: { type: 'string' },
} as const satisfies Members

export const lookupEvents = contract({
  name: 'LookupEvents',
  input: {
    LookupAttributes: { type: 'list', of: { type: 'structure', members: lookupAttribute }, max: 8 },
    StartTime: { type: 'timestamp' },
    EndTime: { type: 'timestamp' },
    MaxResults: { type: 'integer', min: 1, max: 50, default: 50 },
    NextToken: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    Events: { type: 'list', of: { type: 'structure', members: event } },
    NextToken: { type: 'string' },
  },
  errors: ['ValidationException', 'InvalidMarkerException'],
})
