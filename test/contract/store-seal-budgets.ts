import { expect } from 'chai'
import type { Store } from '../../src/ports/store.js'
import { keyId, region, rejected, sampleKey, sampleVersion } from './store-samples.js'

const cap = 1_000

export function sealBudgetsContract(store: () => Store): void {
  const reserve = (count: number, limit = cap) => store().keys.reserveSeals(region, keyId(1), 1, count, limit)
  beforeEach(() => store().keys.insert(sampleKey(1), [sampleVersion(1, 1)]))

  it('starts at zero and grows by what was handed out', async () => {
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(0)
    expect(await reserve(300)).to.equal(300)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(300)
  })

  it('hands out what is left, then nothing', async () => {
    expect(await reserve(700)).to.equal(700)
    expect(await reserve(700)).to.equal(300)
    expect(await reserve(1)).to.equal(0)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(cap)
  })

  it('counts up to the 2^32 calls of SP 800-38D section 8.3', async () => {
    expect(await reserve(2 ** 32, 2 ** 32)).to.equal(2 ** 32)
    expect(await reserve(1, 2 ** 32)).to.equal(0)
  })

  it('hands out nothing, and takes nothing back, when the cap was lowered', async () => {
    await reserve(700)
    expect(await reserve(1, 500)).to.equal(0)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(700)
  })

  for (const count of [0, -1, 0.5, NaN]) {
    it(`refuses to reserve ${count} seals`, () => rejected(reserve(count), RangeError))
  }

  it('never exceeds the cap, however many reserve at once', async () => {
    const granted = await Promise.all(Array.from({ length: 50 }, () => reserve(30)))
    expect(granted.reduce((sum, count) => sum + count, 0)).to.equal(cap)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(cap)
  })

  it('is not disturbed by changes of the key', async () => {
    await Promise.all([reserve(10), store().keys.update(sampleKey(1), [sampleVersion(1, 1, { state: 'destroying' })]), reserve(20)])
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(30)
  })
}
