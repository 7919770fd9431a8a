import { expect } from 'chai'
import { assumeRole } from '../../../src/api/sts.js'
import type { Input } from '../../../src/api/shape.js'
import type { Caller } from '../../../src/domain/caller.js'
import { callerOfService } from '../../../src/service/identities/callers.js'
import { allowing, identityPolicy, otherAccountId, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { newRole, trusting, trustPolicy } from '../../support/roles.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'

type In = Partial<Input<typeof assumeRole>>

const may = identityPolicy(allowing('sts:*'))
const [anne, bob] = [userCaller('anne'), userCaller('bob', [may])]
const stranger = userCaller('anne', [], { accountId: otherAccountId })
const strangerWhoMay = userCaller('anne', [may], { accountId: otherAccountId })
const arnOf = (name: string) => `arn:aws:iam::${accountId}:role/${name}`

/** A role that these statements make, and who may become it. */
interface Row {
  readonly what: string
  readonly trust: readonly object[]
  readonly caller: Caller
  readonly input?: In
  readonly allowed: boolean
}

const rows: readonly Row[] = [
  { what: 'whom it names', trust: [trusting({ AWS: anne.arn })], caller: anne, allowed: true },
  { what: 'nobody else', trust: [trusting({ AWS: anne.arn })], caller: bob, allowed: false },
  { what: 'everybody where it names nobody', trust: [trusting('*')], caller: anne, allowed: true },
  { what: 'those of its account whom the account lets', trust: [trusting({ AWS: accountId })], caller: bob, allowed: true },
  { what: 'not those whom the account does not let', trust: [trusting({ AWS: accountId })], caller: anne, allowed: false },
  {
    what: 'not those whose own policies deny it', trust: [trusting({ AWS: anne.arn })], allowed: false,
    caller: userCaller('anne', [identityPolicy({ Statement: { Effect: 'Deny', Action: 'sts:AssumeRole', Resource: arnOf('worker') } })]),
  },
  {
    what: 'not those whom it denies', allowed: false, caller: bob,
    trust: [trusting({ AWS: accountId }), trusting({ AWS: bob.arn }, { Effect: 'Deny' })],
  },
  {
    what: 'not those whose boundary does not, if it names the account', trust: [trusting({ AWS: accountId })], allowed: false,
    caller: userCaller('bob', [may], { boundary: identityPolicy(allowing('kms:*')) }),
  },
  {
    what: 'those whose policies name the role', trust: [trusting({ AWS: accountId })], allowed: true,
    caller: userCaller('bob', [identityPolicy({ Statement: { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: arnOf('work*') } })]),
  },
  {
    what: 'not those whose policies name another', trust: [trusting({ AWS: accountId })], allowed: false,
    caller: userCaller('bob', [identityPolicy({ Statement: { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: arnOf('other') } })]),
  },
  { what: 'a stranger whom both sides let', trust: [trusting({ AWS: stranger.arn })], caller: strangerWhoMay, allowed: true },
  { what: 'not a stranger whom only the role names', trust: [trusting({ AWS: stranger.arn })], caller: stranger, allowed: false },
  { what: 'not a stranger whom only its own account lets', trust: [trusting({ AWS: accountId })], caller: strangerWhoMay, allowed: false },
  { what: 'a stranger of an account that it names', trust: [trusting({ AWS: otherAccountId })], caller: strangerWhoMay, allowed: true },
  {
    what: 'a deputy that says for whom', trust: [trusting({ AWS: otherAccountId }, condition('sts:ExternalId', 'contract-1'))],
    caller: strangerWhoMay, input: { ExternalId: 'contract-1' }, allowed: true,
  },
  {
    what: 'no confused deputy: one that does not say for whom', caller: strangerWhoMay, allowed: false,
    trust: [trusting({ AWS: otherAccountId }, condition('sts:ExternalId', 'contract-1'))],
  },
  {
    what: 'no confused deputy: one that says another', caller: strangerWhoMay, input: { ExternalId: 'contract-2' }, allowed: false,
    trust: [trusting({ AWS: otherAccountId }, condition('sts:ExternalId', 'contract-1'))],
  },
  {
    what: 'sessions of the name of the user only', caller: anne, input: { RoleSessionName: 'anne' }, allowed: true,
    trust: [trusting({ AWS: anne.arn }, condition('sts:RoleSessionName', '${aws:username}'))],
  },
  {
    what: 'no sessions of another name', caller: anne, input: { RoleSessionName: 'bob' }, allowed: false,
    trust: [trusting({ AWS: anne.arn }, condition('sts:RoleSessionName', '${aws:username}'))],
  },
  {
    what: 'short sessions', caller: anne, input: { DurationSeconds: 900 }, allowed: true,
    trust: [trusting({ AWS: anne.arn }, condition('sts:DurationSeconds', '900', 'NumericLessThanEquals'))],
  },
  {
    what: 'no sessions of an hour where they must be short', caller: anne, allowed: false,
    trust: [trusting({ AWS: anne.arn }, condition('sts:DurationSeconds', '900', 'NumericLessThanEquals'))],
  },
  {
    what: 'tags that it wants', caller: anne, input: tagged('team', 'red'), allowed: true,
    trust: [trusting({ AWS: anne.arn }, condition('aws:RequestTag/Team', 'red'))],
  },
  {
    what: 'no others', caller: anne, input: tagged('team', 'blue'), allowed: false,
    trust: [trusting({ AWS: anne.arn }, condition('aws:RequestTag/Team', 'red'))],
  },
  {
    what: 'tags of these keys only', caller: anne, input: tagged('site', 'x'), allowed: false,
    trust: [trusting({ AWS: anne.arn }, condition('aws:TagKeys', 'team', 'ForAllValues:StringEquals'))],
  },
  {
    what: 'transitive tags of these keys only', caller: anne, allowed: false,
    input: { ...tagged('site', 'x'), TransitiveTagKeys: ['site'] },
    trust: [trusting({ AWS: anne.arn }, condition('sts:TransitiveTagKeys', 'team', 'ForAllValues:StringEquals'))],
  },
  {
    what: 'a source identity that it wants', caller: anne, input: { SourceIdentity: 'anne' }, allowed: true,
    trust: [trusting({ AWS: anne.arn }, condition('sts:SourceIdentity', '${aws:username}'))],
  },
  {
    what: 'nobody without one', caller: anne, allowed: false,
    trust: [trusting({ AWS: anne.arn }, condition('sts:SourceIdentity', '${aws:username}'))],
  },
  {
    what: 'those of an address', caller: anne, allowed: true,
    trust: [trusting({ AWS: anne.arn }, condition('aws:SourceIp', '127.0.0.0/8', 'IpAddress'))],
  },
  {
    what: 'a service that it names', trust: [trusting({ Service: 'backup.example' })], allowed: true,
    caller: callerOfService('backup.example'),
  },
  { what: 'no other service', trust: [trusting({ Service: 'backup.example' })], caller: callerOfService('other.example'), allowed: false },
  { what: 'no provider\'s users by AssumeRole', trust: [trusting({ Federated: anne.arn })], caller: anne, allowed: false },
  {
    what: 'nobody for another action', caller: anne, allowed: false,
    trust: [trusting({ AWS: anne.arn }, { Action: 'sts:AssumeRoleWithWebIdentity' })],
  },
  {
    what: 'tags only where they are allowed', caller: anne, input: tagged('team', 'red'), allowed: false,
    trust: [trusting({ AWS: anne.arn }, { Action: 'sts:AssumeRole' })],
  },
]

function condition(key: string, value: string, operator = 'StringEquals'): object {
  return { Condition: { [operator]: { [key]: value } } }
}

function tagged(Key: string, Value: string): In {
  return { Tags: [{ Key, Value }] }
}

describe('the trust policy of a role', () => {
  const on = serviceSuite()

  for (const { what, trust, caller, input, allowed } of rows) {
    it(`lets in ${what}`, async () => {
      await newRole(on.services, 'worker', { trustPolicy: trustPolicy(...trust) })
      const assumed = call(on.services, assumeRole, { RoleArn: arnOf('worker'), RoleSessionName: 'me', ...input }, caller)
      if (allowed) expect(await assumed).to.have.nested.property('AssumedRoleUser.AssumedRoleId').that.matches(/^AROAWORKER:/)
      else expect((await refused(assumed, 'AccessDeniedException')).message).to.contain('is not authorized to perform: sts:')
    })
  }
})
