import { expect } from 'chai'
import { relatedKeysMax } from '../../src/domain/multi-region.js'
import { IntegrityError } from '../../src/ports/keys.js'
import { InvocationBudget } from '../../src/service/invocation-budget.js'
import { keyId, region, sampleKey, sampleVersion } from '../contract/store-samples.js'
import { rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'

const version = sampleVersion(1, 1)
/** Of a cap of 1,000: a sixteenth of it. */
const reservationOf1000 = 62

describe('invocation budget', () => {
  const on = serviceSuite()

  beforeEach(() => on.store.keys.insert(sampleKey(1), [version]))

  const newBudget = (cap: number) => new InvocationBudget(on.store.keys, cap)
  const reserved = () => on.store.keys.sealsReserved(region, keyId(1), 1)

  /** How many of so many attempts at once were not refused. */
  async function takeAtOnce(budget: InvocationBudget, attempts: number): Promise<number> {
    const answers = await Promise.all(Array.from({ length: attempts }, () => budget.take(version)))
    return answers.filter(answer => answer !== 'spent').length
  }

  for (const cap of [1, 2, 15, 16, 17, 100, 1_000]) {
    it(`gives out exactly ${cap} of ${cap} to takers at once`, async () => {
      expect(await takeAtOnce(newBudget(cap), cap + 50)).to.equal(cap)
      expect(await reserved()).to.equal(cap)
    })
  }

  it('gives out exactly the cap to takers one after the other, and then nothing', async () => {
    const budget = newBudget(40)
    let taken = 0
    while (await budget.take(version) !== 'spent') taken++
    expect(taken).to.equal(40)
    expect(await budget.take(version)).to.equal('spent')
  })

  it('gives each relative of a multi-Region key its part of the cap', async () => {
    const name = { keyId: 'mrk-1234abcd12ab34cd56ef1234567890ab' }
    const related = sampleVersion(2, 1, name)
    await on.store.keys.insert(sampleKey(2, { ...name, multiRegion: { primaryRegion: region } }), [related])
    const budget = newBudget(relatedKeysMax * 10)
    let taken = 0
    while (await budget.take(related) !== 'spent') taken++
    expect(taken).to.equal(10)
  })

  it('never gives more than the cap to several processes together', async () => {
    const others = [await on.second(), await on.second()]
    const budgets = [newBudget(500), ...others.map(store => new InvocationBudget(store.keys, 500))]
    const taken = await Promise.all(budgets.map(budget => takeAtOnce(budget, 400)))
    expect(taken.reduce((sum, of) => sum + of, 0)).to.equal(500)
  })

  it('wastes at most one reservation at a restart', async () => {
    let taken = 0
    for (let restart = 0; restart < 5; restart++) taken += await takeAtOnce(newBudget(1_000), 10)
    expect(taken).to.equal(50)
    expect(await reserved()).to.be.at.most(5 * reservationOf1000)
    expect(await takeAtOnce(newBudget(1_000), 1_000)).to.equal(1_000 - 5 * reservationOf1000)
  })

  it('asks the store once for a whole reservation', async () => {
    const budget = newBudget(1_000)
    await takeAtOnce(budget, reservationOf1000)
    expect(await reserved()).to.equal(reservationOf1000)
    await budget.take(version)
    expect(await reserved()).to.equal(2 * reservationOf1000)
  })

  it('sets aside at most 65,536 at once', async () => {
    await newBudget(2 ** 32).take(version)
    expect(await reserved()).to.equal(65_536)
  })

  it('says that a version is nearly spent from seven eighths of the cap on', async () => {
    const budget = newBudget(1_000)
    const answers: string[] = []
    for (let at = 0; at < 1_000; at++) answers.push(await budget.take(version))
    const first = answers.indexOf('nearly-spent')
    expect(first).to.be.within(875 - reservationOf1000, 875)
    expect(answers.slice(0, first)).to.not.include('nearly-spent')
    expect(answers).to.not.include('spent')
  })

  it('keeps versions apart', async () => {
    await on.store.keys.update(sampleKey(1), [sampleVersion(1, 2)])
    const budget = newBudget(20)
    expect(await takeAtOnce(budget, 30)).to.equal(20)
    expect(await budget.take(sampleVersion(1, 2))).to.not.equal('spent')
  })

  it('cannot be had again by lowering and raising the cap', async () => {
    expect(await takeAtOnce(newBudget(100), 100)).to.equal(100)
    expect(await takeAtOnce(newBudget(50), 10)).to.equal(0)
    expect(await takeAtOnce(newBudget(110), 100)).to.equal(10)
  })

  it('gives nothing out when the store has lost the count', async () => {
    await rejected(newBudget(1_000).take(sampleVersion(1, 9)), IntegrityError)
  })
})
