import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import type { Hsm, Sealed } from '../../src/ports/hsm.js'
import { lazily, newMaterial, refused, sealedBytes, testRoot, withMaterials } from './hsm-samples.js'

/** `emptyPlaintext`: whether the token's AES-GCM seals nothing at all. No client can ask for it. */
export function sealContract(hsm: () => Hsm, emptyPlaintext: boolean): void {
  const [key, other] = [lazily(() => newMaterial(hsm())), lazily(() => newMaterial(hsm()))]
  const additionalData = randomBytes(32)
  withMaterials(hsm, key, other)

  for (const length of [...emptyPlaintext ? [0] : [], 1, 15, 16, 17, 32, 4095, 4096]) {
    it(`gives back a plaintext of ${length} bytes`, async () => {
      const plaintext = randomBytes(length)
      const sealed = await hsm().seal(key(), plaintext, additionalData)
      expect(sealed.ciphertext).to.have.length(sealedBytes(hsm(), length))
      expect(Buffer.from(await hsm().open(key(), sealed, additionalData)).equals(plaintext)).to.equal(true)
    })
  }

  it('takes views into larger memory', async () => {
    const memory = new Uint8Array(randomBytes(96))
    const [plaintext, aad] = [memory.subarray(7, 40), memory.subarray(41, 73)]
    const { iv, ciphertext } = await hsm().seal(key(), plaintext, aad)
    const blob = new Uint8Array([9, ...iv, ...ciphertext, 9])
    const sealed = { iv: blob.subarray(1, 1 + iv.length), ciphertext: blob.subarray(1 + iv.length, -1) }
    expect(Buffer.from(await hsm().open(key(), sealed, aad)).equals(plaintext)).to.equal(true)
  })

  it('leaves the plaintext to its owner', async () => {
    const plaintext = randomBytes(64)
    const before = Buffer.from(plaintext)
    await hsm().seal(key(), plaintext, additionalData)
    expect(plaintext.equals(before)).to.equal(true)
  })

  it('does not give what it opened away twice', async () => {
    const sealed = await hsm().seal(key(), Buffer.alloc(64, 1), additionalData)
    const first = await hsm().open(key(), sealed, additionalData)
    first.fill(0)
    expect(Buffer.from(await hsm().open(key(), sealed, additionalData)).equals(Buffer.alloc(64, 1))).to.equal(true)
  })

  it('never seals with the same IV twice', async () => {
    const ivs = new Set<string>()
    for (let call = 0; call < 500; call++) {
      ivs.add(Buffer.from((await hsm().seal(key(), Buffer.alloc(8), additionalData)).iv).toString('hex'))
    }
    expect(ivs.size).to.equal(500)
  })

  it('does not open under another key', async () => {
    const sealed = await hsm().seal(key(), randomBytes(32), additionalData)
    await refused(hsm().open(other(), sealed, additionalData), 'ciphertext-invalid')
  })

  it('refuses a plaintext over its limit', async () => {
    await refused(hsm().seal(key(), Buffer.alloc(64 * 1024), additionalData), 'configuration')
  })

  it('refuses additional data of another length than 32', async () => {
    await refused(hsm().seal(key(), Buffer.alloc(8), Buffer.alloc(31)), 'configuration')
    await refused(hsm().seal(key(), Buffer.alloc(8), Buffer.alloc(0)), 'configuration')
  })

  it('refuses material of another kind', async () => {
    await refused(hsm().seal(testRoot('mac'), Buffer.alloc(8), additionalData), 'configuration')
    await refused(hsm().mac(key(), Buffer.alloc(8)), 'configuration')
    await refused(hsm().sign(key(), 'ECDSA_SHA_256', Buffer.alloc(32)), 'configuration')
  })
}

export function tamperingContract(hsm: () => Hsm): void {
  const key = lazily(() => newMaterial(hsm()))
  const additionalData = randomBytes(32)
  const plaintext = randomBytes(32)
  let sealed: Sealed
  withMaterials(hsm, key)
  before(async () => { sealed = await hsm().seal(key(), plaintext, additionalData) })

  afterEach('the next good one opens', async () => {
    expect(Buffer.from(await hsm().open(key(), sealed, additionalData)).equals(plaintext)).to.equal(true)
  })

  it('is refused for every byte of the IV', () =>
    eachByteChanged(sealed.iv, iv => refused(hsm().open(key(), { ...sealed, iv }, additionalData), 'ciphertext-invalid')))

  it('is refused for every byte of ciphertext and tag', () =>
    eachByteChanged(sealed.ciphertext, ciphertext =>
      refused(hsm().open(key(), { ...sealed, ciphertext }, additionalData), 'ciphertext-invalid')))

  it('is refused for every byte of the additional data', () =>
    eachByteChanged(additionalData, changed => refused(hsm().open(key(), sealed, changed), 'ciphertext-invalid')))

  it('is refused when cut anywhere or made longer', async () => {
    for (let length = 0; length < sealed.ciphertext.length; length++) {
      const ciphertext = sealed.ciphertext.subarray(0, length)
      await refused(hsm().open(key(), { ...sealed, ciphertext }, additionalData), 'ciphertext-invalid')
    }
    for (const extra of [1, 16, 4096, 100_000]) {
      const longer = Buffer.concat([sealed.ciphertext, Buffer.alloc(extra)])
      await refused(hsm().open(key(), { ...sealed, ciphertext: longer }, additionalData), 'ciphertext-invalid')
    }
  })

  it('is refused with an IV of another length', async () => {
    for (const length of [0, 1, 11, 12, 13, 15, 16, 17, 32]) {
      await refused(hsm().open(key(), { ...sealed, iv: Buffer.alloc(length) }, additionalData), 'ciphertext-invalid')
    }
  })
}

async function eachByteChanged(bytes: Uint8Array, use: (changed: Uint8Array) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
    await use(changed)
  }
}
