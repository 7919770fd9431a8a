import { expect } from 'chai'
import { placesOfUse } from '../../src/domain/grant-slots.js'
import { slotMax, type Grant } from '../../src/ports/grants.js'
import type { Store } from '../../src/ports/store.js'
import { userCaller } from '../support/callers.js'
import { slotsOfUse } from '../support/grant-slots.js'
import { keyId, region, rejected, sampleGrant } from './store-samples.js'

const user = (name: string) => `arn:aws:iam::111122223333:user/${name}`

export function grantsContract(store: () => Store): void {
  const put = async (...grants: readonly Grant[]) => { for (const grant of grants) await store().grants.insert(grant) }
  const ids = (grants: readonly Grant[]) => grants.map(({ grantId }) => parseInt(grantId, 16))

  const samples: readonly Grant[] = [
    sampleGrant(1, 1, { name: 'a/name', retiringPrincipal: user('b'), operations: ['Sign'] }),
    sampleGrant(1, 2, { constraints: { EncryptionContextEquals: { 'zero \0': '', 'pair 𝄞': '"', 'constructor': 'a' } } }),
    sampleGrant(1, 3, { constraints: { EncryptionContextSubset: {}, SourceArn: 'arn:aws:s3:::bucket' }, operations: [] }),
    sampleGrant(1, 4, { retiringServicePrincipal: 'a.amazonaws.com' }),
  ]
  for (const grant of samples) {
    it(`gives back every member of grant ${ids([grant]).join()}, and no other`, async () => {
      await put(grant)
      expect(await store().grants.get(region, keyId(1), grant.grantId)).to.deep.equal(grant)
    })
  }

  it('gives back a grant to a service', async () => {
    const { granteePrincipal, ...others } = sampleGrant(1, 1)
    const grant = { ...others, granteeServicePrincipal: `${granteePrincipal}.amazonaws.com` }
    await put(grant)
    expect(await store().grants.get(region, keyId(1), grant.grantId)).to.deep.equal(grant)
  })

  it('finds a grant by region, key and id together', async () => {
    const { grantId } = sampleGrant(1, 1)
    expect(await store().grants.get(region, keyId(1), grantId)).to.equal(undefined)
    await put(sampleGrant(1, 1))
    expect(await store().grants.get('us-east-1', keyId(1), grantId)).to.equal(undefined)
    expect(await store().grants.get(region, keyId(2), grantId)).to.equal(undefined)
    expect(await store().grants.get(region, keyId(1), sampleGrant(1, 2).grantId)).to.equal(undefined)
  })

  it('refuses a second grant of one id and keeps the first', async () => {
    await put(sampleGrant(1, 1))
    await rejected(put(sampleGrant(1, 1, { operations: ['Sign'] })))
    expect(await store().grants.list(region, keyId(1), {}, undefined, 9)).to.deep.equal([sampleGrant(1, 1)])
  })

  it('finds a twin: the same in everything but id and time', async () => {
    const others: Partial<Grant>[] = [
      { region: 'us-east-1' }, { keyId: keyId(2) }, { name: 'A' }, { granteePrincipal: 'arn:aws:iam::111122223333:root' },
      { retiringPrincipal: 'arn:aws:iam::111122223333:root' }, { retiringServicePrincipal: 'sqs.amazonaws.com' },
      { issuingAccount: 'arn:aws:iam::444455556666:root' }, { operations: ['Sign'] },
      { constraints: { EncryptionContextEquals: { a: '1' } } },
    ]
    await put(sampleGrant(1, 20), ...others.map((other, at) => sampleGrant(1, 21 + at, { name: 'a', ...other })))
    const asked = sampleGrant(1, 1, { name: 'a' })
    expect(await store().grants.twin(asked)).to.equal(undefined)
    await put(sampleGrant(1, 3, { name: 'a', createdAt: 7 }), sampleGrant(1, 4, { name: 'a' }))
    expect(await store().grants.twin(asked)).to.deep.equal(sampleGrant(1, 3, { name: 'a', createdAt: 7 }))
    for (const other of others) expect(await store().grants.twin({ ...asked, ...other })).to.deep.include(other)
  })

  it('tells which holders have any on a key, and takes none for another', async () => {
    const { granteePrincipal } = sampleGrant(1, 1)
    const { holders } = placesOfUse({ caller: userCaller('grantee'), operation: 'Decrypt', context: {}, sourceArn: undefined })
    const holding = async (at: string, key: number, ...asked: readonly string[]) => [...await store().grants.holding(at, keyId(key), asked)]
    const own = `${granteePrincipal} Decrypt`
    expect(await holding(region, 1, own)).to.deep.equal([])
    await put(sampleGrant(1, 1), sampleGrant(1, 2, { operations: ['Sign', 'RetireGrant'], granteePrincipal: user('other') }))
    expect(holders).to.include(own)
    expect(await holding(region, 1, ...holders)).to.deep.equal([own])
    expect(await holding(region, 1, own, `${user('other')} Sign`, `${user('other')} RetireGrant`))
      .to.have.members([own, `${user('other')} Sign`])
    for (const alike of [own.slice(0, -1), own.slice(1), `${own} `, `${own}!`, own.toLowerCase(), '%', '_', '']) {
      expect(await holding(region, 1, alike), alike).to.deep.equal([])
    }
    expect(await holding(region, 2, own)).to.deep.equal([])
    expect(await holding('us-east-1', 1, own)).to.deep.equal([])
    expect(await holding(region, 1)).to.deep.equal([])
    await store().grants.remove(region, keyId(1), sampleGrant(1, 1).grantId)
    expect(await holding(region, 1, own)).to.deep.equal([])
  })

  describe('in slots', () => {
    const context = (pairs: Readonly<Record<string, string>>) => ({ constraints: { EncryptionContextSubset: pairs } })
    const anne = userCaller('grantee')
    const found = async (key: number, operation: string, pairs: Readonly<Record<string, string>> = {}) => {
      const slots = slotsOfUse({ caller: anne, operation, context: pairs, sourceArn: undefined })
      return ids((await store().grants.inSlots(region, keyId(key), slots)).flat())
    }

    it('are found by what a call brings, and no more when they are gone', async () => {
      await put(sampleGrant(1, 1), sampleGrant(1, 2, context({ a: '1' })), sampleGrant(1, 3, { operations: ['Sign'] }), sampleGrant(2, 4))
      expect(await found(1, 'Decrypt')).to.deep.equal([1])
      expect(await found(1, 'Decrypt', { a: '1', b: '2' })).to.deep.equal([1, 2])
      expect(await found(1, 'Decrypt', { a: '2' })).to.deep.equal([1])
      expect(await found(1, 'Sign')).to.deep.equal([3])
      expect(await found(2, 'Decrypt')).to.deep.equal([4])
      await store().grants.remove(region, keyId(1), sampleGrant(1, 1).grantId)
      expect(await found(1, 'Decrypt', { a: '1' })).to.deep.equal([2])
      await store().grants.removeAllOf(region, keyId(1))
      expect(await found(1, 'Decrypt', { a: '1' })).to.deep.equal([])
      expect(await found(2, 'Decrypt')).to.deep.equal([4])
    })

    it('that are exact give one grant, however many there are', async () => {
      await put(...[3, 1, 2].map(number => sampleGrant(1, number)))
      expect(await found(1, 'Decrypt')).to.deep.equal([1])
    })

    it('of a subset are those of the pair that the fewest others have', async () => {
      for (let number = 1; number <= 5; number++) await put(sampleGrant(1, number, context({ all: 'same', each: `${number}` })))
      expect(await found(1, 'Decrypt', { each: '4' })).to.deep.equal([4])
      // The first had nothing to choose by.
      expect(await found(1, 'Decrypt', { all: 'same' })).to.have.length.at.most(1)
    })

    it(`take ${slotMax} grants that must all be looked at, and not one more`, async () => {
      for (let number = 1; number <= slotMax; number++) {
        expect(await store().grants.insert(sampleGrant(1, number, context({ a: '1' })))).to.equal(true)
      }
      expect(await store().grants.insert(sampleGrant(1, slotMax + 1, context({ a: '1' })))).to.equal(false)
      expect(await store().grants.count(region, keyId(1))).to.equal(slotMax)
      expect(await store().grants.insert(sampleGrant(1, slotMax + 1, context({ a: '2' })))).to.equal(true)
      expect(await found(1, 'Decrypt', { a: '1' })).to.have.length(slotMax)
    })
  })

  it('removes one grant, and says when there is none', async () => {
    await put(sampleGrant(1, 1), sampleGrant(1, 2), sampleGrant(2, 1))
    expect(await store().grants.remove('us-east-1', keyId(1), sampleGrant(1, 1).grantId)).to.equal(false)
    expect(await store().grants.remove(region, keyId(1), sampleGrant(1, 1).grantId)).to.equal(true)
    expect(await store().grants.remove(region, keyId(1), sampleGrant(1, 1).grantId)).to.equal(false)
    expect(ids(await store().grants.list(region, keyId(1), {}, undefined, 9))).to.deep.equal([2])
    expect(await store().grants.count(region, keyId(2))).to.equal(1)
  })

  it('counts and removes all of one key in one region', async () => {
    await put(sampleGrant(1, 1), sampleGrant(1, 2), sampleGrant(2, 3), sampleGrant(1, 4, { region: 'us-east-1' }))
    expect(await store().grants.count(region, keyId(1))).to.equal(2)
    await store().grants.removeAllOf(region, keyId(1))
    expect(await store().grants.count(region, keyId(1))).to.equal(0)
    expect(await store().grants.count(region, keyId(2))).to.equal(1)
    expect(await store().grants.count('us-east-1', keyId(1))).to.equal(1)
  })

  it('pages in ascending order, whatever the order of writing', async () => {
    await put(...[5, 3, 1, 4, 2].map(grant => sampleGrant(1, grant)), sampleGrant(2, 6), sampleGrant(1, 7, { region: 'us-east-1' }))
    const page = async (after: number | undefined) =>
      ids(await store().grants.list(region, keyId(1), {}, after === undefined ? after : sampleGrant(1, after).grantId, 2))
    expect(await page(undefined)).to.deep.equal([1, 2])
    expect(await page(2)).to.deep.equal([3, 4])
    expect(await page(4)).to.deep.equal([5])
    expect(await page(5)).to.deep.equal([])
  })

  it('lists those that every given member of the filter fits, page by page', async () => {
    const [a, b] = [user('a'), user('b')]
    const { granteePrincipal, ...toService } = sampleGrant(1, 5, { granteeServicePrincipal: 'a.amazonaws.com' })
    await put(...[a, b, a, a].map((grantee, at) => sampleGrant(1, at + 1, { granteePrincipal: grantee })), toService)
    const list = async (...of: readonly [Parameters<Store['grants']['list']>[2], string | undefined, number]) =>
      ids(await store().grants.list(region, keyId(1), ...of))
    expect(await list({ granteePrincipal: a }, undefined, 2)).to.deep.equal([1, 3])
    expect(await list({ granteePrincipal: a }, sampleGrant(1, 3).grantId, 2)).to.deep.equal([4])
    expect(await list({ grantId: sampleGrant(1, 2).grantId }, undefined, 9)).to.deep.equal([2])
    expect(await list({ grantId: sampleGrant(1, 2).grantId, granteePrincipal: a }, undefined, 9)).to.deep.equal([])
    expect(await list({ granteeServicePrincipal: 'a.amazonaws.com' }, undefined, 9)).to.deep.equal([5])
    expect(await list({ granteePrincipal: `${granteePrincipal}x` }, undefined, 9)).to.deep.equal([])
    expect(await list({ granteePrincipal: '' }, undefined, 9)).to.deep.equal([])
  })

  it('lists what a principal or a service may retire, over all keys of a region', async () => {
    const byUser = { retiringPrincipal: user('a') }
    const byService = { retiringServicePrincipal: 'a.amazonaws.com' }
    await put(sampleGrant(2, 4, byUser), sampleGrant(1, 1, byUser), sampleGrant(3, 3, byUser), sampleGrant(1, 2, byService))
    await put(sampleGrant(1, 5), sampleGrant(1, 6, { ...byUser, region: 'us-east-1' }), sampleGrant(1, 7, { retiringPrincipal: user('b') }))
    const list = async (...of: readonly [Parameters<Store['grants']['listRetirable']>[1], string | undefined, number]) =>
      ids(await store().grants.listRetirable(region, ...of))
    expect(await list({ principal: user('a') }, undefined, 2)).to.deep.equal([1, 3])
    expect(await list({ principal: user('a') }, sampleGrant(1, 3).grantId, 2)).to.deep.equal([4])
    expect(await list({ servicePrincipal: 'a.amazonaws.com' }, undefined, 9)).to.deep.equal([2])
    expect(await list({ principal: user('a'), servicePrincipal: 'a.amazonaws.com' }, undefined, 9)).to.deep.equal([])
    expect(await list({}, undefined, 9), 'nobody').to.deep.equal([])
  })
}
