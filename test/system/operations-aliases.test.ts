import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { missingKeyId, suite, type NewKey } from './suite.js'

const aliasesPerKeyMax = 50
const prefixMissing = 'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html'

describe('aliases over HTTP', () => {
  const clock = new MovedClock(Date.UTC(2026, 0, 1))
  const on = suite({ clock })
  let key: NewKey
  let other: NewKey

  before(async () => {
    key = await on.newKey()
    other = await on.newKey()
  })

  it('CreateAlias gives a key a name, by key id or key ARN', async () => {
    for (const [name, target] of [['alias/by-id', key.id], ['alias/by/ARN_2', key.arn]] as const) {
      await on.kms.createAlias({ AliasName: name, TargetKeyId: target })
      expect((await on.kms.describeKey({ KeyId: name })).KeyMetadata?.KeyId).to.equal(key.id)
    }
  })

  it('ListAliases shows name, ARN, target and dates', async () => {
    const mine = await on.newKey()
    const created = new Date(clock.now())
    await on.kms.createAlias({ AliasName: 'alias/listed', TargetKeyId: other.id })
    clock.advance(5_000)
    await on.kms.updateAlias({ AliasName: 'alias/listed', TargetKeyId: mine.id })
    expect((await on.kms.listAliases({ KeyId: mine.arn })).Aliases).to.deep.equal([{
      AliasName: 'alias/listed',
      AliasArn: mine.arn.replace(`key/${mine.id}`, 'alias/listed'),
      TargetKeyId: mine.id,
      CreationDate: created,
      LastUpdatedDate: new Date(clock.now()),
    }])
  })

  it('UpdateAlias moves a name from the next call on', async () => {
    await on.kms.createAlias({ AliasName: 'alias/moving', TargetKeyId: key.id })
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: 'alias/moving', Plaintext: Buffer.from('x') })
    await on.kms.updateAlias({ AliasName: 'alias/moving', TargetKeyId: other.id })
    expect((await on.kms.generateDataKey({ KeyId: 'alias/moving', KeySpec: 'AES_256' })).KeyId).to.equal(other.arn)
    expect((await on.kms.decrypt({ CiphertextBlob })).KeyId).to.equal(key.arn)
    expect((await refusal(on.kms.decrypt({ CiphertextBlob, KeyId: 'alias/moving' }))).code).to.equal('IncorrectKeyException')
  })

  it('DeleteAlias takes the name away and leaves the key', async () => {
    await on.kms.createAlias({ AliasName: 'alias/short-lived', TargetKeyId: key.id })
    await on.kms.deleteAlias({ AliasName: 'alias/short-lived' })
    expect((await refusal(on.kms.describeKey({ KeyId: 'alias/short-lived' }))).code).to.equal('NotFoundException')
    expect((await on.kms.describeKey({ KeyId: key.id })).KeyMetadata?.KeyState).to.equal('Enabled')
  })

  it('refuses a name that is taken, whatever it points to', async () => {
    await on.kms.createAlias({ AliasName: 'alias/taken', TargetKeyId: key.id })
    const message = `An alias with the name ${key.arn.replace(`key/${key.id}`, 'alias/taken')} already exists`
    for (const target of [key.id, other.id]) {
      const answer = await refusal(on.kms.createAlias({ AliasName: 'alias/taken', TargetKeyId: target }))
      expect(answer).to.deep.equal({ code: 'AlreadyExistsException', message })
    }
  })

  it('tells names apart by case', async () => {
    await on.kms.createAlias({ AliasName: 'alias/Case', TargetKeyId: key.id })
    await on.kms.createAlias({ AliasName: 'alias/case', TargetKeyId: other.id })
    expect((await on.kms.describeKey({ KeyId: 'alias/case' })).KeyMetadata?.KeyId).to.equal(other.id)
  })

  it('refuses to move or delete a name that is not there', async () => {
    const missing = { code: 'NotFoundException', message: `Alias ${key.arn.replace(`key/${key.id}`, 'alias/nobody')} is not found.` }
    expect(await refusal(on.kms.updateAlias({ AliasName: 'alias/nobody', TargetKeyId: key.id }))).to.deep.equal(missing)
    expect(await refusal(on.kms.deleteAlias({ AliasName: 'alias/nobody' }))).to.deep.equal(missing)
  })

  it('refuses a target that is not there', async () => {
    expect((await refusal(on.kms.createAlias({ AliasName: 'alias/x', TargetKeyId: missingKeyId }))).code).to.equal('NotFoundException')
    await on.kms.createAlias({ AliasName: 'alias/stays', TargetKeyId: key.id })
    expect((await refusal(on.kms.updateAlias({ AliasName: 'alias/stays', TargetKeyId: missingKeyId }))).code).to.equal('NotFoundException')
    expect((await on.kms.describeKey({ KeyId: 'alias/stays' })).KeyMetadata?.KeyId).to.equal(key.id)
  })

  for (const [name, code, message] of [
    ['no-prefix', 'ValidationException', prefixMissing],
    ['Alias/x', 'ValidationException', prefixMissing],
    ['alias/aws/ebs', 'NotAuthorizedException', ''],
    ['alias/', 'ValidationException', undefined],
    ['alias/with:colon', 'ValidationException', undefined],
    ['alias/with space', 'ValidationException', undefined],
    [`alias/${'x'.repeat(251)}`, 'ValidationException', undefined],
  ] as const) {
    it(`refuses the name ${name.slice(0, 20)} (${name.length} characters)`, async () => {
      for (const call of [
        on.kms.createAlias({ AliasName: name, TargetKeyId: key.id }),
        on.kms.updateAlias({ AliasName: name, TargetKeyId: key.id }),
        on.kms.deleteAlias({ AliasName: name }),
      ]) {
        const answer = await refusal(call)
        expect(answer.code).to.equal(code)
        if (message !== undefined) expect(answer.message).to.equal(message)
      }
    })
  }

  it('takes a name of 256 characters', async () => {
    const name = `alias/${'x'.repeat(250)}`
    await on.kms.createAlias({ AliasName: name, TargetKeyId: key.id })
    expect((await on.kms.describeKey({ KeyId: name })).KeyMetadata?.KeyId).to.equal(key.id)
  })

  it(`refuses alias ${aliasesPerKeyMax + 1} of one key, new or moved there`, async () => {
    const [full, rest] = [await on.newKey(), await on.newKey()]
    const names = Array.from({ length: aliasesPerKeyMax }, (_, at) => `alias/full-${at}`)
    for (const AliasName of names) await on.kms.createAlias({ AliasName, TargetKeyId: full.id })
    await on.kms.createAlias({ AliasName: 'alias/one-more', TargetKeyId: rest.id })
    for (const call of [
      on.kms.createAlias({ AliasName: 'alias/too-many', TargetKeyId: full.id }),
      on.kms.updateAlias({ AliasName: 'alias/one-more', TargetKeyId: full.id }),
    ]) {
      expect((await refusal(call)).code).to.equal('LimitExceededException')
    }
    await on.kms.deleteAlias({ AliasName: names[0] })
    await on.kms.updateAlias({ AliasName: 'alias/one-more', TargetKeyId: full.id })
  })
})
