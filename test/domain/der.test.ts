import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import {
  contextTag, der, derBitString, DerError, derNull, derOctetString, derOid, DerReader, derSequence, derTags, derUnsigned, encodeDer,
} from '../../src/domain/der.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const reader = (text: string) => new DerReader(Buffer.from(text, 'hex'))

describe('DER', () => {
  printSeedOfFailures()

  describe('written', () => {
    it('is what X.690 says', () => {
      expect(hex(encodeDer(derUnsigned(0)))).to.equal('020100')
      expect(hex(encodeDer(derUnsigned(65537)))).to.equal('0203010001')
      expect(hex(encodeDer(derUnsigned(Uint8Array.of(0, 0, 0x80))))).to.equal('02020080')
      expect(hex(encodeDer(derNull()))).to.equal('0500')
      expect(hex(encodeDer(derOid('1.2.840.113549.1.1.1')))).to.equal('06092a864886f70d010101')
      expect(hex(encodeDer(derOid('2.16.840.1.101.3.4.4.3')))).to.equal('0609608648016503040403')
      expect(hex(encodeDer(derBitString(Uint8Array.of(7))))).to.equal('03020007')
      expect(hex(encodeDer(der(contextTag(0, 'primitive'), Uint8Array.of(7))))).to.equal('800107')
      expect(hex(encodeDer(derSequence(der(contextTag(1), derOctetString()))))).to.equal('3004a1020400')
    })

    it('has the shortest length field for every length', () => {
      for (const [length, field] of [[127, '7f'], [128, '8180'], [255, '81ff'], [256, '820100'], [65536, '83010000']] as const) {
        const bytes = encodeDer(derOctetString(new Uint8Array(length)))
        expect(hex(bytes.subarray(1, bytes.length - length))).to.equal(field)
        expect(new DerReader(bytes).octetString()).to.have.length(length)
      }
    })
  })

  describe('read', () => {
    it('is what was written', () => {
      const bytes = encodeDer(derSequence(
        derUnsigned(300), derOid('1.3.132.0.35'), derBitString(Uint8Array.of(1, 2)), der(contextTag(0), derNull()), derOctetString(),
      ))
      const inner = DerReader.only(bytes)
      expect(hex(inner.unsigned())).to.equal('012c')
      expect(inner.oid()).to.equal('1.3.132.0.35')
      expect(hex(inner.bitString())).to.equal('0102')
      expect(inner.readOptional(contextTag(1))).to.equal(undefined)
      const tagged = inner.enter(contextTag(0))
      tagged.null()
      tagged.end()
      expect(hex(inner.readWhole(derTags.octetString))).to.equal('0400')
      expect(inner.done).to.equal(true)
    })

    it('reads a key that OpenSSL wrote', () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
      const info = DerReader.only(privateKey.export({ format: 'der', type: 'pkcs8' }))
      expect(info.smallNumber()).to.equal(0)
      expect(info.enter().oid()).to.equal('1.2.840.113549.1.1.1')
      const key = DerReader.only(info.octetString())
      expect(key.smallNumber()).to.equal(0)
      expect(key.unsigned()).to.have.length(128)
      expect(hex(key.unsigned())).to.equal('010001')
    })

    const refusals: readonly (readonly [string, string, (from: DerReader) => unknown])[] = [
      ['another tag', '0400', from => from.unsigned()],
      ['an empty input', '', from => from.unsigned()],
      ['a length that is missing', '02', from => from.unsigned()],
      ['an indefinite length', '30800000', from => from.enter()],
      ['a length in more bytes than it needs', '0481017f', from => from.octetString()],
      ['a length with a leading zero', `04820080${'00'.repeat(128)}`, from => from.octetString()],
      ['a length in five bytes', '04850000000001ff', from => from.octetString()],
      ['an element longer than what holds it', '0403ffff', from => from.octetString()],
      ['an empty INTEGER', '0200', from => from.unsigned()],
      ['a negative INTEGER', '0201ff', from => from.unsigned()],
      ['an INTEGER with a needless zero', '02020001', from => from.unsigned()],
      ['a version of two bytes', '02020100', from => from.smallNumber()],
      ['a BIT STRING with spare bits', '030207f0', from => from.bitString()],
      ['a BIT STRING without its first byte', '0300', from => from.bitString()],
      ['an OID that is broken off', '06022a86', from => from.oid()],
      ['an empty OID', '0600', from => from.oid()],
      ['an OID part with a needless byte', '06032a8001', from => from.oid()],
      ['an OID part without end', `0614${'ff'.repeat(19)}7f`, from => from.oid()],
      ['a NULL with content', '050100', from => { from.null() }],
    ]
    for (const [what, text, read] of refusals) {
      it(`refuses ${what}`, () => {
        expect(() => read(reader(text))).to.throw(DerError)
      })
    }

    it('refuses bytes behind the end', () => {
      expect(() => DerReader.only(Buffer.from('300000', 'hex'))).to.throw(DerError)
    })

    it('answers every byte string with an element or a DerError, and never reads beyond it', () => {
      const choice = seeded('der')
      const whole = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'der', type: 'pkcs8' })
      for (let round = 0; round < 5000; round++) {
        const bytes = choice.oneIn(3) ? choice.bytes(choice.below(40)) : mutated(whole, choice)
        try {
          walk(new DerReader(bytes), 0)
        } catch (error) {
          expect(error, hex(bytes)).to.be.instanceOf(DerError)
        }
      }
    })

    it('accepts no two encodings of one number', () => {
      const choice = seeded('der integers')
      for (let round = 0; round < 5000; round++) {
        const bytes = Buffer.concat([Buffer.from([0x02]), choice.bytes(1 + choice.below(5))])
        bytes[1] = (bytes[1] ?? 0) % 6
        let value: Uint8Array
        try {
          const from = new DerReader(bytes)
          value = from.unsigned()
          from.end()
        } catch {
          continue
        }
        expect(hex(encodeDer(derUnsigned(value)))).to.equal(hex(bytes))
      }
    })
  })
})

function mutated(bytes: Uint8Array, choice: ReturnType<typeof seeded>): Buffer {
  const out = Buffer.from(bytes)
  for (let change = choice.below(4); change >= 0; change--) out[choice.below(out.length)] = choice.below(256)
  return choice.oneIn(3) ? out.subarray(0, choice.below(out.length)) : out
}

/** Reads whatever is there as what its tag says. */
function walk(from: DerReader, depth: number): void {
  if (depth > 8) return
  while (!from.done) {
    const { tag } = from
    if (tag === derTags.integer) from.unsigned()
    else if (tag === derTags.oid) from.oid()
    else if (tag === derTags.bitString) from.bitString()
    else if (tag === derTags.sequence || tag === contextTag(1)) walk(from.enter(tag), depth + 1)
    else from.read(tag ?? 0)
  }
}
