import { expect } from 'chai'
import { TokenBuckets } from '../../../src/service/throttle/token-buckets.js'

describe('token buckets', () => {
  const rate = { perSecond: 2, burst: 3 }
  const taken = (buckets: TokenBuckets, name: string, now: number, times: number) =>
    Array.from({ length: times }, () => buckets.take(name, rate, now)).filter(Boolean).length

  it('are full at first, and hold no more than a burst', () => {
    const buckets = new TokenBuckets(10)
    expect(taken(buckets, 'a', 0, 10)).to.equal(3)
    expect(taken(buckets, 'a', 3_600_000, 10)).to.equal(3)
  })

  it('fill at their rate, in parts of a token', () => {
    const buckets = new TokenBuckets(10)
    taken(buckets, 'a', 0, 3)
    expect(taken(buckets, 'a', 499, 10)).to.equal(0)
    expect(taken(buckets, 'a', 500, 10)).to.equal(1)
    // What is asked for in vain costs nothing.
    expect(taken(buckets, 'a', 1_500, 10)).to.equal(2)
  })

  it('have nothing to do with each other', () => {
    const buckets = new TokenBuckets(10)
    expect([taken(buckets, 'a', 0, 10), taken(buckets, 'b', 0, 10)]).to.deep.equal([3, 3])
  })

  it('give nothing away and take nothing when the clock is set back', () => {
    const buckets = new TokenBuckets(10)
    taken(buckets, 'a', 10_000, 2)
    expect(taken(buckets, 'a', 0, 10)).to.equal(1)
    expect(taken(buckets, 'a', 500, 10)).to.equal(1)
  })

  it('are so many, and the one that was used longest ago goes', () => {
    const buckets = new TokenBuckets(2)
    taken(buckets, 'a', 0, 3)
    taken(buckets, 'b', 0, 3)
    expect(taken(buckets, 'a', 0, 1)).to.equal(0)
    taken(buckets, 'c', 0, 1)
    expect(taken(buckets, 'a', 0, 1), 'a was used after b').to.equal(0)
    expect(taken(buckets, 'b', 0, 10), 'b was forgotten, and is full').to.equal(3)
  })
})
