import { expect } from 'chai'
import type { ErrorCode } from '../../src/domain/errors.js'
import { aliasArn, checkAliasName, keyArn, parseKeyRef } from '../../src/domain/key-ref.js'
import { refused } from '../support/refusal.js'

const scope = { region: 'eu-central-1', accountId: '111122223333' }
const keyId = '1234abcd-12ab-44cd-96ef-1234567890ab'
const other = '444455556666'

describe('key reference', () => {
  for (const [text, ref] of [
    [keyId, { kind: 'key', accountId: scope.accountId, keyId }],
    ['mrk-1234abcd12ab34cd56ef1234567890ab', { kind: 'key', accountId: scope.accountId, keyId: 'mrk-1234abcd12ab34cd56ef1234567890ab' }],
    [`arn:aws:kms:eu-central-1:${other}:key/${keyId}`, { kind: 'key', accountId: other, keyId }],
    ['alias/a/b_c-D9', { kind: 'alias', accountId: scope.accountId, name: 'alias/a/b_c-D9' }],
    [`arn:aws:kms:eu-central-1:${other}:alias/a/b`, { kind: 'alias', accountId: other, name: 'alias/a/b' }],
  ] as const) {
    it(`reads ${text}`, () => {
      expect(parseKeyRef(text, scope)).to.deep.equal(ref)
    })
  }

  for (const [text, code, message] of [
    ['1234abcd12ab34cd56ef1234567890ab', 'NotFoundException', "Invalid keyId '1234abcd12ab34cd56ef1234567890ab'"],
    [keyId.toUpperCase(), 'NotFoundException', `Invalid keyId '${keyId.toUpperCase()}'`],
    ['alias', 'NotFoundException', "Invalid keyId 'alias'"],
    ['alias/', 'NotFoundException', "Invalid keyId 'alias/'"],
    ['alias/a b', 'NotFoundException', "Invalid keyId 'alias/a b'"],
    [`arn:aws:kms:us-east-1:111122223333:key/${keyId}`, 'NotFoundException', 'Invalid arn us-east-1'],
    ['arn:aws:kms:eu-central-1:111122223333:key/nonsense', 'NotFoundException', "Invalid keyId 'nonsense'"],
    ['arn:', 'InvalidArnException', 'Invalid arn arn:'],
    [`arn:aws:s3:eu-central-1:111122223333:key/${keyId}`, 'InvalidArnException', undefined],
    [`arn:aws:kms:eu-central-1:11112222333:key/${keyId}`, 'InvalidArnException', undefined],
    [`arn:aws:kms:eu-central-1:111122223333:grant/${keyId}`, 'InvalidArnException', undefined],
    [`arn:aws:kms::111122223333:key/${keyId}`, 'InvalidArnException', undefined],
    ['arn:aws:kms:eu-central-1:111122223333:key/', 'InvalidArnException', undefined],
  ] as const satisfies readonly (readonly [string, ErrorCode, string | undefined])[]) {
    it(`refuses ${text} with ${code}`, async () => {
      const error = await refused(() => parseKeyRef(text, scope), code)
      if (message !== undefined) expect(error.message).to.equal(message)
    })
  }

  it('is written as an ARN that reads back', () => {
    expect(keyArn(scope, keyId)).to.equal(`arn:aws:kms:eu-central-1:111122223333:key/${keyId}`)
    expect(aliasArn(scope, 'alias/a')).to.equal('arn:aws:kms:eu-central-1:111122223333:alias/a')
    expect(parseKeyRef(keyArn(scope, keyId), scope)).to.deep.equal({ kind: 'key', accountId: scope.accountId, keyId })
    expect(parseKeyRef(aliasArn(scope, 'alias/a'), scope)).to.deep.equal({ kind: 'alias', accountId: scope.accountId, name: 'alias/a' })
  })
})

describe('alias name', () => {
  for (const name of ['alias/a', 'alias/A-9_z/x', 'alias/awsome', 'alias/aws']) {
    it(`may be ${name}`, () => {
      checkAliasName(name)
    })
  }

  it('must start with alias/, in the words of AWS KMS', async () => {
    const { message } = await refused(() => checkAliasName('a'), 'ValidationException')
    expect(message).to.equal('Alias must start with the prefix "alias/". '
      + 'Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html')
  })

  it('must not start with alias/aws/', () => refused(() => checkAliasName('alias/aws/ebs'), 'NotAuthorizedException'))

  for (const name of ['alias/', 'alias/a b', 'alias/a:b', 'alias/ü', 'alias/a\n']) {
    it(`must not be ${JSON.stringify(name)}`, () => refused(() => checkAliasName(name), 'ValidationException'))
  }
})
