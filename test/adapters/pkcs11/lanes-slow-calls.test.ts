import { expect } from 'chai'
import { slowAtOnceMax } from '../../../src/adapters/pkcs11/lanes/limits.js'
import type { Material } from '../../../src/domain/material.js'
import { testRoot } from '../../contract/hsm-samples.js'
import { until } from '../../support/lanes.js'
import { faultyLanes } from './faulty-lanes.js'

const pairMs = 300

describe('slow calls', () => {
  const on = faultyLanes()
  let pairs: readonly Material[]
  let done: string[]

  beforeEach(() => {
    pairs = Array.from({ length: 3 }, () => testRoot('audit'))
    done = []
  })

  const made = (pair: Material) => on.hsm.createMaterial(pair).then(() => { done.push('pair') }, () => { done.push('no pair') })

  it('leave lanes to the quick ones, which overtake them', async () => {
    await on.open({ count: 2 })
    on.token.control.set({ on: 'C_GenerateKeyPair', action: 'delay', ms: pairMs })
    const making = Promise.all(pairs.map(made))
    for (let call = 0; call < 20; call++) {
      await on.seal()
      done.push('seal')
    }
    await making
    expect(done.filter(what => what === 'pair')).to.have.length(3)
    expect(done.lastIndexOf('seal'), 'the last seal comes before the second pair').to.be.below(done.lastIndexOf('pair') - 1)
  })

  it('go on when one of them took its lane with it, and another lane has nothing to do', async () => {
    await on.open({ count: 2 })
    on.token.control.set({ on: 'C_GenerateKeyPair', action: 'kill', total: 1 })
    await Promise.all(pairs.map(made))
    expect(done.toSorted()).to.deep.equal(['no pair', 'pair', 'pair'])
  })

  it('have the only lane when there is one', async () => {
    await on.open({ count: 1 })
    await Promise.all(pairs.map(made))
    expect(done).to.deep.equal(['pair', 'pair', 'pair'])
  })

  it('have a queue of their own: they wait in vain, and quick ones still find room', async () => {
    await on.open({ count: 2, queueMax: 1 })
    on.token.control.set({ on: 'C_GenerateKeyPair', action: 'delay', ms: pairMs })
    const making = pairs.map(made)
    await until(() => done.length > 0, 'the third has found no room')
    expect(done).to.deep.equal(['no pair'])
    await Promise.all([on.seal(), on.seal()])
    await Promise.all(making)
    expect(done).to.deep.equal(['no pair', 'pair', 'pair'])
  })

  it('have half of the lanes, and never none', () => {
    expect([1, 2, 3, 4, 9].map(count => slowAtOnceMax({ count }))).to.deep.equal([1, 1, 1, 2, 4])
  })
})
