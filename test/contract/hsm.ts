import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { expect } from 'chai'
import { newKeyId } from '../../src/domain/key-id.js'
import { backingKey } from '../../src/domain/material.js'
import { materialContract } from './hsm-material.js'
import { pairsContract } from './hsm-pairs.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { testRoot, refused, withMaterials } from './hsm-samples.js'
import { sealContract, tamperingContract } from './hsm-seal.js'
import { statusContract } from './hsm-status.js'

export type Ability = 'seal' | 'mac' | 'sign'

export interface ContractOptions {
  /** What the token has mechanisms for; all of it, if not given. */
  readonly abilities?: readonly Ability[]
  /** false where AES-GCM seals nothing but at least one byte. */
  readonly emptyPlaintext?: boolean
  /** Sizes of RSA keys to make: a token is slow at it. */
  readonly rsaBits?: readonly (2048 | 3072 | 4096)[]
}

/** What every HSM must do, whatever its vendor, host and suite. `open` gives a token that others may use too; the suite closes it. */
export function hsmContract(name: string, open: () => Promise<Hsm>, options: ContractOptions = {}): void {
  const { abilities = ['seal', 'mac', 'sign'], emptyPlaintext = true, rsaBits = [2048] } = options
  const about = (ability: Ability, title: string, tests: () => void): void => {
    if (abilities.includes(ability)) describe(title, tests)
  }
  describe(`HSM contract: ${name}`, () => {
    let hsm: Hsm
    before(async () => { hsm = await open() })
    after(() => hsm.close())

    describe('material', () => materialContract(() => hsm, abilities))
    about('seal', 'seal and open', () => sealContract(() => hsm, emptyPlaintext))
    about('seal', 'a changed ciphertext', () => tamperingContract(() => hsm))
    about('mac', 'mac', () => macContract(() => hsm))
    about('sign', 'sign', () => signContract(() => hsm))
    describe('mac of every kind', () => macKindsContract(() => hsm))
    describe('key pairs', () => pairsContract(() => hsm, rsaBits))
    describe('random', () => randomContract(() => hsm))
    describe('capacity and status', () => statusContract(() => hsm, abilities))

    it('answers a probe', () => hsm.probe())
  })
}

function macContract(hsm: () => Hsm): void {
  const [key, other] = [testRoot('mac'), testRoot('mac')]
  withMaterials(hsm, () => key, () => other)

  it('has 32 bytes, always the same for the same data', async () => {
    for (const data of [Buffer.alloc(0), Buffer.alloc(1), randomBytes(64), randomBytes(16_000)]) {
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

function macKindsContract(hsm: () => Hsm): void {
  for (const [kind, bytes] of [['hmac-sha-224', 28], ['hmac-sha-256', 32], ['hmac-sha-384', 48], ['hmac-sha-512', 64]] as const) {
    it(`${kind} has ${bytes} bytes, of one key and one text`, async function () {
      if (!hsm().kinds.has(kind)) this.skip()
      const [key, other] = [backingKey(newKeyId(randomBytes(16)), 1, kind), backingKey(newKeyId(randomBytes(16)), 1, kind)]
      try {
        for (const material of [key, other]) await hsm().createMaterial(material)
        const tag = Buffer.from(await hsm().mac(key, Buffer.from('a')))
        expect(tag).to.have.length(bytes)
        expect(tag.equals(await hsm().mac(key, Buffer.from('a')))).to.equal(true)
        expect(tag.equals(await hsm().mac(key, Buffer.from('b')))).to.equal(false)
        expect(tag.equals(await hsm().mac(other, Buffer.from('a')))).to.equal(false)
      } finally {
        for (const material of [key, other]) await hsm().destroyMaterial(material)
      }
    })
  }
}

function signContract(hsm: () => Hsm): void {
  const key = testRoot('audit')
  withMaterials(hsm, () => key)

  it('verifies in other software under the public key', async () => {
    const publicKey = createPublicKey({ key: Buffer.from(await hsm().publicKey(key)), format: 'der', type: 'spki' })
    expect(publicKey.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1')
    const data = randomBytes(100)
    const signature = await hsm().sign(key, 'ECDSA_SHA_256', createHash('sha256').update(data).digest())
    expect(signature).to.have.length(64)
    expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).to.equal(true)
    expect(verify('sha256', Buffer.from('x'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).to.equal(false)
  })

  it('refuses what is not a SHA-256 digest', async () => {
    await refused(hsm().sign(key, 'ECDSA_SHA_256', Buffer.alloc(31)), 'configuration')
    await refused(hsm().sign(key, 'ECDSA_SHA_256', Buffer.alloc(64)), 'configuration')
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
