import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { expect } from 'chai'
import type { Material } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { newMaterial, refused, testRoot, withMaterials } from './hsm-samples.js'
import { sealContract, tamperingContract } from './hsm-seal.js'

/** What every HSM must do, whatever its vendor and host. `open` gives a token that others may use too; the suite closes it. */
export function hsmContract(name: string, open: () => Promise<Hsm>): void {
  describe(`HSM contract: ${name}`, () => {
    let hsm: Hsm
    before(async () => { hsm = await open() })
    after(() => hsm.close())

    describe('material', () => materialContract(() => hsm))
    describe('seal and open', () => sealContract(() => hsm))
    describe('a changed ciphertext', () => tamperingContract(() => hsm))
    describe('mac', () => macContract(() => hsm))
    describe('sign', () => signContract(() => hsm))
    describe('random', () => randomContract(() => hsm))

    it('answers a probe', () => hsm.probe())
  })
}

function materialContract(hsm: () => Hsm): void {
  const aes = newMaterial()
  const [mac, audit] = [testRoot('mac'), testRoot('audit')]
  afterEach(async () => {
    for (const material of [aes, mac, audit]) await hsm().destroyMaterial(material)
  })

  it('is sensitive, never extractable and made in the token, by its own evidence', async () => {
    for (const material of [aes, mac, audit]) {
      const [evidence] = await hsm().createMaterial(material)
      expect(evidence?.object).to.equal(material.name)
      expect(evidence?.attributes).to.include({ sensitive: true, extractable: false, token: true, private: true })
      expect(evidence?.attributes).to.include({ unwrap: false, derive: false })
    }
  })

  it('may be used for its one purpose only', async () => {
    const [sealing] = await hsm().createMaterial(aes)
    expect(sealing?.attributes).to.include({ encrypt: true, decrypt: true, sign: false, verify: false })
    const [macing] = await hsm().createMaterial(mac)
    expect(macing?.attributes).to.include({ encrypt: false, decrypt: false, sign: true, verify: true })
    const [signing] = await hsm().createMaterial(audit)
    expect(signing?.attributes).to.include({ decrypt: false, sign: true })
  })

  it('is found again with the same evidence', async () => {
    for (const material of [aes, mac, audit]) {
      const made = await hsm().createMaterial(material)
      const found = await hsm().find(material)
      expect(found?.map(each => each.attributes)).to.deep.equal(made.map(each => each.attributes))
    }
  })

  it('is not found before it was made or after it was destroyed', async () => {
    expect(await hsm().find(aes)).to.equal(undefined)
    await hsm().createMaterial(aes)
    expect(await hsm().destroyMaterial(aes)).to.equal(1)
    expect(await hsm().find(aes)).to.equal(undefined)
  })

  it('is listed by its label and class', async () => {
    await hsm().createMaterial(aes)
    await hsm().createMaterial(audit)
    const listed = await hsm().list()
    const classesOf = (material: Material) => listed.filter(each => each.label === material.name).map(each => each.objectClass).sort()
    expect(classesOf(aes)).to.deep.equal(['secret'])
    expect(classesOf(audit)).to.deep.equal(['private', 'public'])
  })

  it('refuses a name that is taken, and leaves its owner as it was', async () => {
    await hsm().createMaterial(aes)
    const additionalData = randomBytes(32)
    const sealed = await hsm().seal(aes, randomBytes(32), additionalData)
    await refused(hsm().createMaterial(aes), 'exists')
    expect(await hsm().open(aes, sealed, additionalData)).to.have.length(32)
    expect(await hsm().destroyMaterial(aes)).to.equal(1)
  })

  it('says how many objects were destroyed: none, one, or the two of a pair', async () => {
    expect(await hsm().destroyMaterial(aes)).to.equal(0)
    await hsm().createMaterial(aes)
    expect(await hsm().destroyMaterial(aes)).to.equal(1)
    await hsm().createMaterial(audit)
    expect(await hsm().destroyMaterial(audit)).to.equal(2)
  })

  it('is missing for every use once it is gone', async () => {
    await hsm().createMaterial(aes)
    const additionalData = randomBytes(32)
    const sealed = await hsm().seal(aes, randomBytes(32), additionalData)
    await hsm().destroyMaterial(aes)
    await refused(hsm().seal(aes, randomBytes(32), additionalData), 'missing')
    await refused(hsm().open(aes, sealed, additionalData), 'missing')
    await refused(hsm().mac(mac, randomBytes(32)), 'missing')
    await refused(hsm().sign(audit, randomBytes(32)), 'missing')
    await refused(hsm().publicKey(audit), 'missing')
  })

  it('of the same name made again is another key', async () => {
    await hsm().createMaterial(aes)
    const additionalData = randomBytes(32)
    const sealed = await hsm().seal(aes, randomBytes(32), additionalData)
    await hsm().destroyMaterial(aes)
    await hsm().createMaterial(aes)
    await refused(hsm().open(aes, sealed, additionalData), 'ciphertext-invalid')
  })
}

function macContract(hsm: () => Hsm): void {
  const [key, other] = [testRoot('mac'), testRoot('mac')]
  withMaterials(hsm, key, other)

  it('has 32 bytes, always the same for the same data', async () => {
    for (const data of [Buffer.alloc(0), Buffer.alloc(1), randomBytes(64), randomBytes(40_000)]) {
      const tag = await hsm().mac(key, data)
      expect(tag).to.have.length(32)
      expect(Buffer.from(await hsm().mac(key, data)).equals(tag)).to.equal(true)
    }
  })

  it('differs for other data and another key', async () => {
    const tag = Buffer.from(await hsm().mac(key, Buffer.from('a')))
    expect(tag.equals(await hsm().mac(key, Buffer.from('b')))).to.equal(false)
    expect(tag.equals(await hsm().mac(other, Buffer.from('a')))).to.equal(false)
  })
}

function signContract(hsm: () => Hsm): void {
  const key = testRoot('audit')
  withMaterials(hsm, key)

  it('verifies in other software under the public key', async () => {
    const publicKey = createPublicKey({ key: Buffer.from(await hsm().publicKey(key)), format: 'der', type: 'spki' })
    expect(publicKey.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1')
    const data = randomBytes(100)
    const signature = await hsm().sign(key, createHash('sha256').update(data).digest())
    expect(signature).to.have.length(64)
    expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).to.equal(true)
    expect(verify('sha256', Buffer.from('x'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).to.equal(false)
  })

  it('refuses what is not a SHA-256 digest', async () => {
    await refused(hsm().sign(key, Buffer.alloc(31)), 'configuration')
    await refused(hsm().sign(key, Buffer.alloc(64)), 'configuration')
  })
}

function randomContract(hsm: () => Hsm): void {
  it('gives as many bytes as were asked for', async () => {
    for (const length of [0, 1, 12, 32, 1024, 4096, 10_000]) expect(await hsm().random(length)).to.have.length(length)
  })

  it('gives no byte out twice', async () => {
    const seen = new Set<string>()
    for (let call = 0; call < 1000; call++) seen.add(Buffer.from(await hsm().random(16)).toString('hex'))
    expect(seen.size).to.equal(1000)
  })

  it('gives bytes that nobody else changes', async () => {
    const bytes = await hsm().random(64)
    const before = Buffer.from(bytes)
    for (let call = 0; call < 200; call++) await hsm().random(64)
    expect(before.equals(bytes)).to.equal(true)
  })

  it('refuses a length over its limit, or none at all', async () => {
    for (const length of [-1, 1_000_000, NaN]) await refused(hsm().random(length), 'configuration')
  })
}
