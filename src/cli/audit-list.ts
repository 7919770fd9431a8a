import { lookupEvents } from '../api/iam/events.js'
import { isKeyId } from '../domain/key-id.js'
import { UnusableInput } from '../inspect.js'
import { IamClient } from './iam/client.js'
import { print, table, type OutputOptions } from './output.js'
import { printable } from './printable.js'

interface ListOptions extends OutputOptions {
  readonly since?: string
  readonly until?: string
  readonly eventName?: string
  readonly key?: string
  readonly user?: string
  readonly limit?: string
}

interface Identity {
  readonly arn?: string
  readonly accountId?: string
  readonly invokedBy?: string
  readonly principalId?: string
  readonly userName?: string
  readonly identityProvider?: string
}

/** What is shown of an event; `--json` has the rest. */
interface ShownEvent {
  readonly eventTime: string
  readonly eventName: string
  readonly userIdentity?: Identity
  readonly resources?: readonly { readonly ARN: string }[]
  readonly sourceIPAddress?: string
  readonly errorCode?: string
}

const limitDefault = 100
const limitMax = 1_000_000
const pageMax = 50
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** Events of the audit log that the caller may see, the newest first, by the API of a running server. */
export async function auditList(options: ListOptions): Promise<void> {
  const limit = Number(options.limit ?? limitDefault)
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) throw new UnusableInput(`--limit must be from 1 to ${limitMax}`)
  const query = queryOf(options)
  const client = new IamClient()
  const events: ShownEvent[] = []
  for (let token: string | undefined, isMore = true; isMore && events.length < limit;) {
    const page = await client.call(lookupEvents, {
      ...query, MaxResults: Math.min(pageMax, limit - events.length), ...token !== undefined && { NextToken: token },
    })
    events.push(...(page.Events ?? []).map(({ CloudTrailEvent: text = '' }) => JSON.parse(text) as ShownEvent))
    token = page.NextToken
    isMore = token !== undefined
  }
  print(options, events, () => table([['TIME', 'EVENT', 'OUTCOME', 'CALLER', 'FROM', 'RESOURCE'], ...events.map(row)]))
}

function queryOf({ since, until, eventName, key, user }: ListOptions): object {
  if (key !== undefined && !isKeyId(key) && !key.startsWith('arn:')) {
    throw new UnusableInput(`--key takes a key id or an ARN, so not "${printable(key)}": events name keys by their ARN, not by an alias`)
  }
  const attributes = Object.entries({ EventName: eventName, ResourceName: key, Username: user })
    .flatMap(([AttributeKey, AttributeValue]) => AttributeValue === undefined ? [] : [{ AttributeKey, AttributeValue }])
  return {
    ...attributes.length > 0 && { LookupAttributes: attributes },
    ...since !== undefined && { StartTime: seconds('--since', since) },
    ...until !== undefined && { EndTime: seconds('--until', until) },
  }
}

/** A time as ISO 8601 has it, or so long ago. */
function seconds(option: string, text: string): number {
  const [, count, unit = ''] = /^([0-9]{1,9})([smhd])$/.exec(text) ?? []
  const time = count === undefined ? Date.parse(text) / 1_000 : Date.now() / 1_000 - Number(count) * (units[unit] ?? 1)
  if (Number.isNaN(time)) throw new UnusableInput(`${option} takes a time (2026-01-31T12:00:00Z), or how long ago (90s, 15m, 2h, 7d)`)
  return Math.round(time * 1_000) / 1_000
}

function row({ eventTime, eventName, errorCode, userIdentity, sourceIPAddress = '', resources = [] }: ShownEvent): readonly string[] {
  return [
    eventTime, printable(eventName), errorCode ?? 'ok', printable(callerOf(userIdentity ?? {})), printable(sourceIPAddress) || '-',
    resources.map(({ ARN }) => printable(ARN)).join(' ') || '-',
  ]
}

/** Whom an identity provider vouches for has no ARN: the subject of its token, and who has issued it. */
function callerOf({ arn, invokedBy, accountId, userName, identityProvider, principalId = '-' }: Identity): string {
  if (userName !== undefined && identityProvider !== undefined && arn === undefined) return `${userName} of ${identityProvider}`
  return arn ?? invokedBy ?? (accountId === undefined ? principalId : `account ${accountId}`)
}
