import { expect } from 'chai'
import type { PolicyKind } from '../../../src/domain/policy/document.js'
import { parsePolicy } from '../../../src/domain/policy/parse.js'
import { refused } from '../../support/refusal.js'

const root = 'arn:aws:iam::111122223333:root'
const good: Readonly<Record<PolicyKind, object>> = {
  key: { Effect: 'Allow', Principal: { AWS: root }, Action: 'kms:*', Resource: '*' },
  trust: { Effect: 'Allow', Principal: { AWS: root }, Action: 'sts:AssumeRole' },
  identity: { Effect: 'Allow', Action: 'kms:*', Resource: '*' },
  limit: { Effect: 'Allow', Action: 'kms:*', Resource: '*' },
}
const badValue = 'A condition value must be a string, a number or a boolean'
const kinds: readonly PolicyKind[] = ['key', 'trust', 'identity', 'limit']

/** A member that only JSON can make. */
const proto = (value: unknown): unknown => JSON.parse(JSON.stringify({ name: value }).replace('"name"', '"__proto__"'))

const parse = (kind: PolicyKind, ...statements: readonly unknown[]) =>
  parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), kind)

/** The second statement of two, so that its number must be counted. */
async function refusal(kind: PolicyKind, statement: unknown): Promise<string> {
  return (await refused(() => parse(kind, good[kind], statement), 'MalformedPolicyDocumentException')).message
}

describe('a policy statement', () => {
  const { Effect: _effect, ...noEffect } = good.key as { Effect?: string }
  const { Action: _action, ...noAction } = good.identity as { Action?: string }
  const { Resource: _resource, ...noResource } = good.identity as { Resource?: string }
  const condition = (Condition: unknown) => ({ ...good.key, Condition })

  for (const [what, kind, statement, sentence] of [
    ['is no object', 'key', 'a', 'A statement must be a JSON object'],
    ['is null', 'key', null, 'A statement must be a JSON object'],
    ['is a list', 'identity', [], 'A statement must be a JSON object'],
    ['has an unknown element', 'key', { ...good.key, Actions: '*' }, 'There is no element "Actions"'],
    ['has __proto__ as an element', 'key', JSON.parse('{"__proto__":{"Effect":"Allow"}}'), 'There is no element "__proto__"'],
    ['has constructor as an element', 'key', { ...good.key, constructor: 'a' }, 'There is no element "constructor"'],
    ['has a look-alike of an element', 'key', { ...good.key, 'Сondition': {} }, 'There is no element "Сondition"'],
    ['has no effect', 'key', noEffect, 'Effect must be Allow or Deny'],
    ['has another effect', 'key', { ...good.key, Effect: 'allow' }, 'Effect must be Allow or Deny'],
    ['has a list of effects', 'key', { ...good.key, Effect: ['Allow'] }, 'Effect must be Allow or Deny'],
    ['has a Sid that is a number', 'key', { ...good.key, Sid: 1 }, 'Sid must be a string'],
    ['has a Sid with a blank', 'identity', { ...good.identity, Sid: 'a b' }, 'Sid may have letters and digits only'],
    ['has a Sid with a hyphen', 'trust', { ...good.trust, Sid: 'a-b' }, 'Sid may have letters and digits only'],
    ['of an identity has a principal', 'identity', good.key, 'A policy of an identity has no Principal'],
    ['of a limit has NotPrincipal', 'limit', { ...good.limit, NotPrincipal: '*' }, 'A policy of an identity has no Principal'],
    ['of a key has no principal', 'key', good.identity, 'A statement needs exactly one of Principal and NotPrincipal'],
    ['of a role has both', 'trust', { ...good.trust, NotPrincipal: '*' }, 'A statement needs exactly one of Principal and NotPrincipal'],
    ['of an identity has no action', 'identity', noAction, 'Action is missing'],
    ['of an identity has no resource', 'identity', noResource, 'Resource is missing'],
    ['of a role has a resource', 'trust', { ...good.trust, Resource: '*' }, 'A trust policy has no Resource'],
    ['has Action and NotAction', 'key', { ...good.key, NotAction: 'a:b' }, 'A statement has only one of Action and NotAction'],
    ['has Resource and NotResource', 'key', { ...good.key, NotResource: '*' }, 'A statement has only one of Resource and NotResource'],
    ['has no action in its list', 'identity', { ...good.identity, Action: [] }, 'Action must be a string or a list of strings'],
    ['has a number for an action', 'identity', { ...good.identity, Action: ['kms:*', 1] }, 'Action must be a string or a list of strings'],
    ['has an action without a service', 'key', { ...good.key, Action: 'Decrypt' }, '"Decrypt" is not an action'],
    ['has an action with a blank', 'key', { ...good.key, Action: 'kms: Decrypt' }, '"kms: Decrypt" is not an action'],
    ['has an action with two colons', 'key', { ...good.key, Action: 'kms:Decrypt:x' }, '"kms:Decrypt:x" is not an action'],
    ['has an empty action', 'key', { ...good.key, Action: '' }, '"" is not an action'],
    ['has an action with a look-alike', 'key', { ...good.key, Action: 'kms:Dеcrypt' }, '"kms:Dеcrypt" is not an action'],
    ['has a sign for Kelvin in an action', 'key', { ...good.key, Action: '\u212ams:Decrypt' }, '"\u212ams:Decrypt" is not an action'],
    ['has a resource that is no ARN', 'identity', { ...good.identity, Resource: 'key/1' }, '"key/1" is not an ARN or *'],
    ['has an ARN in capitals', 'identity', { ...good.identity, Resource: 'ARN:aws:kms:a:b:c' }, '"ARN:aws:kms:a:b:c" is not an ARN or *'],
    ['has a blank before an ARN', 'identity', { ...good.identity, Resource: ' arn:aws:a' }, '" arn:aws:a" is not an ARN or *'],
    ['has a variable without an end', 'identity', { ...good.identity, Resource: 'arn:aws:x:::${a' }, 'A policy variable has no end'],
    ['has a condition that is a list', 'key', condition([]), 'Condition must be a JSON object'],
    ['has a condition that is null', 'key', condition(null), 'Condition must be a JSON object'],
    ['has an unknown operator', 'key', condition({ StringMatches: { 'a:b': '1' } }), 'there is no condition operator "StringMatches"'],
    ['has __proto__ as an operator', 'key', condition(proto({ 'a:b': '1' })), 'there is no condition operator "__proto__"'],
    ['has constructor as an operator', 'key', condition({ constructor: { 'a:b': '1' } }), 'there is no condition operator "constructor"'],
    ['has an operator without keys', 'key', condition({ Bool: 'true' }), 'A condition operator must be a JSON object'],
    ['has a key without a prefix', 'key', condition({ Bool: { SecureTransport: true } }), '"SecureTransport" is not a condition key'],
    ['has __proto__ as a key', 'key', condition({ Bool: proto(true) }), '"__proto__" is not a condition key'],
    ['has a key with a blank in its prefix', 'key', condition({ Bool: { 'a b:c': true } }), '"a b:c" is not a condition key'],
    ['has a key without a name', 'key', condition({ Bool: { 'aws:': true } }), '"aws:" is not a condition key'],
    ['has a value that is an object', 'key', condition({ StringEquals: { 'a:b': {} } }), badValue],
    ['has a value that is null', 'key', condition({ StringEquals: { 'a:b': null } }), badValue],
    ['has no values', 'key', condition({ StringNotEquals: { 'a:b': [] } }), '"a:b" has no value'],
    ['has a number that is none', 'key', condition({ NumericEquals: { 'a:b': 'x' } }), '"x" is no value for NumericEquals'],
    ['has a date that is none', 'key', condition({ DateLessThan: { 'a:b': '2026-02-30' } }), '"2026-02-30" is no value for DateLessThan'],
    ['has an address that is none', 'key', condition({ IpAddress: { 'a:b': '10.0.0.0/33' } }), '"10.0.0.0/33" is no value for IpAddress'],
    ['has a truth that is none', 'key', condition({ BoolIfExists: { 'a:b': 'yes' } }), '"yes" is no value for BoolIfExists'],
    ['has an ARN that is none', 'key', condition({ ArnLike: { 'a:b': 'arn:aws' } }), '"arn:aws" is no value for ArnLike'],
    ['has a variable where there are none', 'key', condition({ NumericEquals: { 'a:b': '${a:b}' } }),
      '"${a:b}" is no value for NumericEquals'],
    ['has a bad variable', 'key', condition({ StringEquals: { 'a:b': '${}' } }), 'A policy variable must be ${key} or ${key, \'default\'}'],
    ['asks Null for something else', 'key', condition({ Null: { 'a:b': 'yes' } }), 'Null takes true or false'],
  ] as const) {
    it(`that ${what} is refused by its number`, async () => {
      expect(await refusal(kind, statement)).to.equal(`In statement 2: ${sentence}`)
    })
  }

  for (const [what, principal, named] of [
    ['a name', 'anne', '"anne"'], ['a number', 1, undefined], ['a list', [root], undefined], ['an unknown type', { Group: 'a' }, '"Group"'],
    ['a type in small letters', { aws: root }, '"aws"'], ['__proto__', proto('*'), '"__proto__"'],
    ['nothing in it', {}, undefined],
    ['an ARN with a wildcard', { AWS: 'arn:aws:iam::111122223333:user/*' }, '"arn:aws:iam::111122223333:user/*"'],
    ['an ARN in another partition', { AWS: 'arn:aws-cn:iam::111122223333:root' }, '"arn:aws-cn:iam::111122223333:root"'],
    ['a group', { AWS: 'arn:aws:iam::111122223333:group/a' }, '"arn:aws:iam::111122223333:group/a"'],
    ['a number too long', { AWS: '1111222233334' }, '"1111222233334"'],
    ['a service that is no name', { Service: '*' }, '"*"'],
  ] as const) {
    it(`with ${what} as a principal is refused in the words of AWS, with its number`, async () => {
      const where = `(statement 2${named === undefined ? '' : `: ${named}`})`
      expect(await refusal('key', { ...good.key, Principal: principal }))
        .to.equal(`Policy contains a statement with one or more invalid principals. ${where}`)
    })
  }

  it('is named by its Sid as well, where that could be read', async () => {
    expect(await refusal('key', { ...good.key, Sid: 'Allow all', Action: 1 }))
      .to.equal('In statement 2 (Allow all): Action must be a string or a list of strings')
    expect(await refusal('identity', { ...good.identity, Sid: 'a', Resource: 'b' })).to.equal('In statement 2 (a): "b" is not an ARN or *')
  })

  it('must not have the Sid of another, but may have none or an empty one', async () => {
    for (const kind of kinds) {
      const named = { ...good[kind], Sid: 'a' }
      expect((await refused(() => parse(kind, named, good[kind], named), 'MalformedPolicyDocumentException')).message)
        .to.equal('Statement 3 has the Sid of another one: "a"')
      parse(kind, good[kind], good[kind], { ...good[kind], Sid: '' }, { ...good[kind], Sid: '' })
      parse(kind, named, { ...named, Sid: 'A' })
    }
  })

  it('may lack action and resource in a key policy only, where it never applies', async () => {
    const { statements } = parse('key', { Effect: 'Allow', Principal: '*' })
    expect(statements[0]).to.include({ actions: undefined, resources: undefined })
  })

  it('with ForAllValues of what may be absent is refused in a key policy, and named', async () => {
    for (const key of ['kms:EncryptionContext:app', 'KMS:encryptioncontext:App', 'aws:RequestTag/team', 'aws:requesttag/Team']) {
      const Condition = { 'ForAllValues:StringLikeIfExists': { [key]: 'a' } }
      const message = await refusal('key', { ...good.key, Condition, Sid: 'a' })
      expect(message).to.equal(`OverlyPermissiveCondition: in statement 2 (a), ForAllValues is true for a request without "${key}"`)
      parse('identity', { ...good.identity, Condition })
    }
    parse('key', condition({ 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': 'a', 'aws:TagKeys': 'a' } }))
    parse('key', condition({ 'ForAnyValue:StringEquals': { 'kms:EncryptionContext:app': 'a' } }))
  })

  it('is not repeated at any length in a refusal', async () => {
    const long = 'x'.repeat(30_000)
    for (const statement of [
      { ...good.key, [long]: 1 }, { ...good.key, Action: long }, { ...good.key, Resource: long }, { ...good.key, Sid: long, Effect: 1 },
      { ...good.key, Principal: long }, condition({ [long]: { 'a:b': '1' } }), condition({ Bool: { [long]: true } }),
      condition({ Bool: { 'a:b': long } }),
    ]) expect((await refusal('key', statement)).length).to.be.below(300)
  })

  it('is refused with the whole document beyond its largest size, of whatever kind', async () => {
    for (const kind of kinds.filter(one => one !== 'key')) {
      const text = JSON.stringify({ Statement: good[kind] })
      parsePolicy(text.padEnd(131_072), kind)
      await refused(() => parsePolicy(text.padEnd(131_073), kind), 'MalformedPolicyDocumentException')
    }
  })
})
