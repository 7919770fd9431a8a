import { expect } from 'chai'
import { Turns } from '../../src/service/turns.js'
import { rejected } from '../support/refusal.js'

describe('turns', () => {
  const turn = () => new Promise(resolve => setImmediate(resolve))

  it('come one after the other in the order in which they were asked for', async () => {
    const turns = new Turns()
    const steps: string[] = []
    await Promise.all(['a', 'b', 'c'].map(name => turns.take('same', async () => {
      steps.push(`${name} begins`)
      await turn()
      steps.push(`${name} ends`)
    })))
    expect(steps).to.deep.equal(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  })

  it('of other names do not wait for each other', async () => {
    const turns = new Turns()
    let end = () => {}
    const first = turns.take('one', () => new Promise<void>(resolve => { end = resolve }))
    expect(await turns.take('two', async () => 'done')).to.equal('done')
    end()
    await first
  })

  it('go on after one that failed, which tells only who took it', async () => {
    const turns = new Turns()
    const failing = rejected(turns.take('same', () => Promise.reject(new RangeError('broken'))), RangeError)
    expect(await turns.take('same', async () => 'next')).to.equal('next')
    await failing
  })
})
