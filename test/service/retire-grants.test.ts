import { expect } from 'chai'
import { encrypt } from '../../src/api/encryption.js'
import * as api from '../../src/api/grants.js'
import { describeKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import type { Input } from '../../src/api/shape.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import { onEveryCall } from '../support/interruption.js'
import { allowing, identityPolicy, userCaller } from '../support/callers.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, call, newKey, nobody } from '../support/services.js'

const root = `arn:aws:iam::${accountId}:root`
const anne = `arn:aws:iam::${accountId}:user/anne`
const bob = `arn:aws:iam::${accountId}:user/bob`
const unknownId = 'f'.repeat(64)

const allowedAll = [identityPolicy(allowing('*'))]

describe('grants that end', () => {
  const on = serviceSuite()
  let key: UsableKey
  let KeyId: string

  beforeEach(async () => {
    key = await newKey(on.services)
    KeyId = key.key.keyId
  })

  async function grant(of: Partial<Input<typeof api.createGrant>> = {}): Promise<{ GrantId: string, GrantToken: string }> {
    const { GrantId = '', GrantToken = '' } = await call(on.services, api.createGrant, {
      KeyId, GranteePrincipal: anne, Operations: ['Decrypt'], ...of,
    })
    return { GrantId, GrantToken }
  }

  const left = async () => ((await call(on.services, api.listGrants, { KeyId })).Grants ?? []).map(({ GrantId }) => GrantId)
  const lastEvent = () => on.audit.events.at(-1)

  describe('ListRetirableGrants', () => {
    const retirable = async (input: Partial<Input<typeof api.listRetirableGrants>>) =>
      ((await call(on.services, api.listRetirableGrants, input)).Grants ?? []).map(({ GrantId }) => GrantId)

    it('shows those of all keys by who may retire them', async () => {
      const other = (await newKey(on.services)).key.keyId
      const made = [await grant({ RetiringPrincipal: bob }), await grant({ RetiringPrincipal: bob, KeyId: other })]
      const ofAccount = await grant({ RetiringPrincipal: accountId })
      const ofService = await grant({ RetiringServicePrincipal: 'backup.example.com' })
      await grant()
      expect(await retirable({ RetiringPrincipal: bob })).to.deep.equal(made.map(({ GrantId }) => GrantId).sort())
      expect(await retirable({ RetiringPrincipal: root })).to.deep.equal([ofAccount.GrantId])
      // Whose grants a service may retire is told to the service itself.
      await refused(retirable({ RetiringServicePrincipal: 'backup.example.com' }), 'AccessDeniedException')
      const service = userCaller('', allowedAll, { type: 'Service', uniqueId: 'backup.example.com', accountId: '' })
      expect((await call(on.services, api.listRetirableGrants, { RetiringServicePrincipal: 'backup.example.com' }, service)).Grants
        ?.map(({ GrantId }) => GrantId)).to.deep.equal([ofService.GrantId])
      await refused(retirable({ RetiringPrincipal: 'arn:aws:iam::444455556666:user/bob' }), 'AccessDeniedException')
      expect(await retirable({ RetiringPrincipal: anne })).to.deep.equal([])
    })

    it('gives a page at a time', async () => {
      const made = [await grant({ RetiringPrincipal: bob }), await grant({ RetiringPrincipal: bob })].map(({ GrantId }) => GrantId).sort()
      const first = await call(on.services, api.listRetirableGrants, { RetiringPrincipal: bob, Limit: 1 })
      expect([first.Grants?.[0]?.GrantId, first.Truncated]).to.deep.equal([made[0], true])
      expect(await retirable({ RetiringPrincipal: bob, Marker: first.NextMarker ?? '' })).to.deep.equal([made[1]])
      await refused(retirable({ RetiringPrincipal: anne, Marker: first.NextMarker ?? '' }), 'InvalidMarkerException')
    })

    it('wants exactly one principal', async () => {
      await refused(retirable({}), 'ValidationException')
      await refused(retirable({ RetiringPrincipal: bob, RetiringServicePrincipal: 'a.example.com' }), 'ValidationException')
      await refused(retirable({ RetiringPrincipal: 'bob' }), 'InvalidArnException')
    })
  })

  describe('RetireGrant', () => {
    it('ends the grant that a token names', async () => {
      const [kept, gone] = [await grant(), await grant()]
      await call(on.services, api.retireGrant, { GrantToken: gone.GrantToken })
      expect(await left()).to.deep.equal([kept.GrantId])
    })

    it('ends a grant by id, of a key by id or ARN', async () => {
      for (const ref of [KeyId, key.key.arn]) {
        await call(on.services, api.retireGrant, { KeyId: ref, GrantId: (await grant()).GrantId })
      }
      expect(await left()).to.deep.equal([])
    })

    it('is recorded with the key and the grant, and without the token', async () => {
      const { GrantId, GrantToken } = await grant()
      await call(on.services, api.retireGrant, { GrantToken })
      expect(lastEvent()).to.deep.include({
        eventName: 'RetireGrant', requestParameters: null,
        resources: [{ ARN: key.key.arn, type: 'AWS::KMS::Key', accountId }],
      })
      expect(lastEvent()?.additionalEventData).to.deep.include({ grantId: GrantId })
      expect(JSON.stringify(on.audit.events)).to.not.contain(GrantToken)
    })

    it('wants either a token, or key and grant', async () => {
      const { GrantId, GrantToken } = await grant()
      for (const input of [{}, { KeyId }, { GrantId }, { GrantToken, GrantId }, { GrantToken, KeyId }, { GrantToken, KeyId, GrantId }]) {
        await refused(call(on.services, api.retireGrant, input), 'ValidationException')
      }
    })

    it('refuses what names no grant', async () => {
      const { GrantId, GrantToken } = await grant()
      await refused(call(on.services, api.retireGrant, { KeyId, GrantId: 'x' }), 'InvalidGrantIdException')
      await refused(call(on.services, api.retireGrant, { KeyId, GrantId: unknownId }), 'NotFoundException')
      await refused(call(on.services, api.retireGrant, { GrantToken: 'x' }), 'InvalidGrantTokenException')
      await refused(call(on.services, api.retireGrant, { GrantToken: `${GrantToken.slice(0, -4)}AAA=` }), 'InvalidGrantTokenException')
      await call(on.services, api.retireGrant, { KeyId, GrantId })
      await refused(call(on.services, api.retireGrant, { GrantToken }), 'NotFoundException')
      await refused(call(on.services, api.retireGrant, { KeyId: (await newKey(on.services)).key.keyId, GrantId }), 'NotFoundException')
    })

    it('refuses the token of a grant in another region', async () => {
      const GrantToken = await on.services.grantTokens.tokenOf({ region: 'us-east-1', keyId: KeyId, grantId: (await grant()).GrantId })
      await refused(call(on.services, api.retireGrant, { GrantToken }), 'NotFoundException')
      expect(await left()).to.have.length(1)
    })

    it('with DryRun ends none, and says so of one that is not there', async () => {
      const { GrantId } = await grant()
      await refused(call(on.services, api.retireGrant, { KeyId, GrantId, DryRun: true }), 'DryRunOperationException')
      await refused(call(on.services, api.retireGrant, { KeyId, GrantId: unknownId, DryRun: true }), 'NotFoundException')
      expect(await left()).to.deep.equal([GrantId])
    })

    it('works on a key whose deletion is pending, and only for who may', async () => {
      const { GrantId } = await grant()
      await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      await refused(call(on.services, api.retireGrant, { KeyId, GrantId }, nobody), 'AccessDeniedException')
      await call(on.services, api.retireGrant, { KeyId, GrantId })
    })
  })

  describe('RevokeGrant', () => {
    it('ends a grant', async () => {
      const { GrantId } = await grant()
      await call(on.services, api.revokeGrant, { KeyId, GrantId })
      expect(await left()).to.deep.equal([])
      await refused(call(on.services, api.revokeGrant, { KeyId, GrantId }), 'NotFoundException')
    })

    it('refuses what names no grant of this key', async () => {
      const { GrantId } = await grant()
      await refused(call(on.services, api.revokeGrant, { KeyId, GrantId: 'x' }), 'InvalidGrantIdException')
      await refused(call(on.services, api.revokeGrant, { KeyId: (await newKey(on.services)).key.keyId, GrantId }), 'NotFoundException')
      await refused(call(on.services, api.revokeGrant, { KeyId, GrantId }, nobody), 'AccessDeniedException')
    })

    it('with DryRun ends none, and says so of one that is not there', async () => {
      const { GrantId } = await grant()
      await refused(call(on.services, api.revokeGrant, { KeyId, GrantId, DryRun: true }), 'DryRunOperationException')
      await refused(call(on.services, api.revokeGrant, { KeyId, GrantId: unknownId, DryRun: true }), 'NotFoundException')
      expect(await left()).to.deep.equal([GrantId])
    })
  })

  describe('tokens that come with other calls', () => {
    it('are taken, also of a grant that has ended', async () => {
      const { GrantId, GrantToken } = await grant()
      await call(on.services, describeKey, { KeyId, GrantTokens: [GrantToken] })
      await call(on.services, api.revokeGrant, { KeyId, GrantId })
      await call(on.services, encrypt, { KeyId, Plaintext: Buffer.from('x'), GrantTokens: [GrantToken] })
      expect(JSON.stringify(on.audit.events)).to.not.contain(GrantToken)
    })

    it('are refused when they are none', async () => {
      const { GrantToken } = await grant()
      await refused(call(on.services, describeKey, { KeyId, GrantTokens: [GrantToken, 'x'] }), 'InvalidGrantTokenException')
      await refused(call(on.services, encrypt, { KeyId, Plaintext: Buffer.from('x'), GrantTokens: ['x'] }), 'InvalidGrantTokenException')
    })

    it('cost the HSM a call each, and none when there are none', async () => {
      const { GrantToken } = await grant()
      const calls: string[] = []
      const watched = on.newServices({ hsm: onEveryCall(on.hsm, method => void calls.push(method)) })
      await call(watched, describeKey, { KeyId })
      calls.length = 0
      await call(watched, describeKey, { KeyId })
      expect(calls).to.deep.equal([])
      await call(watched, describeKey, { KeyId, GrantTokens: [GrantToken, GrantToken] })
      expect(calls).to.deep.equal(['mac', 'mac'])
    })
  })
})
