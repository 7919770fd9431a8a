import { expect } from 'chai'
import type { Material } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import type { Ability } from './hsm.js'
import { lazily, newMaterial, testRoot } from './hsm-samples.js'

export function statusContract(hsm: () => Hsm, abilities: readonly Ability[]): void {
  const [sealing, mac] = [lazily(() => newMaterial(hsm())), testRoot('mac')]
  const material = (): Material => abilities.includes('seal') ? sealing() : mac
  afterEach(() => hsm().destroyMaterial(material()))

  it('counts the objects of the token: more when something is made, as before when it is destroyed', async () => {
    const before = await hsm().capacity()
    const made = await hsm().createMaterial(material())
    expect((await hsm().capacity()).used).to.equal(before.used + made.length)
    await hsm().destroyMaterial(material())
    expect((await hsm().capacity()).used).to.equal(before.used)
  })

  it('has room for what is in it', async () => {
    const { used, max } = await hsm().capacity()
    expect(used).to.be.at.least(0)
    if (max !== undefined) expect(max).to.be.at.least(used)
  })

  it('says how the store is doing, in plain values', async () => {
    await hsm().probe()
    const status = hsm().status()
    expect(JSON.parse(JSON.stringify(status))).to.deep.equal(status)
    expect(status).to.include({ suite: hsm().suite, circuit: 'closed' })
    expect(status.token).to.have.all.keys('label', 'serial', 'manufacturer', 'model')
    expect(status.profile).to.be.a('string')
    for (const { lane, calls, replaced } of status.lanes) for (const count of [lane, calls, replaced]) expect(count).to.be.at.least(0)
    for (const count of [...Object.values(status.calls), ...Object.values(status.latency)]) expect(count).to.be.at.least(0)
    expect(status.queue.length).to.be.at.most(status.queue.max)
    expect(status.calls.done).to.be.at.least(1)
  })
}
