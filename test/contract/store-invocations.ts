import { expect } from 'chai'
import type { Store } from '../../src/ports/store.js'
import { sampleInvocation as sample } from './store-samples.js'

export function invocationsContract(store: () => Store): void {
  const get = (number: number, caller = sample(number).caller) => store().invocations.get(caller, sample(number).invocationId)

  it('gives back what was put, to the same caller and id', async () => {
    expect(await get(1)).to.equal(undefined)
    await store().invocations.put(sample(1))
    expect(await get(1)).to.deep.equal(sample(1))
    expect(await get(2)).to.equal(undefined)
    expect(await get(1, `${sample(1).caller}s`)).to.equal(undefined)
  })

  for (const outcome of ['', '{"a": 1}', 'zero \0 byte', 'unpaired \ud800 surrogate']) {
    it(`gives back the outcome ${JSON.stringify(outcome)}`, async () => {
      await store().invocations.put(sample(1, { outcome }))
      expect(await get(1)).to.deep.equal(sample(1, { outcome }))
    })
  }

  it('writes over an older one', async () => {
    const later = { ...sample(2), invocationId: sample(1).invocationId, operation: 'CreateGrant' }
    for (const invocation of [sample(1), later]) await store().invocations.put(invocation)
    expect(await get(1)).to.deep.equal(later)
  })

  it('removes those made before a time, and counts them', async () => {
    for (const number of [3, 1, 2]) await store().invocations.put(sample(number))
    expect(await store().invocations.removeBefore(sample(3).madeAt)).to.equal(2)
    expect(await store().invocations.removeBefore(sample(3).madeAt)).to.equal(0)
    expect(await get(2)).to.equal(undefined)
    expect(await get(3)).to.deep.equal(sample(3))
  })
}
