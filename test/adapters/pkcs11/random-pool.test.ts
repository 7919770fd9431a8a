import { randomBytes, randomFillSync } from 'node:crypto'
import { expect } from 'chai'
import { RandomPool } from '../../../src/adapters/pkcs11/driver/random-pool.js'
import { HsmError } from '../../../src/ports/hsm.js'

describe('RandomPool', () => {
  function counting(chunkBytes: number) {
    let next = 0
    const held: Buffer[] = []
    const pool = new RandomPool(chunkBytes, target => {
      held.push(target)
      for (let at = 0; at < target.length; at++) target[at] = ++next
    })
    const take = (length: number) => { const out = Buffer.alloc(length); pool.fill(out); return [...out] }
    return { pool, take, held, fetched: () => next }
  }

  it('hands out every byte once, in order, across chunks', () => {
    const { take } = counting(8)
    expect([...take(3), ...take(0), ...take(10), ...take(7)]).to.deep.equal(Array.from({ length: 20 }, (_, at) => at + 1))
  })

  it('overwrites what it handed out', () => {
    const { take, held } = counting(8)
    take(5)
    expect([...held[0] as Buffer]).to.deep.equal([0, 0, 0, 0, 0, 6, 7, 8])
  })

  it('fetches no more than it needs', () => {
    const { take, fetched } = counting(8)
    take(8)
    expect(fetched()).to.equal(8)
    take(1)
    expect(fetched()).to.equal(16)
  })

  it('overwrites the rest when it is cleared, and fetches again', () => {
    const { pool, take, held } = counting(8)
    take(1)
    pool.clear()
    expect([...held[0] as Buffer]).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0])
    expect(take(1)).to.deep.equal([9])
  })

  it('hands out nothing of a chunk that could not be fetched', () => {
    let fail = true
    const pool = new RandomPool(4, target => {
      target.fill(7)
      if (fail) throw new Error('no bytes')
    })
    expect(() => pool.fill(Buffer.alloc(1))).to.throw('no bytes')
    fail = false
    const out = Buffer.alloc(4)
    pool.fill(out)
    expect([...out]).to.deep.equal([7, 7, 7, 7])
  })
})

describe('RandomPool and a generator that does not work', () => {
  const chunkBytes = 64
  const takes = (fetch: (target: Buffer) => void) => {
    const pool = new RandomPool(chunkBytes, fetch)
    return () => pool.fill(Buffer.alloc(chunkBytes))
  }

  it('hands out nothing that was not written, all or in part', () => {
    expect(takes(() => undefined)).to.throw(HsmError, 'random bytes')
    expect(takes(target => { randomFillSync(target, 0, chunkBytes - 16) })).to.throw(HsmError, 'random bytes')
    const [first, later] = [randomBytes(chunkBytes), Buffer.alloc(0)]
    const answers = [first, later]
    const take = takes(target => { answers.shift()?.copy(target) })
    take()
    expect(take).to.throw(HsmError, 'random bytes')
  })

  it('hands out nothing twice', () => {
    const same = randomBytes(chunkBytes)
    const take = takes(target => { same.copy(target) })
    take()
    expect(take).to.throw(HsmError, 'random bytes')
    randomFillSync(same)
    take()
  })
})
