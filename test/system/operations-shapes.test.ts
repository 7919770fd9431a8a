import { expect } from 'chai'
import { suite } from './suite.js'

const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab'
const longer = (max: number) => `Member must have length less than or equal to ${max}`
const shorter = (min: number) => `Member must have length greater than or equal to ${min}`
const above = (max: number) => `Member must have value less than or equal to ${max}`
const below = (min: number) => `Member must have value greater than or equal to ${min}`

/** Input, and what of it breaks which rule. */
const constraints: readonly (readonly [operation: string, input: object, at: string, rule: string])[] = [
  ['DescribeKey', { KeyId: '' }, "Value '' at 'keyId'", shorter(1)],
  ['DescribeKey', { KeyId: keyId, GrantTokens: [''] }, "Value at 'grantTokens'", `Member must satisfy constraint: [${shorter(1)}]`],
  ['DescribeKey', { KeyId: keyId, GrantTokens: Array(11).fill('x') }, "Value at 'grantTokens'", longer(10)],
  ['ListKeys', { Limit: 0 }, "Value '0' at 'limit'", below(1)],
  ['ListKeys', { Limit: 1001 }, "Value '1001' at 'limit'", above(1000)],
  ['ListKeys', { Marker: '' }, "Value '' at 'marker'", shorter(1)],
  ['ListAliases', { Limit: -1 }, "Value '-1' at 'limit'", below(1)],
  ['ScheduleKeyDeletion', { KeyId: keyId, PendingWindowInDays: 366 }, "Value '366' at 'pendingWindowInDays'", above(365)],
  ['EnableKeyRotation', { KeyId: keyId, RotationPeriodInDays: 89 }, "Value '89' at 'rotationPeriodInDays'", below(90)],
  ['EnableKeyRotation', { KeyId: keyId, RotationPeriodInDays: 2561 }, "Value '2561' at 'rotationPeriodInDays'", above(2560)],
  ['GenerateDataKey', { KeyId: keyId, NumberOfBytes: 1025 }, "Value '1025' at 'numberOfBytes'", above(1024)],
  ['GenerateDataKey', { KeyId: keyId, KeySpec: 'AES_192' }, "Value 'AES_192' at 'keySpec'", 'Member must satisfy enum value set: ['],
  ['GenerateDataKeyWithoutPlaintext', { KeyId: keyId, NumberOfBytes: 0 }, "Value '0' at 'numberOfBytes'", below(1)],
  ['GenerateRandom', { NumberOfBytes: 1025 }, "Value '1025' at 'numberOfBytes'", above(1024)],
  ['GenerateRandom', { NumberOfBytes: 0 }, "Value '0' at 'numberOfBytes'", below(1)],
  ['Encrypt', { KeyId: keyId, Plaintext: '' }, "Value at 'plaintext'", shorter(1)],
  ['Encrypt', { KeyId: keyId, Plaintext: 'eA==', EncryptionAlgorithm: 'AES' }, "Value 'AES' at 'encryptionAlgorithm'",
    'Member must satisfy enum value set: ['],
  ['Decrypt', { CiphertextBlob: '' }, "Value at 'ciphertextBlob'", shorter(1)],
  ['Decrypt', { CiphertextBlob: Buffer.alloc(6145).toString('base64') }, "Value at 'ciphertextBlob'", longer(6144)],
  ['UpdateKeyDescription', { KeyId: keyId, Description: 'x'.repeat(8193) }, "' at 'description'", longer(8192)],
  ['CreateKey', { KeySpec: 'AES_256' }, "Value 'AES_256' at 'keySpec'", 'Member must satisfy enum value set: ['],
  ['CreateKey', { Tags: [{ TagKey: 'a', TagValue: '' }, { TagKey: '', TagValue: '' }] }, "Value '' at 'tags.2.member.tagKey'", shorter(1)],
  ['CreateKey', { Tags: [{ TagKey: 'a' }] }, "Value null at 'tags.1.member.tagValue'", 'Member must not be null'],
  ['TagResource', { KeyId: keyId, Tags: [{ TagKey: 'x'.repeat(129), TagValue: '' }] }, "' at 'tags.1.member.tagKey'", longer(128)],
  ['TagResource', { KeyId: keyId, Tags: [{ TagKey: 'x', TagValue: 'x'.repeat(257) }] }, "' at 'tags.1.member.tagValue'", longer(256)],
  ['UntagResource', { KeyId: keyId, TagKeys: [''] }, "Value at 'tagKeys'", `Member must satisfy constraint: [${shorter(1)}]`],
  ['CreateAlias', { AliasName: 'alias/ä', TargetKeyId: keyId }, "Value 'alias/ä' at 'aliasName'",
    'Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$'],
  ['PutKeyPolicy', { KeyId: keyId, Policy: '"\u0001"' }, "' at 'policy'", 'Member must satisfy regular expression pattern: '],
  ['ListKeyRotations', { KeyId: keyId, IncludeKeyMaterial: 'ALL' }, "Value 'ALL' at 'includeKeyMaterial'",
    'Member must satisfy enum value set: ['],
]

/** Body as sent, and the text of the SerializationException (none for what cannot be read at all). */
const unreadable: readonly (readonly [operation: string, body: string, message: string | undefined])[] = [
  ['ListKeys', '', undefined],
  ['ListKeys', 'null', undefined],
  ['ListKeys', '[]', undefined],
  ['ListKeys', '"x"', undefined],
  ['ListKeys', '{"Limit":1,}', undefined],
  ['ListKeys', '{"Limit":"1"}', 'STRING_VALUE can not be converted to an Integer'],
  ['DescribeKey', '{"KeyId":1}', 'NUMBER_VALUE can not be converted to a String'],
  ['DescribeKey', '{"KeyId":true}', 'TRUE_VALUE can not be converted to a String'],
  ['DescribeKey', '{"KeyId":["x"]}', 'Start of list found where not expected'],
  ['DescribeKey', '{"KeyId":{"x":1}}', 'Start of structure or map found where not expected.'],
  ['DescribeKey', `{"KeyId":"${keyId}","GrantTokens":"x"}`, 'Expected list or null'],
  ['Encrypt', `{"KeyId":"${keyId}","Plaintext":"eA==","EncryptionContext":{"a":1}}`, 'NUMBER_VALUE can not be converted to a String'],
  // A mismatch is told before a broken constraint.
  ['EnableKeyRotation', '{"KeyId":"","RotationPeriodInDays":"x"}', 'STRING_VALUE can not be converted to an Integer'],
]

/** Some rules over the whole path; test/http/json/contract.test.ts breaks every one of every operation. */
describe('the shape of requests', () => {
  const on = suite()

  for (const [operation, input, at, rule] of constraints) {
    it(`${operation} refuses ${at.slice(-40)}: ${rule.slice(0, 70)}`, async () => {
      const { status, json } = await on.call(operation, input)
      expect([status, json.__type]).to.deep.equal([400, 'ValidationException'])
      expect(json.message).to.match(/^1 validation error detected: Value/)
      expect(json.message).to.include(`${at} failed to satisfy constraint: ${rule}`)
    })
  }

  for (const [operation, body, message] of unreadable) {
    it(`${operation} cannot read ${JSON.stringify(body)}`, async () => {
      const { status, json } = await on.call(operation, body)
      expect([status, json]).to.deep.equal([400, { __type: 'SerializationException', ...message !== undefined && { message } }])
    })
  }

  it('may hold members that nobody knows', async () => {
    expect((await on.call('ListKeys', { Limit: 10, NoSuchMember: { deep: [1] } })).status).to.equal(200)
  })

  it('cuts off the fraction of a whole number', async () => {
    const { json } = await on.call('GenerateRandom', { NumberOfBytes: 8.9 })
    expect(Buffer.from(json.Plaintext as string, 'base64')).to.have.length(8)
  })
})
