import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import { template } from '../../../src/adapters/pkcs11/driver/attributes.js'
import type { Suite } from '../../../src/domain/material.js'
import { openSlackBytes, type FreshSeal } from '../../../src/adapters/pkcs11/driver/sealing/sealing.js'
import { sealings } from '../../../src/adapters/pkcs11/driver/sealing/sealings.js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import type { FaultToken } from '../../support/fault-module/token.js'
import { faultTokenHere, sealingProfile } from './fault-bench.js'
import { expectRefused, openBench, recordingLog, silentLog, whileReplaced, type Bench } from './support.js'

const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')
const cbcHmac = sealingProfile({ mode: 'cbc-hmac' })

interface Vector {
  readonly suite: Suite
  readonly additionalData: string
  readonly iv: string
  readonly ciphertext: string
  readonly backingKey?: string
  readonly macKey?: string
  readonly plaintext?: string
}

/** Sealings on session keys whose values the test knows. Ends with the bench. */
class KnownKeys {
  readonly #bench: Bench
  readonly #profile: Profile

  constructor(bench: Bench, profile: Profile) {
    this.#bench = bench
    this.#profile = profile
  }

  seal(suite: Suite, keys: readonly Buffer[], data: Buffer): FreshSeal {
    return this.#sealing(suite).encrypt(this.#session, this.#objects(keys), data, additionalData)
  }

  open(suite: Suite, keys: readonly Buffer[], sealed: FreshSeal, aad = additionalData): Buffer | undefined {
    const out = Buffer.alloc(sealed.ciphertext.length + openSlackBytes)
    return this.#sealing(suite).decrypt(this.#session, this.#objects(keys), sealed, aad, out)
  }

  get #session(): Handle {
    return this.#bench.connection.session()
  }

  #sealing(suite: Suite) {
    const { lib, connection } = this.#bench
    return sealings(lib, this.#profile, target => { lib.C_GenerateRandom(this.#session, target) }, connection.log)[suite]
  }

  /** The first one encrypts, the second one authenticates. */
  #objects(keys: readonly Buffer[]): readonly Handle[] {
    return keys.map((value, at) => this.#bench.lib.C_CreateObject(this.#session, [
      ...template({
        class: pkcs11.CKO_SECRET_KEY, token: false, private: true, label: 'of a test',
        ...at === 0 ? { key_type: pkcs11.CKK_AES, encrypt: true, decrypt: true } : { key_type: pkcs11.CKK_GENERIC_SECRET, sign: true },
      }),
      { type: pkcs11.CKA_VALUE, value },
    ]))
  }
}

function tagOf(macKey: Buffer, iv: Buffer, body: Buffer): Buffer {
  return createHmac('sha256', macKey).update(additionalData).update(iv).update(createHash('sha256').update(body).digest()).digest()
}

describe('sealing', () => {
  let bench: Bench
  const log = recordingLog()
  const keys = [randomBytes(32), randomBytes(32)] as const
  beforeEach(() => { log.entries.length = 0 })
  afterEach(() => { bench.driver.close() })

  describe('and other software', () => {
    const vectors = JSON.parse(readFileSync('test/vectors/ciphertext.json', 'utf8')) as readonly Vector[]
    beforeEach(async () => { bench = await openBench(log) })

    it('open the published ciphertexts of both suites', () => {
      // Of 16-byte IVs SoftHSM thinks as everybody does.
      const known = new KnownKeys(bench, sealingProfile({ ivBytes: 16 }))
      for (const vector of vectors.filter(each => each.backingKey !== undefined)) {
        const of = [vector.backingKey, vector.macKey].filter(each => each !== undefined).map(each => Buffer.from(each, 'hex'))
        const sealed = { iv: Buffer.from(vector.iv, 'hex'), ciphertext: Buffer.from(vector.ciphertext, 'hex') }
        const opened = known.open(vector.suite, of, sealed, Buffer.from(vector.additionalData, 'hex'))
        expect(opened?.toString('hex')).to.equal(vector.plaintext)
      }
    })

    it('agree on gcm', () => {
      const { iv, ciphertext } = new KnownKeys(bench, sealingProfile({})).seal('gcm', keys, plaintext)
      const decipher = createDecipheriv('aes-256-gcm', keys[0], iv).setAAD(additionalData).setAuthTag(ciphertext.subarray(-16))
      expect(Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]).equals(plaintext)).to.equal(true)
    })

    it('agree on cbc-hmac, for every length of the last block', () => {
      for (let length = 0; length <= 33; length++) {
        const data = randomBytes(length + 1).subarray(1)
        const { iv, ciphertext } = new KnownKeys(bench, cbcHmac).seal('cbc-hmac', keys, data)
        const body = ciphertext.subarray(0, -32)
        expect(ciphertext.subarray(-32).equals(tagOf(keys[1], iv, body))).to.equal(true)
        const decipher = createDecipheriv('aes-256-cbc', keys[0], iv)
        expect(Buffer.concat([decipher.update(body), decipher.final()]).equals(data)).to.equal(true)
      }
    })
  })

  describe('with cbc-hmac', () => {
    beforeEach(async () => { bench = await openBench(log, true, { profile: cbcHmac }) })

    /** Blocks as they would stand before encryption, with whatever padding, under a good tag. */
    function authentic(blocks: Buffer): FreshSeal {
      const iv = randomBytes(16)
      const body = createCipheriv('aes-256-cbc', keys[0], iv).setAutoPadding(false).update(blocks)
      return { iv, ciphertext: Buffer.concat([body, tagOf(keys[1], iv, body)]) }
    }

    function paddings(): readonly Buffer[] {
      const ends = Array.from({ length: 256 }, (_, value) => Buffer.from([value]))
      const broken = Array.from({ length: 15 }, (_, at) => at + 2).flatMap(count => Array.from({ length: count - 1 }, (_, wrong) =>
        Buffer.alloc(count, count).fill(count ^ 1, wrong, wrong + 1)))
      return [...ends, ...broken].map(end => Buffer.concat([Buffer.alloc(32 - end.length, 0xaa), end]))
    }

    it('shows no client what padding is: with a wrong tag every one is the same, and none is decrypted', () => {
      const known = new KnownKeys(bench, cbcHmac)
      whileReplaced(bench.lib, 'C_DecryptInit', () => { throw new Error('decrypted') }, () => {
        for (const blocks of paddings()) {
          const sealed = authentic(blocks)
          const last = sealed.ciphertext.length - 1
          sealed.ciphertext[last] = (sealed.ciphertext[last] ?? 0) ^ 1
          expect(known.open('cbc-hmac', keys, sealed)).to.equal(undefined)
        }
      })
    })

    it('takes wrong padding behind a good tag for a fault of the device', () => {
      const known = new KnownKeys(bench, cbcHmac)
      const [good, bad] = [paddings().filter(isPadded), paddings().filter(blocks => !isPadded(blocks))]
      expect([good.length, bad.length]).to.deep.equal([1, 256 + 120 - 1])
      for (const blocks of good) expect(known.open('cbc-hmac', keys, authentic(blocks))).to.have.length(31)
      for (const blocks of bad) expectRefused(() => known.open('cbc-hmac', keys, authentic(blocks)), 'lost')
      expect(log.entries.filter(({ level }) => level === 'error')).to.have.length(bad.length)
    })

    it('decrypts nothing whose IV, blocks, tag or additional data were changed', () => {
      const material = newMaterial({ suite: 'cbc-hmac' })
      bench.driver.createMaterial(material)
      try {
        const { iv, ciphertext } = bench.driver.seal(material, plaintext, additionalData)
        const session = bench.connection.session()
        whileReplaced(bench.lib, 'C_DecryptInit', () => { throw new Error('decrypted') }, () => {
          for (const [part, open] of [
            [iv, (changed: Buffer) => bench.driver.open(material, { iv: changed, ciphertext }, additionalData)],
            [ciphertext, (changed: Buffer) => bench.driver.open(material, { iv, ciphertext: changed }, additionalData)],
            [additionalData, (changed: Buffer) => bench.driver.open(material, { iv, ciphertext }, changed)],
          ] as const) {
            for (let at = 0; at < part.length; at++) {
              const changed = Buffer.from(part)
              changed[at] = (changed[at] ?? 0) ^ 0x80
              expectRefused(() => open(changed), 'ciphertext-invalid')
            }
          }
        })
        expect(bench.connection.session().equals(session)).to.equal(true)
        expect(log.entries.filter(({ level }) => level === 'warn')).to.be.empty
      } finally {
        bench.driver.destroyMaterial(material)
      }
    })

    it('does not call a good ciphertext bad for one wrong bit in the token\'s answer', () => {
      const known = new KnownKeys(bench, cbcHmac)
      const sealed = known.seal('cbc-hmac', keys, plaintext)
      let calls = 0
      const flipOnce = (run: () => unknown) => {
        const out = run() as Buffer
        if (calls++ === 0) out[0] = (out[0] ?? 0) ^ 1
        return out
      }
      expect(whileReplaced(bench.lib, 'C_Sign', flipOnce, () => known.open('cbc-hmac', keys, sealed))?.equals(plaintext)).to.equal(true)
    })

    it('gives no IV of another length to the token, and leaves no plaintext behind', () => {
      const known = new KnownKeys(bench, cbcHmac)
      const sealed = known.seal('cbc-hmac', keys, plaintext)
      whileReplaced(bench.lib, 'C_DecryptInit', () => { throw new Error('called') }, () => {
        expectRefused(() => known.open('cbc-hmac', keys, { ...sealed, iv: sealed.iv.subarray(1) }), 'configuration')
      })
      let given: Buffer | undefined
      const keep = (run: () => unknown, args: readonly unknown[]) => { given = args[1] as Buffer; return run() }
      whileReplaced(bench.lib, 'C_Encrypt', keep, () => known.seal('cbc-hmac', keys, plaintext))
      expect(given?.equals(Buffer.alloc(48))).to.equal(true)
    })
  })

  describe('with AES-GCM on a token that is not what its profile says', () => {
    let token: FaultToken
    const writeback = sealingProfile({ mode: 'gcm-hsm-iv-writeback' })
    before(async () => { token = await faultTokenHere() })

    async function refusesToSeal(profile: Profile): Promise<void> {
      bench = await openBench(silentLog, false, { config: token.config, profile })
      const material = newMaterial()
      bench.driver.createMaterial(material)
      try {
        expectRefused(() => bench.driver.seal(material, plaintext, additionalData), 'configuration')
      } finally {
        bench.driver.destroyMaterial(material)
      }
    }

    it('gives nothing out when the token did not write its IV back', async () => {
      token.control.clear()
      await refusesToSeal(writeback)
    })

    it('gives nothing out when the output has another length', async () => {
      token.control.set({ imitate: 'iv-suffix' })
      await refusesToSeal(sealingProfile({}))
      bench.driver.close()
      await refusesToSeal(sealingProfile({ mode: 'gcm-hsm-iv-suffix', ivBytes: 12 }))
    })

    it('gives nothing out when the token wants an IV of its own and is given one', async () => {
      token.control.set({ imitate: 'iv-writeback-encrypt' })
      await refusesToSeal(sealingProfile({}))
    })

    it('gives nothing out when the same IV comes twice', async () => {
      token.control.clear()
      bench = await openBench(silentLog, false, { config: token.config, profile: writeback })
      const material = newMaterial()
      bench.driver.createMaterial(material)
      // A generator that stands still.
      const write = (run: () => unknown, args: readonly unknown[]) => {
        const { parameter } = args[1] as { parameter: { iv: Buffer } }
        parameter.iv.fill(7)
        return run()
      }
      whileReplaced(bench.lib, 'C_EncryptInit', write, () => {
        expect(bench.driver.seal(material, plaintext, additionalData).ciphertext).to.have.length(48)
        expectRefused(() => bench.driver.seal(material, plaintext, additionalData), 'configuration')
      })
      bench.driver.destroyMaterial(material)
    })

    it('seals nothing in place of an empty plaintext where the token cannot, and shows it no ciphertext of nothing', async () => {
      token.control.clear()
      bench = await openBench(silentLog, true, { config: token.config, profile: sealingProfile({ emptyPlaintext: false }) })
      const material = newMaterial()
      bench.driver.createMaterial(material)
      expectRefused(() => bench.driver.seal(material, Buffer.alloc(0), additionalData), 'configuration')
      whileReplaced(bench.lib, 'C_DecryptInit', () => { throw new Error('called') }, () => {
        const sealed = { iv: Buffer.alloc(12), ciphertext: Buffer.alloc(16) }
        expectRefused(() => bench.driver.open(material, sealed, additionalData), 'ciphertext-invalid')
      })
      bench.driver.destroyMaterial(material)
    })
  })
})

function isPadded(blocks: Buffer): boolean {
  const count = blocks[blocks.length - 1] ?? 0
  return count >= 1 && count <= 16 && blocks.subarray(-count).every(byte => byte === count)
}
