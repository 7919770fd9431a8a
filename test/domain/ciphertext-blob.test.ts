import { createDecipheriv, createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import {
  additionalData, canonicalContext, ciphertextBlobBytesMax, decodeCiphertextBlob, encodeCiphertextBlob, type CiphertextBlob,
} from '../../src/domain/ciphertext-blob.js'
import type { Suite } from '../../src/domain/material.js'
import { printSeedOfFailures, seeded, type Seeded } from '../support/seeded.js'

/** Bytes are hex. What can be opened in software says so by the last members; no HSM ever held such a key. */
interface Vector {
  readonly name: string
  readonly suite: Suite
  readonly keyId: string
  readonly version: number
  readonly encryptionContext: Readonly<Record<string, string>>
  readonly canonicalContext: string
  readonly additionalData: string
  readonly iv: string
  readonly ciphertext: string
  readonly blob: string
  readonly backingKey?: string
  /** The second key of cbc-hmac. */
  readonly macKey?: string
  readonly plaintext?: string
}

const vectors = JSON.parse(readFileSync('test/vectors/ciphertext.json', 'utf8')) as readonly Vector[]
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => Buffer.from(text, 'hex')
const headerBytes = 25
const gcmTagBytes = 16
const cbcTagBytes = 32

function partsOf({ suite, keyId, version, iv, ciphertext }: Vector): CiphertextBlob {
  return { suite, keyId, version, iv: bytes(iv), ciphertext: bytes(ciphertext) }
}

function changed(blob: Uint8Array, at: number, value: number): Uint8Array {
  const copy = Uint8Array.from(blob)
  copy[at] = value
  return copy
}

function openGcm({ iv, ciphertext }: CiphertextBlob, key: Uint8Array, aad: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(ciphertext.subarray(-gcmTagBytes))
  return Buffer.concat([decipher.update(ciphertext.subarray(0, -gcmTagBytes)), decipher.final()])
}

function openCbcHmac({ iv, ciphertext }: CiphertextBlob, key: Uint8Array, macKey: Uint8Array, aad: Uint8Array): Buffer {
  const [body, tag] = [ciphertext.subarray(0, -cbcTagBytes), ciphertext.subarray(-cbcTagBytes)]
  const wanted = createHmac('sha256', macKey).update(aad).update(iv).update(createHash('sha256').update(body).digest()).digest()
  expect(hex(tag)).to.equal(hex(wanted))
  const decipher = createDecipheriv('aes-256-cbc', key, iv)
  return Buffer.concat([decipher.update(body), decipher.final()])
}

/** A blob of each suite. */
const samples = ['a data key, no context', 'cbc-hmac, one block']
  .map(name => bytes(vectors.find(vector => vector.name === name)?.blob ?? ''))

describe('ciphertext blob', () => {
  printSeedOfFailures()

  describe('published vectors', () => {
    for (const vector of vectors) {
      it(`encodes ${vector.name}`, () => {
        expect(hex(encodeCiphertextBlob(partsOf(vector), partsOf(vector)))).to.equal(vector.blob)
      })

      it(`decodes ${vector.name}`, () => {
        const { iv, ciphertext, ...header } = decodeCiphertextBlob(bytes(vector.blob)) ?? {}
        expect(header).to.deep.equal({ suite: vector.suite, keyId: vector.keyId, version: vector.version })
        expect(hex(iv ?? bytes(''))).to.equal(vector.iv)
        expect(hex(ciphertext ?? bytes(''))).to.equal(vector.ciphertext)
      })

      it(`authenticates ${vector.name}`, () => {
        expect(hex(canonicalContext(vector.encryptionContext))).to.equal(vector.canonicalContext)
        expect(hex(additionalData(vector, vector.encryptionContext))).to.equal(vector.additionalData)
      })
    }

    it('open in software with the backing key that they name', () => {
      const openable = vectors.filter(vector => vector.backingKey !== undefined)
      expect(openable).to.not.be.empty
      for (const suite of ['gcm', 'cbc-hmac']) expect(openable.some(vector => vector.suite === suite)).to.equal(true)
      for (const { blob, backingKey = '', macKey = '', plaintext, encryptionContext } of openable) {
        const decoded = decodeCiphertextBlob(bytes(blob))
        if (!decoded) throw new Error('not a ciphertext')
        const aad = additionalData(decoded, encryptionContext)
        const key = bytes(backingKey)
        const opened = decoded.suite === 'gcm' ? openGcm(decoded, key, aad) : openCbcHmac(decoded, key, bytes(macKey), aad)
        expect(hex(opened)).to.equal(plaintext)
      }
    })

    it('have as many canonical contexts as encryption contexts', () => {
      const contexts = new Set(vectors.map(({ encryptionContext }) => JSON.stringify(Object.entries(encryptionContext).sort())))
      expect(new Set(vectors.map(vector => vector.canonicalContext)).size).to.equal(contexts.size)
    })
  })

  describe('canonical context', () => {
    it('does not depend on the order of the pairs', () => {
      expect(hex(canonicalContext({ b: '2', a: '1' }))).to.equal(hex(canonicalContext({ a: '1', b: '2' })))
    })

    it('tells a pair from the same pair turned around', () => {
      expect(hex(canonicalContext({ a: 'b' }))).to.not.equal(hex(canonicalContext({ b: 'a' })))
    })

    it('refuses half a surrogate pair, which has no UTF-8', () => {
      expect(() => canonicalContext({ a: '\ud83d' })).to.throw(TypeError)
      expect(() => canonicalContext({ '\ude00': 'a' })).to.throw(TypeError)
    })

    it('is different for every context (10,000 made of few letters)', () => {
      const random = seeded('contexts')
      const text = () => Array.from({ length: random.below(3) }, () => ['a', 'b', '\0', '\x01'][random.below(4)]).join('')
      const seen = new Map<string, string>()
      for (let round = 0; round < 10_000; round++) {
        const context = Object.fromEntries(Array.from({ length: random.below(4) }, () => [text(), text()]))
        const name = JSON.stringify(Object.entries(context).sort())
        const canonical = hex(canonicalContext(context))
        expect(seen.get(canonical) ?? name).to.equal(name)
        seen.set(canonical, name)
      }
      expect(seen.size).to.be.greaterThan(1_000)
    })
  })

  describe('additional data', () => {
    const header = { suite: 'gcm', keyId: '1234abcd-12ab-44cd-96ef-1234567890ab', version: 1 } as const

    it('is 32 bytes, however large the context', () => {
      expect(additionalData(header, { a: 'x'.repeat(100_000) })).to.have.length(32)
    })

    it('depends on every part of the header', () => {
      const others = [
        header, { ...header, suite: 'cbc-hmac' as const }, { ...header, version: 2 }, { ...header, keyId: header.keyId.replace('1', '2') },
      ]
      expect(new Set(others.map(other => hex(additionalData(other, {})))).size).to.equal(others.length)
    })
  })

  describe('decoding', () => {
    it('takes every single-byte change of the header for something else, or for nothing', () => {
      for (const blob of samples) {
        const original = decodeCiphertextBlob(blob)
        for (let at = 0; at <= headerBytes; at++) {
          for (let value = 0; value < 256; value++) {
            if (value === blob[at]) continue
            const decoded = decodeCiphertextBlob(changed(blob, at, value))
            if (decoded) expect(decoded, `byte ${at} = ${value}`).to.not.deep.equal(original)
          }
        }
      }
    })

    it('refuses another magic, format, suite or IV length', () => {
      for (const blob of samples) {
        for (const at of [0, 1, 2, 3, 4, headerBytes]) {
          for (let value = 0; value < 256; value++) {
            if (value === blob[at] || isOtherForm(blob, at, value)) continue
            expect(decodeCiphertextBlob(changed(blob, at, value)), `byte ${at} = ${value}`).to.equal(undefined)
          }
        }
      }
    })

    // The two forms with 16 bytes of IV differ in the suite alone, which is authenticated.
    function isOtherForm(blob: Uint8Array, at: number, value: number): boolean {
      return blob === samples[0] ? at === headerBytes && value === 16 : at === 4 && value === 1
    }

    it('takes an IV of 12 or 16 bytes with gcm, of 16 with cbc-hmac', () => {
      const ivBytes = (blob: Uint8Array = bytes(''), length: number) =>
        decodeCiphertextBlob(changed(blob, headerBytes, length))?.iv.length
      expect([ivBytes(samples[0], 12), ivBytes(samples[0], 16)]).to.deep.equal([12, 16])
      expect([ivBytes(samples[1], 12), ivBytes(samples[1], 16)]).to.deep.equal([undefined, 16])
    })

    it('refuses version 0, which no key has', () => {
      for (const blob of samples) {
        expect(decodeCiphertextBlob(changed(blob, 24, 0))).to.equal(undefined)
        expect(decodeCiphertextBlob(changed(blob, 24, 2))?.version).to.equal(2)
      }
    })

    it('refuses what is too short to hold IV, one block where there are blocks, and tag', () => {
      for (const [blob, shortest] of [[samples[0], 26 + 12 + 16], [samples[1], 26 + 16 + 16 + 32]] as const) {
        const long = Buffer.concat([blob ?? bytes(''), bytes('00'.repeat(64))])
        expect(decodeCiphertextBlob(long.subarray(0, shortest))).to.not.equal(undefined)
        for (let length = 0; length < shortest; length++) expect(decodeCiphertextBlob(long.subarray(0, length))).to.equal(undefined)
      }
    })

    it('refuses broken blocks of cbc-hmac', () => {
      const blob = samples[1] ?? bytes('')
      for (let extra = 1; extra < 16; extra++) {
        expect(decodeCiphertextBlob(Buffer.concat([blob, bytes('00'.repeat(extra))]))).to.equal(undefined)
      }
      expect(decodeCiphertextBlob(Buffer.concat([blob, bytes('00'.repeat(16))]))).to.not.equal(undefined)
    })

    it(`refuses more than ${ciphertextBlobBytesMax} bytes`, () => {
      const longest = Buffer.concat([samples[0] ?? bytes(''), Buffer.alloc(ciphertextBlobBytesMax)]).subarray(0, ciphertextBlobBytesMax)
      expect(decodeCiphertextBlob(longest)).to.not.equal(undefined)
      expect(decodeCiphertextBlob(Buffer.concat([longest, bytes('00')]))).to.equal(undefined)
    })

    it('reads a blob that is a view into a larger buffer', () => {
      const blob = samples[0] ?? bytes('')
      const view = Buffer.concat([bytes('ffffff'), blob, bytes('ffffff')]).subarray(3, 3 + blob.length)
      expect(decodeCiphertextBlob(view)).to.deep.equal(decodeCiphertextBlob(blob))
    })

    it('never throws on random bytes, nor on a good header with random bytes behind it', () => {
      const random = seeded('random bytes')
      for (let round = 0; round < 5_000; round++) {
        const tail = random.bytes(random.below(200))
        const head = samples[round % 2]?.subarray(0, random.below(40)) ?? bytes('')
        for (const candidate of [tail, Buffer.concat([head, tail])]) {
          const decoded = decodeCiphertextBlob(candidate)
          if (decoded) expect(hex(encodeCiphertextBlob(decoded, decoded))).to.equal(hex(candidate))
        }
      }
    })

    it('is the inverse of encoding, both ways', () => {
      const random = seeded('round trip')
      for (let round = 0; round < 2_000; round++) {
        const parts = randomBlob(random)
        const blob = encodeCiphertextBlob(parts, parts)
        const decoded = decodeCiphertextBlob(blob)
        if (!decoded) throw new Error('what was encoded does not decode')
        expect(hex(encodeCiphertextBlob(decoded, decoded))).to.equal(hex(blob))
      }
    })
  })
})

function randomBlob(random: Seeded): CiphertextBlob {
  const version = 1 + random.below(0xffffffff)
  const uuid = hex(random.bytes(16)).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5')
  return random.oneIn(2)
    ? { suite: 'gcm', keyId: uuid, version, iv: random.bytes(random.oneIn(2) ? 12 : 16), ciphertext: random.bytes(16 + random.below(4096)) }
    : { suite: 'cbc-hmac', keyId: uuid, version, iv: random.bytes(16), ciphertext: random.bytes(32 + 16 * (1 + random.below(200))) }
}
