import { expect } from 'chai'
import { newAccount, newAdministrator, newTenant, type Tenant } from '../support/tenants.js'
import { ask, attempted, reasonsOf, refusedAt, type Answer } from './attacks-suite.js'
import { suite, type NewKey } from './suite.js'

const accountId = '111122223333'
const otherAccountId = '444455556666'
const denied = 'AccessDeniedException'
const Plaintext = Buffer.from('x').toString('base64')

type Members = Readonly<Record<string, unknown>>
interface Made { readonly GrantId: string, readonly GrantToken: string }
const madeIn = ({ body }: Answer) => JSON.parse(body) as Made

describe('an attack with a grant', function suiteOfGrants() {
  this.timeout(30_000)
  const on = suite({ settings: { accountId } })
  let key: NewKey
  let otherKey: NewKey
  let grantee: Tenant
  let stranger: Tenant
  let foreigner: Tenant

  before(async () => {
    await newAccount(on.server, otherAccountId)
    grantee = await newTenant(on.server, 'grantee')
    stranger = await newTenant(on.server, 'stranger')
    foreigner = await newAdministrator(on.server, 'administrator', otherAccountId)
  })
  beforeEach(async () => {
    key = await on.newKey()
    otherKey = await on.newKey()
  })

  const grant = async (members: Members): Promise<Made> => {
    const answer = await ask(on.server, 'kms', 'CreateGrant', { KeyId: key.arn, GranteePrincipal: grantee.arn, ...members })
    expect(answer, answer.body).to.include({ status: 200 })
    return madeIn(answer)
  }
  const grants = async () => (await on.kms.listGrants({ KeyId: key.id })).Grants?.length
  const decrypt = async (by: Tenant, EncryptionContext: Members | string = {}, more: Members = {}) => {
    const text = typeof EncryptionContext === 'string' ? EncryptionContext : JSON.stringify(EncryptionContext)
    const input = `{"KeyId":"${key.id}","Plaintext":"${Plaintext}","EncryptionContext":${text}}`
    const sealed = await ask(on.server, 'kms', 'Encrypt', {}, { input })
    const { CiphertextBlob } = JSON.parse(sealed.body) as { CiphertextBlob: string }
    const rest = JSON.stringify({ CiphertextBlob, KeyId: key.arn, ...more }).slice(0, -1)
    return ask(by, 'kms', 'Decrypt', {}, { input: `${rest},"EncryptionContext":${text}}` })
  }

  async function isRefused(attack: () => Promise<Answer>, code = denied): Promise<Answer> {
    const before = await grants()
    const { answer, records } = await attempted(on, attack)
    const [own] = records.slice(-1)
    expect(answer).to.include(refusedAt('kms', code))
    expect(own).to.include({ errorCode: code })
    expect(answer.body).to.not.contain('"GrantToken"').and.not.contain('"Plaintext"')
    expect(await grants()).to.equal(before)
    return answer
  }

  describe('that makes another', () => {
    const parent = { Operations: ['CreateGrant', 'Decrypt'], Constraints: { EncryptionContextSubset: { a: '1' } } }
    const children: readonly (readonly [what: string, child: Members])[] = [
      ['for more operations', { Operations: ['Decrypt', 'Encrypt'] }],
      ['for another operation', { Operations: ['GenerateDataKey'] }],
      ['to retire it', { Operations: ['RetireGrant', 'Decrypt'] }],
      ['for any context', { Constraints: {} }],
      ['for an empty context', { Constraints: { EncryptionContextEquals: {} } }],
      ['for an empty part of a context', { Constraints: { EncryptionContextSubset: {} } }],
      ['for another value', { Constraints: { EncryptionContextSubset: { a: '2' } } }],
      ['for another name', { Constraints: { EncryptionContextSubset: { A: '1' } } }],
      ['for a name that looks like it', { Constraints: { EncryptionContextSubset: { '\u0430': '1' } } }],
      ['for a context that has it in part', { Constraints: { EncryptionContextEquals: { b: '1' } } }],
      ['for what every object has', { Constraints: { EncryptionContextSubset: { constructor: '1' } } }],
    ]
    for (const [what, child] of children) {
      it(`${what} is refused`, async () => {
        const { GrantToken } = await grant(parent)
        for (const GrantTokens of [[], [GrantToken]]) {
          await isRefused(() => ask(grantee, 'kms', 'CreateGrant', {
            KeyId: key.arn, GranteePrincipal: stranger.arn, Operations: ['Decrypt'], Constraints: parent.Constraints, GrantTokens, ...child,
          }))
        }
      })
    }

    it('is refused when it has not got CreateGrant itself', async () => {
      await grant({ Operations: ['Decrypt'] })
      const child = { KeyId: key.arn, GranteePrincipal: stranger.arn, Operations: ['Decrypt'] }
      await isRefused(() => ask(grantee, 'kms', 'CreateGrant', child))
    })

    it('is none within it, and ends neither more nor less than itself', async () => {
      await grant(parent)
      const child = await ask(grantee, 'kms', 'CreateGrant', {
        KeyId: key.arn, GranteePrincipal: stranger.arn, Operations: ['Decrypt'],
        Constraints: { EncryptionContextEquals: { a: '1', b: '2' } },
      })
      expect(child).to.include({ status: 200 })
      expect(await decrypt(stranger, { a: '1', b: '2' })).to.include({ status: 200 })
      await isRefused(() => decrypt(stranger, { a: '1' }))
    })
  })

  describe('whose context is not that of the call', () => {
    const contexts: readonly (readonly [constraint: string, good: string, bad: readonly string[]])[] = [
      [
        '{"EncryptionContextSubset":{"__proto__":"x"}}', '{"__proto__":"x"}',
        ['{}', '{"__proto__":"y"}', '{"constructor":"x"}', '{"prototype":"x"}'],
      ],
      [
        '{"EncryptionContextEquals":{"constructor":"x"}}', '{"constructor":"x"}',
        ['{}', '{"constructor":"x","a":"b"}', '{"__proto__":"x"}'],
      ],
      [
        '{"EncryptionContextEquals":{"k":"x"}}', '{"k":"x"}',
        ['{"K":"x"}', '{"\u212a":"x"}', '{"k":"X"}', '{"k ":"x"}', '{"k":"x","\\u0000":""}'],
      ],
      ['{"EncryptionContextSubset":{"toString":"x"}}', '{"toString":"x","a":"b"}', ['{}', '{"valueOf":"x"}', '{"a":"b"}']],
    ]
    for (const [constraint, good, bad] of contexts) {
      it(`is refused: ${constraint}`, async () => {
        const input = `{"KeyId":"${key.arn}","GranteePrincipal":"${grantee.arn}","Operations":["Decrypt"],"Constraints":${constraint}}`
        expect(await ask(on.server, 'kms', 'CreateGrant', {}, { input })).to.include({ status: 200 })
        for (const context of bad) await isRefused(() => decrypt(grantee, context))
        expect(await decrypt(grantee, good)).to.include({ status: 200 })
      })
    }
  })

  describe('by its token', () => {
    it('is refused to whom it was not given: a token names a grant, and lets nobody in', async () => {
      const { GrantToken } = await grant({ Operations: ['Decrypt'] })
      for (const by of [stranger, foreigner]) await isRefused(() => decrypt(by, {}, { GrantTokens: [GrantToken] }))
    })

    it('is refused for another key', async () => {
      const { GrantToken } = await grant({ Operations: ['DescribeKey'] })
      await isRefused(() => ask(grantee, 'kms', 'DescribeKey', { KeyId: otherKey.arn, GrantTokens: [GrantToken] }))
    })

    it('is refused when it was changed, or put together', async () => {
      const { GrantToken } = await grant({ Operations: ['DescribeKey'] })
      const bytes = Buffer.from(GrantToken, 'base64')
      const changed = Array.from({ length: bytes.length }, (_, at) => {
        const other = Buffer.from(bytes)
        other[at] = (other[at] ?? 0) ^ 0x80
        return other.toString('base64')
      })
      for (const token of [changed[0], changed[10], changed[30], changed.at(-1), `${GrantToken}=`, GrantToken.slice(4), '__proto__']) {
        await isRefused(() => ask(grantee, 'kms', 'DescribeKey', { KeyId: key.arn, GrantTokens: [token] }), 'InvalidGrantTokenException')
      }
    })

    it('is refused from the moment that it is revoked', async () => {
      const { GrantId, GrantToken } = await grant({ Operations: ['Decrypt'] })
      expect(await decrypt(grantee)).to.include({ status: 200 })
      await on.kms.revokeGrant({ KeyId: key.id, GrantId })
      await isRefused(() => decrypt(grantee, {}, { GrantTokens: [GrantToken] }))
    })
  })

  describe('that somebody else would end', () => {
    it('is refused to its grantee, unless it says so, and to strangers of whatever account', async () => {
      const RetiringPrincipal = `arn:aws:iam::${accountId}:user/administrator`
      const { GrantId, GrantToken } = await grant({ Operations: ['Decrypt'], RetiringPrincipal })
      for (const by of [grantee, stranger, foreigner]) {
        for (const input of [{ GrantToken }, { KeyId: key.arn, GrantId }]) await isRefused(() => ask(by, 'kms', 'RetireGrant', input))
        await isRefused(() => ask(by, 'kms', 'RevokeGrant', { KeyId: key.arn, GrantId }))
        await isRefused(() => ask(by, 'kms', 'ListGrants', { KeyId: key.arn }))
      }
      expect(await decrypt(grantee)).to.include({ status: 200 })
    })

    it('tells a foreigner nothing of whether there is such a grant', async () => {
      const { GrantId } = await grant({ Operations: ['Decrypt'] })
      const bodies = new Set<string>()
      for (const id of [GrantId, '0'.repeat(64)]) {
        for (const operation of ['RetireGrant', 'RevokeGrant']) {
          const { message } = await isRefused(() => ask(foreigner, 'kms', operation, { KeyId: key.arn, GrantId: id }))
          bodies.add(message.replace(operation, ''))
        }
      }
      expect(bodies.size).to.equal(1)
    })
  })

  it('past a Deny of the key policy is refused', async () => {
    await grant({ Operations: ['Decrypt'] })
    await on.kms.putKeyPolicy({ KeyId: key.id, Policy: JSON.stringify({ Version: '2012-10-17', Statement: [
      { Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*' },
      { Sid: 'no', Effect: 'Deny', Principal: { AWS: grantee.arn }, Action: 'kms:Decrypt', Resource: '*' },
    ] }) })
    const { records } = await attempted(on, () => isRefused(() => decrypt(grantee)))
    const [own] = records.filter(({ errorCode }) => errorCode !== undefined)
    const deny = { verdict: 'deny', by: 'resource policy', policy: 'key policy', statement: 'statement 2 (no)' }
    expect(own && reasonsOf(own)).to.deep.equal([{ action: 'kms:Decrypt', resource: key.arn, ...deny }])
  })

  it('of a user behind a boundary is refused what the boundary does not let', async () => {
    const bounded = await newTenant(on.server, 'bounded', { boundary: 'arn:aws:iam::aws:policy/ClavigerApprover' })
    await grant({ GranteePrincipal: bounded.arn, Operations: ['Decrypt'] })
    await isRefused(() => decrypt(bounded))
  })

  describe('whose alias is moved while it is asked for', () => {
    it('is refused or done with the key that the caller may use, and with no other', async () => {
      await grant({ Operations: ['Encrypt'] })
      await on.kms.createAlias({ AliasName: 'alias/moving', TargetKeyId: key.id })
      const KeyId = `arn:aws:kms:us-east-1:${accountId}:alias/moving`
      const move = async () => {
        for (const TargetKeyId of [otherKey.id, key.id, otherKey.id, key.id]) {
          await on.kms.updateAlias({ AliasName: 'alias/moving', TargetKeyId })
        }
      }
      const outcomes: Answer[] = []
      const { records } = await attempted(on, async () => {
        for (let round = 0; round < 40; round++) {
          const asking = Array.from({ length: 8 }, () => ask(grantee, 'kms', 'Encrypt', { KeyId, Plaintext }))
          const [answers] = await Promise.all([Promise.all(asking), move()])
          outcomes.push(...answers)
        }
      })
      for (const { status, body, code } of outcomes) {
        if (status === 200) expect((JSON.parse(body) as { KeyId: string }).KeyId).to.equal(key.arn)
        else expect(code).to.equal(denied)
      }
      // Both happened, or nothing was shown.
      expect(new Set(outcomes.map(({ status }) => status))).to.deep.equal(new Set([200, 400]))
      const used = records.filter(({ eventName, errorCode }) => eventName === 'Encrypt' && errorCode === undefined)
      for (const { resources } of used) expect(JSON.stringify(resources)).to.contain(key.id).and.not.contain(otherKey.id)
    })
  })
})
