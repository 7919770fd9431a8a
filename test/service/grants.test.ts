import { expect } from 'chai'
import { grantOperation } from '../../src/api/enums.js'
import * as api from '../../src/api/grants.js'
import { disableKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import type { Input } from '../../src/api/shape.js'
import { keySpecs } from '../../src/domain/key-spec.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import { fitsGrant, grantable } from '../../src/service/grants/fit.js'
import { replacing } from '../support/interruption.js'
import { storeUsers } from '../support/callers.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, call, newKey, nobody, region } from '../support/services.js'

type CreateGrantInput = Partial<Input<typeof api.createGrant>>

const root = `arn:aws:iam::${accountId}:root`
const anne = `arn:aws:iam::${accountId}:user/anne`
const bob = `arn:aws:iam::${accountId}:user/bob`
const SourceArn = `arn:aws:s3:${region}:${accountId}:bucket`
const unknownId = 'f'.repeat(64)

describe('grants', () => {
  const on = serviceSuite()
  let key: UsableKey
  let KeyId: string

  beforeEach(async () => {
    key = await newKey(on.services)
    KeyId = key.key.keyId
  })

  async function grant(of: CreateGrantInput = {}, by = on.services): Promise<{ GrantId: string, GrantToken: string }> {
    const { GrantId = '', GrantToken = '' } = await call(by, api.createGrant, {
      KeyId, ...!of.GranteeServicePrincipal && { GranteePrincipal: anne }, Operations: ['Decrypt'], ...of,
    })
    return { GrantId, GrantToken }
  }

  async function idsOf(input: Partial<Input<typeof api.listGrants>> = {}): Promise<readonly (string | undefined)[]> {
    return ((await call(on.services, api.listGrants, { KeyId, ...input })).Grants ?? []).map(({ GrantId }) => GrantId)
  }

  const lastEvent = () => on.audit.events.at(-1)

  describe('CreateGrant', () => {
    it('answers an id and a token, and stores what ListGrants shows', async () => {
      const { GrantId, GrantToken } = await grant({
        Name: 'reader', Operations: ['Decrypt', 'DescribeKey'], RetiringPrincipal: accountId,
        Constraints: { EncryptionContextSubset: { Department: 'IT' }, SourceArn },
      })
      expect(GrantId).to.match(/^[0-9a-f]{64}$/)
      expect(Buffer.from(GrantToken, 'base64').toString('base64')).to.equal(GrantToken)
      expect((await call(on.services, api.listGrants, { KeyId })).Grants).to.deep.equal([{
        KeyId: key.key.arn, GrantId, Name: 'reader', CreationDate: new Date(on.clock.now()), GranteePrincipal: anne,
        RetiringPrincipal: root, IssuingAccount: root, Operations: ['Decrypt', 'DescribeKey'],
        Constraints: { EncryptionContextSubset: { Department: 'IT' }, SourceArn },
      }])
    })

    it('for a service needs a source and somebody who retires it', async () => {
      const GranteeServicePrincipal = 'backup.example.com'
      const { GrantId } = await grant({
        GranteeServicePrincipal, RetiringServicePrincipal: GranteeServicePrincipal, Constraints: { SourceArn },
      })
      const [listed] = (await call(on.services, api.listGrants, { KeyId, GranteeServicePrincipal })).Grants ?? []
      expect(listed).to.include({ GrantId, GranteeServicePrincipal, RetiringServicePrincipal: 'backup.example.com' })
      await refused(grant({ GranteeServicePrincipal, RetiringPrincipal: anne }), 'ValidationException')
      await refused(grant({ GranteeServicePrincipal, Constraints: { SourceArn } }), 'ValidationException')
    })

    for (const [what, of] of Object.entries<CreateGrantInput>({
      'both kinds of grantee': {
        GranteePrincipal: anne, GranteeServicePrincipal: 'a.example.com', RetiringPrincipal: bob, Constraints: { SourceArn },
      },
      'both kinds of retiring principal': { RetiringPrincipal: bob, RetiringServicePrincipal: 'a.example.com' },
      'no operation': { Operations: [] },
      'an operation that the key does not have': { Operations: ['Decrypt', 'Sign'] },
      'nine pairs': { Constraints: { EncryptionContextEquals: Object.fromEntries([...'123456789'].map(name => [name, ''])) } },
      'a long value': { Constraints: { EncryptionContextSubset: { a: 'x'.repeat(385) } } },
    })) {
      it(`refuses ${what}`, () => refused(grant(of), 'ValidationException'))
    }

    it('refuses no grantee', () => refused(call(on.services, api.createGrant, { KeyId, Operations: ['Decrypt'] }), 'ValidationException'))

    it('refuses principals that are none', async () => {
      await refused(grant({ GranteePrincipal: 'anne' }), 'InvalidArnException')
      await refused(grant({ RetiringPrincipal: `arn:aws:iam::${accountId}:group/a` }), 'InvalidArnException')
    })

    it('refuses a key that is disabled, or about to be deleted', async () => {
      await call(on.services, disableKey, { KeyId })
      await refused(grant(), 'DisabledException')
      await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      await refused(grant(), 'KMSInvalidStateException')
    })

    it('makes another grant every time without a name', async () => {
      expect((await grant()).GrantId).to.not.equal((await grant()).GrantId)
    })

    it('with the same name and the same content answers the same grant', async () => {
      const of: CreateGrantInput = {
        Name: 'a', Operations: ['Decrypt', 'Encrypt'], Constraints: { EncryptionContextEquals: { a: '1', b: '2' } }, RetiringPrincipal: bob,
      }
      const first = await grant(of)
      on.clock.advance(1)
      expect(await grant({
        ...of, Operations: ['Encrypt', 'Decrypt', 'Decrypt'], Constraints: { EncryptionContextEquals: { b: '2', a: '1' } },
      })).to.deep.equal(first)
      expect(await idsOf()).to.deep.equal([first.GrantId])
    })

    it('with the same name and another content, or on another key, makes another grant', async () => {
      const ids = new Set([
        (await grant({ Name: 'a' })).GrantId,
        (await grant({ Name: 'a', Operations: ['Encrypt'] })).GrantId,
        (await grant({ Name: 'a', GranteePrincipal: bob })).GrantId,
        (await grant({ Name: 'a', RetiringPrincipal: bob })).GrantId,
        (await grant({ Name: 'a', Constraints: { EncryptionContextEquals: { a: '1' } } })).GrantId,
        (await grant({ Name: 'a', Constraints: { EncryptionContextSubset: { a: '1' } } })).GrantId,
        (await grant({ Name: 'a', Constraints: { SourceArn } })).GrantId,
        (await grant({ Name: 'a', KeyId: (await newKey(on.services)).key.keyId })).GrantId,
      ])
      expect(ids.size).to.equal(8)
    })

    it('makes one grant of one name, however many call at once', async () => {
      const made = await Promise.all(Array.from({ length: 8 }, () => grant({ Name: 'a' })))
      expect(new Set(made.map(({ GrantId }) => GrantId)).size).to.equal(1)
      expect(await idsOf()).to.have.length(1)
    })

    it('costs no more however many other grants have its name', async () => {
      await storeUsers(on.store.identities, ...Array.from({ length: 20 }, (_, other) => `bob${other}`))
      const cost = async () => {
        const before = on.hsm.status().calls.done
        await grant({ Name: 'a' })
        return on.hsm.status().calls.done - before
      }
      await grant({ Name: 'a' })
      const alone = await cost()
      for (let other = 0; other < 20; other++) await grant({ Name: 'a', GranteePrincipal: `${bob}${other}` })
      expect(await cost()).to.equal(alone)
    })

    it('keeps pairs of any name', async () => {
      const pairs = JSON.parse('{ "__proto__": "1", "constructor": "2", "7": "3" }') as Record<string, string>
      const { GrantId } = await grant({ Name: 'a', Constraints: { EncryptionContextEquals: pairs } })
      const { Grants: [listed] = [] } = await call(on.services, api.listGrants, { KeyId })
      expect(Object.entries(listed?.Constraints?.EncryptionContextEquals ?? {}).sort()).to.deep.equal(Object.entries(pairs).sort())
      expect((await grant({ Name: 'a', Constraints: { EncryptionContextEquals: pairs } })).GrantId).to.equal(GrantId)
      expect((await grant({ Name: 'a' })).GrantId).to.not.equal(GrantId)
    })

    it('refuses the 50,001st grant of a key, but not one that is there already', async () => {
      const named = await grant({ Name: 'a' })
      const full = on.newServices({ store: replacing(on.store, { grants: replacing(on.store.grants, { count: async () => 50_000 }) }) })
      await refused(grant({}, full), 'LimitExceededException')
      await refused(grant({ DryRun: true }, full), 'LimitExceededException')
      expect(await grant({ Name: 'a' }, full)).to.deep.equal(named)
    })

    it('with DryRun makes none', async () => {
      await refused(grant({ DryRun: true }), 'DryRunOperationException')
      expect(await idsOf()).to.deep.equal([])
    })

    it('is for who may', () => refused(
      call(on.services, api.createGrant, { KeyId, GranteePrincipal: anne, Operations: ['Decrypt'] }, nobody), 'AccessDeniedException',
    ))

    it('leaves the id in the audit log, and no token', async () => {
      const { GrantId, GrantToken } = await grant({ GrantTokens: [(await grant()).GrantToken] })
      expect(lastEvent()).to.deep.include({ eventName: 'CreateGrant', responseElements: { grantId: GrantId } })
      expect(JSON.stringify(on.audit.events)).to.not.contain(GrantToken).and.not.contain('grantToken')
    })
  })

  describe('the operations of a grant', () => {
    it('fit some key each, and every spec and usage has its own', () => {
      const known = new Set<string>()
      for (const { spec, usages } of keySpecs.values()) {
        for (const { usage } of usages) {
          for (const operation of grantOperation) {
            const fits = grantable({ keySpec: spec, keyUsage: usage }).includes(operation)
            const check = () => fitsGrant({ ...key.key, keySpec: spec, keyUsage: usage }, [operation], undefined)
            if (fits) known.add(operation)
            if (fits) check()
            else expect(check, `${spec} ${usage} ${operation}`).to.throw(/cannot allow/)
          }
        }
      }
      expect([...known].sort()).to.deep.equal([...grantOperation].sort())
    })

    it('are constrained to an encryption context on symmetric keys only, to a source on any', () => {
      const rsa = { ...key.key, keySpec: 'RSA_2048' } as const
      expect(() => fitsGrant(rsa, ['Decrypt'], { EncryptionContextEquals: {} })).to.throw(/symmetric/)
      expect(() => fitsGrant(rsa, ['Decrypt'], { EncryptionContextSubset: { a: '1' } })).to.throw(/symmetric/)
      fitsGrant(rsa, ['Decrypt', 'GetPublicKey'], { SourceArn })
    })
  })

  describe('ListGrants', () => {
    it('filters by id and grantee', async () => {
      const [first, second] = [await grant(), await grant({ GranteePrincipal: accountId })]
      expect(await idsOf()).to.have.members([first.GrantId, second.GrantId])
      expect(await idsOf({ GrantId: first.GrantId })).to.deep.equal([first.GrantId])
      expect(await idsOf({ GranteePrincipal: root })).to.deep.equal([second.GrantId])
      expect(await idsOf({ GrantId: unknownId })).to.deep.equal([])
    })

    it('refuses what is no grant id and no principal', async () => {
      await refused(idsOf({ GrantId: 'x' }), 'InvalidGrantIdException')
      await refused(idsOf({ GranteePrincipal: 'anne' }), 'InvalidArnException')
    })

    it('gives a page at a time, with a marker for the same listing only', async () => {
      const made = [await grant(), await grant(), await grant()].map(({ GrantId }) => GrantId).sort()
      const first = await call(on.services, api.listGrants, { KeyId, Limit: 2 })
      expect([first.Grants?.map(({ GrantId }) => GrantId), first.Truncated]).to.deep.equal([made.slice(0, 2), true])
      const Marker = first.NextMarker ?? ''
      const rest = await call(on.services, api.listGrants, { KeyId, Limit: 2, Marker })
      expect([rest.Grants?.map(({ GrantId }) => GrantId), rest.Truncated]).to.deep.equal([made.slice(2), false])
      await refused(idsOf({ Marker, GranteePrincipal: anne }), 'InvalidMarkerException')
    })

    it('shows the grants of a disabled key', async () => {
      const { GrantId } = await grant()
      await call(on.services, disableKey, { KeyId })
      expect(await idsOf()).to.deep.equal([GrantId])
    })
  })
})
