import { expect } from 'chai'
import { isKeyId, keyIdBytes, keyIdOfBytes, newKeyId, newMultiRegionKeyId } from '../../src/domain/key-id.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'

const uuid = '1234abcd-12ab-44cd-96ef-1234567890ab'
const multiRegion = 'mrk-1234abcd12ab34cd56ef1234567890ab'

describe('key id', () => {
  printSeedOfFailures()

  it('is a UUID, or mrk- and 32 hex digits', () => {
    expect(isKeyId(uuid)).to.equal(true)
    expect(isKeyId(multiRegion)).to.equal(true)
  })

  for (const text of [
    '', 'mrk-', uuid.toUpperCase(), uuid.replaceAll('-', ''), ` ${uuid}`, `${uuid}\n`, uuid.slice(1), `${uuid}0`, `mrk-${uuid}`,
    multiRegion.slice(4), `${multiRegion}0`, multiRegion.replace('mrk', 'MRK'), uuid.replace('a', 'g'), `alias/${uuid}`,
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      expect(isKeyId(text)).to.equal(false)
      expect(() => keyIdBytes(text)).to.throw(TypeError)
    })
  }

  it('is 16 bytes', () => {
    expect(Buffer.from(keyIdBytes(uuid)).toString('hex')).to.equal('1234abcd12ab44cd96ef1234567890ab')
    expect(Buffer.from(keyIdBytes(multiRegion)).toString('hex')).to.equal('1234abcd12ab34cd56ef1234567890ab')
  })

  it('comes back from its bytes in the form that it had', () => {
    expect(keyIdOfBytes(keyIdBytes(uuid))).to.equal(uuid)
    expect(keyIdOfBytes(keyIdBytes(multiRegion))).to.equal(multiRegion)
  })

  it('is told by any 16 bytes, and tells them', () => {
    const random = seeded('key ids')
    for (let round = 0; round < 2_000; round++) {
      const bytes = random.bytes(16)
      expect(keyIdBytes(keyIdOfBytes(bytes))).to.deep.equal(Uint8Array.from(bytes))
    }
  })

  it('is new as a UUID of version 4, variant 1 (RFC 9562, section 5.4)', () => {
    for (const fill of [0x00, 0x5a, 0xff]) {
      const random = new Uint8Array(16).fill(fill)
      expect(newKeyId(random)).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(random).to.deep.equal(new Uint8Array(16).fill(fill))
    }
    expect(newKeyId(new Uint8Array(16))).to.equal('00000000-0000-4000-8000-000000000000')
  })

  it('of a multi-Region key is made of any 16 bytes, and never mistaken for a UUID', () => {
    const random = seeded('multi-Region key ids')
    const samples = [keyIdBytes(uuid), new Uint8Array(16), ...Array.from({ length: 2_000 }, () => random.bytes(16))]
    for (const bytes of samples) {
      const keyId = newMultiRegionKeyId(bytes)
      expect(keyId).to.match(/^mrk-[0-9a-f]{32}$/)
      expect(keyIdOfBytes(keyIdBytes(keyId))).to.equal(keyId)
    }
    expect(newMultiRegionKeyId(keyIdBytes(multiRegion))).to.equal(multiRegion)
    expect(newMultiRegionKeyId(keyIdBytes(uuid))).to.equal('mrk-1234abcd12abc4cd96ef1234567890ab')
  })
})
