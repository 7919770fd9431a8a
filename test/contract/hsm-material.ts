import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import type { Material } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import type { Ability } from './hsm.js'
import { lazily, newMaterial, objectsOf, refused, testRoot } from './hsm-samples.js'

interface Usages { readonly encrypt?: boolean, readonly decrypt?: boolean, readonly sign: boolean, readonly verify?: boolean }

const enciphers: Usages = { encrypt: true, decrypt: true, sign: false, verify: false }
const authenticates: Usages = { encrypt: false, decrypt: false, sign: true, verify: true }
const signs: Usages = { decrypt: false, sign: true }

export function materialContract(hsm: () => Hsm, abilities: readonly Ability[]): void {
  const aes = lazily(() => newMaterial(hsm()))
  const [mac, audit] = [testRoot('mac'), testRoot('audit')]
  const able = <T>(ability: Ability, value: T): readonly T[] => abilities.includes(ability) ? [value] : []
  const all = (): readonly Material[] => [...able('seal', aes()), ...able('mac', mac), ...able('sign', audit)]
  afterEach(async () => {
    for (const material of all()) await hsm().destroyMaterial(material)
  })

  it('is sensitive, never extractable and never derived from, by its own evidence', async () => {
    for (const material of all()) {
      const evidence = await hsm().createMaterial(material)
      expect(evidence[0]?.object).to.equal(material.name)
      for (const { object, attributes } of evidence) {
        expect(object).to.be.oneOf([material.name, material.macName])
        expect(attributes).to.include({ token: true, derive: false })
        if (material !== audit || attributes.sensitive !== undefined) {
          expect(attributes).to.include({ private: true, sensitive: true, extractable: false, unwrap: false })
        }
      }
    }
  })

  it('may be used for its one purpose only', async () => {
    for (const material of all()) {
      const sealing = [enciphers, authenticates].slice(0, objectsOf(hsm()))
      const usages = material === mac ? [authenticates] : material === audit ? [signs] : sealing
      const evidence = await hsm().createMaterial(material)
      usages.forEach((usage, at) => expect(evidence[at]?.attributes).to.include(usage))
    }
  })

  it('is found again with the same evidence', async () => {
    for (const material of all()) {
      const made = await hsm().createMaterial(material)
      const found = await hsm().find(material)
      expect(found?.map(each => each.attributes)).to.deep.equal(made.map(each => each.attributes))
    }
  })

  it('is not found before it was made or after it was destroyed', async () => {
    for (const material of all()) {
      expect(await hsm().find(material)).to.equal(undefined)
      await hsm().createMaterial(material)
      expect(await hsm().destroyMaterial(material)).to.be.at.least(1)
      expect(await hsm().find(material)).to.equal(undefined)
    }
  })

  it('is listed by its labels and classes', async () => {
    for (const material of all()) await hsm().createMaterial(material)
    const listed = await hsm().list()
    const classesOf = (label: string | undefined): readonly string[] =>
      listed.filter(each => each.label === label).map(each => each.objectClass).sort()
    for (const material of all()) {
      expect(classesOf(material.name)).to.deep.equal(material === audit ? ['private', 'public'] : ['secret'])
      if (material.macName !== undefined) expect(classesOf(material.macName)).to.deep.equal(['secret'])
    }
  })

  it('refuses a name that is taken, and leaves its owner as it was', async () => {
    for (const material of all()) {
      const made = await hsm().createMaterial(material)
      await refused(hsm().createMaterial(material), 'exists')
      const found = await hsm().find(material)
      expect(found?.map(each => each.attributes)).to.deep.equal(made.map(each => each.attributes))
    }
  })

  it('says how many objects were destroyed: none, or all that it consists of', async () => {
    for (const material of all()) {
      expect(await hsm().destroyMaterial(material)).to.equal(0)
      const made = await hsm().createMaterial(material)
      expect(made).to.have.length(material === audit ? 2 : material === mac ? 1 : objectsOf(hsm()))
      expect(await hsm().destroyMaterial(material)).to.equal(made.length)
    }
  })

  if (!abilities.includes('seal')) return

  it('is missing for every use once it is gone', async () => {
    await hsm().createMaterial(aes())
    const additionalData = randomBytes(32)
    const sealed = await hsm().seal(aes(), randomBytes(32), additionalData)
    await hsm().destroyMaterial(aes())
    await refused(hsm().seal(aes(), randomBytes(32), additionalData), 'missing')
    await refused(hsm().open(aes(), sealed, additionalData), 'missing')
    await refused(hsm().mac(mac, randomBytes(32)), 'missing')
    await refused(hsm().sign(audit, 'ECDSA_SHA_256', randomBytes(32)), 'missing')
    await refused(hsm().publicKey(audit), 'missing')
  })

  it('of the same name made again is another key', async () => {
    await hsm().createMaterial(aes())
    const additionalData = randomBytes(32)
    const sealed = await hsm().seal(aes(), randomBytes(32), additionalData)
    await hsm().destroyMaterial(aes())
    await hsm().createMaterial(aes())
    await refused(hsm().open(aes(), sealed, additionalData), 'ciphertext-invalid')
  })
}
