import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import { rootMaterial, type Material } from '../../../src/domain/material.js'
import { HsmError } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { expectRefused, openBench, silentLog, throwing, whileReplaced, type Bench, type BenchOptions } from './support.js'

describe('how many objects the token holds', () => {
  let bench: Bench
  const made: Material[] = []
  const pair = rootMaterial('audit', 999_999_996)

  afterEach(() => {
    for (const material of made.splice(0)) bench.driver.destroyMaterial(material)
    bench.driver.close()
  })

  async function open(options: BenchOptions = {}): Promise<number> {
    bench = await openBench(silentLog, true, { profile: softhsm, ...options })
    return bench.driver.capacity().used
  }

  /** With room for so many more. */
  async function openWithRoom(room: number, changes: Partial<typeof softhsm> = {}): Promise<number> {
    const used = await open({ profile: { ...softhsm, ...changes } })
    bench.driver.close()
    await open({ profile: { ...softhsm, ...changes, objectsMax: used + room } })
    return used
  }

  function create(material: Material = newMaterial()): Material {
    made.push(material)
    bench.driver.createMaterial(material)
    return material
  }

  it('is unknown where nobody says, and everything is counted', async () => {
    const used = await open()
    expect(bench.driver.capacity()).to.deep.equal({ used, max: undefined })
    create()
    create(newMaterial({ suite: 'cbc-hmac' }))
    create(pair)
    expect(bench.driver.capacity().used).to.equal(used + 1 + 2 + 2)
  })

  it('counts a pair as one where it is one', async () => {
    const used = await openWithRoom(1, { pairIsOneObject: true })
    create(pair)
    expect(bench.driver.capacity()).to.deep.equal({ used: used + 1, max: used + 1 })
  })

  it('is the lower of profile and configuration', async () => {
    await open({ profile: { ...softhsm, objectsMax: 500 } })
    expect(bench.driver.capacity().max).to.equal(500)
    for (const [objectsMax, max] of [[300, 300], [700, 500]] as const) {
      bench.driver.close()
      await open({ profile: { ...softhsm, objectsMax: 500 }, objectsMax })
      expect(bench.driver.capacity().max).to.equal(max)
    }
    bench.driver.close()
    await open({ objectsMax: 300 })
    expect(bench.driver.capacity().max).to.equal(300)
  })

  it('is kept: what has no room is refused before anything is made, with the numbers', async () => {
    const used = await openWithRoom(2)
    create()
    whileReplaced(bench.lib, 'C_GenerateKey', () => { throw new Error('made') }, () => {
      expect(() => bench.driver.createMaterial(newMaterial({ suite: 'cbc-hmac' })))
        .to.throw(HsmError, `${used + 1} of at most ${used + 2} objects`).with.property('kind', 'capacity')
    })
    whileReplaced(bench.lib, 'C_GenerateKeyPair', () => { throw new Error('made') }, () => {
      expectRefused(() => bench.driver.createMaterial(pair), 'capacity')
    })
    const last = create()
    expectRefused(() => bench.driver.createMaterial(newMaterial()), 'capacity')
    bench.driver.destroyMaterial(last)
    create()
  })

  it('is learnt from a token that says it is full, until something is destroyed', async () => {
    const used = await open()
    const first = create()
    whileReplaced(bench.lib, 'C_GenerateKey', throwing(pkcs11.CKR_DEVICE_MEMORY), () => {
      expect(() => bench.driver.createMaterial(newMaterial())).to.throw(HsmError, /audit log/).with.property('kind', 'capacity')
    })
    expect(bench.driver.capacity()).to.deep.equal({ used: used + 1, max: used + 1 })
    whileReplaced(bench.lib, 'C_GenerateKey', () => { throw new Error('made') }, () => {
      expectRefused(() => bench.driver.createMaterial(newMaterial()), 'capacity')
    })
    bench.driver.destroyMaterial(first)
    expect(bench.driver.capacity()).to.deep.equal({ used, max: undefined })
    create()
  })

  it('that was learnt is tried again after a while: the device may have said it for another reason', async () => {
    await open()
    whileReplaced(bench.lib, 'C_GenerateKey', throwing(pkcs11.CKR_DEVICE_MEMORY), () => {
      expectRefused(() => bench.driver.createMaterial(newMaterial()), 'capacity')
    })
    const now = performance.now()
    const real = performance.now.bind(performance)
    performance.now = () => real() + 4000
    try {
      expect(performance.now()).to.be.greaterThan(now + 3000)
      create()
    } finally {
      performance.now = real
    }
    expect(bench.driver.capacity().max).to.equal(undefined)
  })
})
