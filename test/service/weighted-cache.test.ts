import { expect } from 'chai'
import { WeightedCache } from '../../src/service/weighted-cache.js'

describe('a cache with a limit to its weight', () => {
  it('keeps what there is room for, and lets go of what was not used for longest', () => {
    const cache = new WeightedCache<number>(10)
    for (const [name, weight] of [['a', 4], ['b', 3], ['c', 3]] as const) cache.set(name, weight, weight)
    expect(cache.get('a')).to.equal(4)
    cache.set('d', 3, 3)
    expect(['a', 'b', 'c', 'd'].map(name => cache.has(name))).to.deep.equal([true, false, true, true])
    expect(cache.weight).to.equal(10)
    cache.set('e', 7, 7)
    expect(['a', 'c', 'd', 'e'].map(name => cache.get(name))).to.deep.equal([undefined, undefined, 3, 7])
  })

  it('weighs what stands under a name once', () => {
    const cache = new WeightedCache<string>(10)
    for (const weight of [5, 9, 2]) cache.set('a', `of ${weight}`, weight)
    expect([cache.size, cache.weight, cache.get('a')]).to.deep.equal([1, 2, 'of 2'])
    cache.delete('a')
    cache.delete('a')
    expect([cache.size, cache.weight]).to.deep.equal([0, 0])
  })

  it('does not keep what is too heavy by itself, and nothing older under its name', () => {
    const cache = new WeightedCache<string>(10)
    cache.set('light', 'x', 1)
    cache.set('a', 'old', 1)
    cache.set('a', 'new', 11)
    expect([cache.get('a'), cache.get('light'), cache.weight]).to.deep.equal([undefined, 'x', 1])
  })

  it('is empty once it was cleared', () => {
    const cache = new WeightedCache<string>(10)
    cache.set('a', 'x', 10)
    cache.clear()
    cache.set('b', 'y', 10)
    expect([cache.has('a'), cache.get('b'), cache.weight]).to.deep.equal([false, 'y', 10])
  })

  it('remembers that there is nothing, too', () => {
    const cache = new WeightedCache<string | undefined>(10)
    cache.set('a', undefined, 1)
    expect([cache.has('a'), cache.get('a')]).to.deep.equal([true, undefined])
  })
})
