import { expect } from 'chai'
import { HsmError } from '../../src/ports/hsm.js'
import type { RowAuthenticator } from '../../src/ports/row-authenticator.js'
import type { Store } from '../../src/ports/store.js'
import { softwareRowAuthenticator } from '../support/row-authenticator.js'
import { customKeyStoresContract } from './store-custom-key-stores.js'
import { grantsContract } from './store-grants.js'
import { identitiesContract } from './store-identities.js'
import { invocationsContract } from './store-invocations.js'
import { keyQueriesContract } from './store-key-queries.js'
import { keyUsagesContract } from './store-key-usages.js'
import { keysContract } from './store-keys.js'
import { accountId, keyId, region, rejected, sampleKey, sampleVersion } from './store-samples.js'
import { sealBudgetsContract } from './store-seal-budgets.js'

/** What every store must do. `open` gives an empty one, which the suite closes. */
export function storeContract(name: string, open: (authenticator: RowAuthenticator) => Promise<Store>): void {
  describe(`store contract: ${name}`, () => {
    let store: Store
    let failAfter: (calls: number) => void
    beforeEach(async () => {
      const authenticator = softwareRowAuthenticator()
      let calls = Infinity
      failAfter = number => { calls = number }
      store = await open({
        ...authenticator,
        async tag(data) {
          if (calls-- < 1) throw new HsmError('lost', 'the HSM is gone')
          return authenticator.tag(data)
        },
      })
    })
    afterEach(() => store.close())

    describe('keys', () => keysContract(() => store))
    describe('keys by state', () => keyQueriesContract(() => store))
    describe('seal budgets', () => sealBudgetsContract(() => store))
    describe('aliases', () => aliasesContract(() => store))
    describe('grants', () => grantsContract(() => store))
    describe('custom key stores', () => customKeyStoresContract(() => store))
    describe('key usages', () => keyUsagesContract(() => store))
    describe('invocations', () => invocationsContract(() => store))
    describe('identities', () => identitiesContract(() => store))
    describe('credentials', () => credentialsContract(() => store))
    describe('checkpoints', () => checkpointsContract(() => store))
    describe('leases', () => leasesContract(() => store))
    describe('instance', () => instanceContract(() => store))

    it('answers a probe, again and again', async () => {
      await store.probe()
      await store.probe()
    })

    it('writes nothing when a MAC cannot be made', async () => {
      await store.keys.insert(sampleKey(1), [sampleVersion(1, 1)])
      for (let call = 1; call <= 3; call++) {
        failAfter(call - 1)
        await rejected(store.keys.update({ ...sampleKey(1), currentVersion: 2 }, [sampleVersion(1, 2)]), HsmError)
        failAfter(call - 1)
        await rejected(store.keys.insert(sampleKey(2), [sampleVersion(2, 1)]), HsmError)
      }
      failAfter(Infinity)
      expect(await store.keys.get(region, keyId(1))).to.deep.equal({ key: sampleKey(1), versions: new Map([[1, sampleVersion(1, 1)]]) })
      expect(await store.keys.get(region, keyId(2))).to.equal(undefined)
    })

    it('keeps its generation over its own writes', async () => {
      const before = store.generation()
      await store.probe()
      expect(store.generation()).to.equal(before)
    })
  })
}

function aliasesContract(store: () => Store): void {
  const alias = (name: string, number = 1) =>
    ({ accountId, region, name: `alias/${name}`, targetKeyId: keyId(number), createdAt: 1, updatedAt: 2 })

  it('gives back what was inserted', async () => {
    expect(await store().aliases.get(accountId, region, 'alias/a')).to.equal(undefined)
    expect(await store().aliases.insert(alias('a'))).to.equal(true)
    expect(await store().aliases.get(accountId, region, 'alias/a')).to.deep.equal(alias('a'))
    expect(await store().aliases.get(accountId, 'us-east-1', 'alias/a')).to.equal(undefined)
  })

  it('keeps the first of two of one name', async () => {
    expect(await Promise.all([1, 2].map(number => store().aliases.insert(alias('a', number))))).to.have.members([true, false])
    expect(await store().aliases.insert(alias('a', 3))).to.equal(false)
    expect((await store().aliases.get(accountId, region, 'alias/a'))?.targetKeyId).to.not.equal(keyId(3))
  })

  it('updates and removes what is there, and says when nothing is', async () => {
    expect(await store().aliases.update(alias('a'), keyId(1))).to.equal(false)
    expect(await store().aliases.remove(accountId, region, 'alias/a', keyId(2))).to.equal(false)
    await store().aliases.insert(alias('a'))
    expect(await store().aliases.update({ ...alias('a', 2), updatedAt: 9 }, keyId(1))).to.equal(true)
    // It is of another key by now than of the one that these two know.
    expect(await store().aliases.update(alias('a', 3), keyId(1))).to.equal(false)
    expect(await store().aliases.remove(accountId, region, 'alias/a', keyId(1))).to.equal(false)
    expect(await store().aliases.get(accountId, region, 'alias/a')).to.deep.equal({ ...alias('a', 2), updatedAt: 9 })
    expect(await store().aliases.remove(accountId, region, 'alias/a', keyId(2))).to.equal(true)
    expect(await store().aliases.get(accountId, region, 'alias/a')).to.equal(undefined)
  })

  it('pages in ascending order, over all keys or one', async () => {
    for (const [name, number] of [['d', 1], ['b', 2], ['a', 1], ['c', 1]] as const) await store().aliases.insert(alias(name, number))
    const page = async (...of: [string | undefined, string | undefined, number]) =>
      (await store().aliases.list(accountId, region, ...of)).map(({ name }) => name)
    expect(await page(undefined, undefined, 3)).to.deep.equal(['alias/a', 'alias/b', 'alias/c'])
    expect(await page(undefined, 'alias/c', 3)).to.deep.equal(['alias/d'])
    expect(await page(keyId(1), 'alias/a', 1)).to.deep.equal(['alias/c'])
    expect(await store().aliases.list(accountId, 'us-east-1', undefined, undefined, 3)).to.deep.equal([])
  })

  it('tells those of one account from those of another', async () => {
    const theirs = { ...alias('a', 2), accountId: '444455556666' }
    for (const one of [alias('a'), theirs]) expect(await store().aliases.insert(one)).to.equal(true)
    expect(await store().aliases.get('444455556666', region, 'alias/a')).to.deep.equal(theirs)
    expect(await store().aliases.list(accountId, region, undefined, undefined, 9)).to.deep.equal([alias('a')])
    expect(await store().aliases.remove('444455556666', region, 'alias/a', keyId(2))).to.equal(true)
    expect(await store().aliases.get(accountId, region, 'alias/a')).to.deep.equal(alias('a'))
  })

  it('counts and removes all of one key', async () => {
    for (const [name, number] of [['a', 1], ['b', 1], ['c', 2]] as const) await store().aliases.insert(alias(name, number))
    expect(await store().aliases.count(region, keyId(1))).to.equal(2)
    await store().aliases.removeAllOf(region, keyId(1))
    expect(await store().aliases.count(region, keyId(1))).to.equal(0)
    expect(await store().aliases.list(accountId, region, undefined, undefined, 9)).to.deep.equal([alias('c', 2)])
  })
}

function credentialsContract(store: () => Store): void {
  const accessKey = {
    accessKeyId: 'AKIAEXAMPLE', principalArn: 'arn:aws:iam::111122223333:user/a', accountId: '111122223333',
    principalId: 'AIDAA', active: true, createdAt: 5,
    secret: { rootVersion: 1, iv: Uint8Array.of(1, 2), ciphertext: Uint8Array.of(0, 255) },
  }
  const other = { ...accessKey, accessKeyId: 'AKIAOTHER', principalArn: 'arn:aws:iam::111122223333:user/b' }
  const usage = { accessKeyId: 'AKIAEXAMPLE', usedAt: 7, region, service: 'kms' }

  it('gives back what was put, and what replaced it', async () => {
    expect(await store().credentials.get('AKIAEXAMPLE')).to.equal(undefined)
    await store().credentials.put(accessKey)
    expect(await store().credentials.get('AKIAEXAMPLE')).to.deep.equal(accessKey)
    await store().credentials.put({ ...accessKey, active: false })
    expect(await store().credentials.get('AKIAEXAMPLE')).to.deep.equal({ ...accessKey, active: false })
  })

  it('lists those of a user, and removes one', async () => {
    const { principalId: _, ...orphan } = { ...accessKey, accessKeyId: 'AKIA0' }
    for (const one of [accessKey, other, orphan]) await store().credentials.put(one)
    expect(await store().credentials.ofPrincipal(accessKey.principalArn)).to.deep.equal([orphan, accessKey])
    expect(await store().credentials.withoutPrincipal()).to.deep.equal([orphan])
    expect(await store().credentials.remove('AKIA0')).to.equal(true)
    expect(await store().credentials.remove('AKIA0')).to.equal(false)
    expect(await store().credentials.ofPrincipal(accessKey.principalArn)).to.deep.equal([accessKey])
  })

  it('keeps the last usage, also when an older one comes late, and forgets it with the access key', async () => {
    await store().credentials.put(accessKey)
    expect(await store().credentials.usage('AKIAEXAMPLE')).to.equal(undefined)
    await store().credentials.putUsages([usage, { ...usage, usedAt: 6, service: 'sts' }])
    expect(await store().credentials.usage('AKIAEXAMPLE')).to.deep.equal(usage)
    await store().credentials.remove('AKIAEXAMPLE')
    expect(await store().credentials.usage('AKIAEXAMPLE')).to.equal(undefined)
  })
}

function checkpointsContract(store: () => Store): void {
  const checkpoint = (chain: string, sequence: number) =>
    ({ chain, sequence, head: `${sequence}`, time: '2024-01-01T00:00:00Z', rootVersion: 1, signature: 's' })

  it('keeps the highest of every chain, also when an older one comes late', async () => {
    for (const [chain, sequence] of [['b', 1], ['a', 7], ['a', 9], ['a', 8]] as const) {
      await store().checkpoints.put(checkpoint(chain, sequence))
    }
    expect(await store().checkpoints.newest()).to.have.deep.members([checkpoint('a', 9), checkpoint('b', 1)])
  })
}

function leasesContract(store: () => Store): void {
  it('gives a free lease to one of those who ask at once', async () => {
    const claims = await Promise.all(['a', 'b', 'c'].map(owner => store().leases.acquire('rotation', owner, 0, 10)))
    expect(claims.filter(Boolean)).to.have.length(1)
  })

  it('keeps others out until its time has run out', async () => {
    expect(await store().leases.acquire('rotation', 'a', 0, 10)).to.equal(true)
    expect(await store().leases.acquire('rotation', 'b', 9, 20)).to.equal(false)
    expect(await store().leases.acquire('rotation', 'b', 10, 20)).to.equal(true)
    expect(await store().leases.acquire('rotation', 'a', 11, 30)).to.equal(false)
  })

  it('is renewed by its owner', async () => {
    await store().leases.acquire('rotation', 'a', 0, 10)
    expect(await store().leases.acquire('rotation', 'a', 5, 15)).to.equal(true)
    expect(await store().leases.acquire('rotation', 'b', 12, 20)).to.equal(false)
  })

  it('is released by its owner only', async () => {
    await store().leases.acquire('rotation', 'a', 0, 10)
    await store().leases.release('rotation', 'b')
    expect(await store().leases.acquire('rotation', 'b', 1, 10)).to.equal(false)
    await store().leases.release('rotation', 'a')
    expect(await store().leases.acquire('rotation', 'b', 1, 10)).to.equal(true)
  })

  it('keeps leases of different names apart', async () => {
    await store().leases.acquire('rotation', 'a', 0, 10)
    expect(await store().leases.acquire('deletion', 'b', 0, 10)).to.equal(true)
  })
}

function instanceContract(store: () => Store): void {
  const installation = { accountId: '111122223333', createdAt: 5, roots: { seal: 1, mac: 2, audit: 3 }, head: 7 }

  it('is absent before the first start, then what was put last', async () => {
    expect(await store().instance.get()).to.equal(undefined)
    await store().instance.put(installation)
    expect(await store().instance.get()).to.deep.equal(installation)
    await store().instance.put({ ...installation, roots: { seal: 2, mac: 2, audit: 3 } })
    expect((await store().instance.get())?.roots.seal).to.equal(2)
  })
}
