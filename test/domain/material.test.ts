import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { keyIdOfBytes } from '../../src/domain/key-id.js'
import {
  backingKey, materialNameBytesMax, materialOwner, rootMaterial, versionMax, type RootName, type Suite,
} from '../../src/domain/material.js'
import { keyMaterialId } from '../../src/domain/rotation.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'

/** Names are for good: objects in tokens bear them. Bytes are hex. */
interface Vector {
  readonly keyId: string
  readonly version: number
  readonly suite: Suite
  readonly name: string
  readonly id: string
  readonly keyMaterialId: string
}

const vectors = JSON.parse(readFileSync('test/vectors/materials.json', 'utf8')) as readonly Vector[]

describe('material', () => {
  printSeedOfFailures()

  describe('published vectors', () => {
    for (const vector of vectors) {
      it(`names version ${vector.version} of ${vector.keyId}`, () => {
        const { name, id, kind } = backingKey(vector.keyId, vector.version, vector.suite)
        expect({ name, id: Buffer.from(id).toString('hex'), kind }).to.deep.equal({ name: vector.name, id: vector.id, kind: vector.suite })
        expect(keyMaterialId(vector.keyId, vector.version)).to.equal(vector.keyMaterialId)
      })
    }

    it('read back', () => {
      for (const { name, keyId, version } of vectors) {
        expect(materialOwner(name)).to.deep.equal({ kind: 'backing-key', keyId, version, role: 'enc' })
      }
    })
  })

  it(`has ASCII names of at most ${materialNameBytesMax} bytes, also for the largest version`, () => {
    const random = seeded('names')
    for (const version of [1, 32, versionMax]) {
      const { name } = backingKey(keyIdOfBytes(random.bytes(16)), version, 'gcm')
      expect(name).to.match(/^[\x21-\x7e]+$/)
      expect(name.length).to.be.at.most(materialNameBytesMax)
    }
    expect(backingKey(keyIdOfBytes(random.bytes(16)), versionMax, 'gcm').name).to.have.length(materialNameBytesMax)
    expect(rootMaterial('audit', versionMax).name.length).to.be.at.most(materialNameBytesMax)
  })

  it('is found again by its name, and by nothing else', () => {
    const random = seeded('owners')
    for (let round = 0; round < 2_000; round++) {
      const keyId = keyIdOfBytes(random.bytes(16))
      const version = 1 + random.below(versionMax)
      expect(materialOwner(backingKey(keyId, version, 'gcm').name)).to.deep.equal({ kind: 'backing-key', keyId, version, role: 'enc' })
    }
  })

  it('tells the second object of a version from the first', () => {
    const { name, macName } = backingKey('1234abcd-12ab-44cd-96ef-1234567890ab', 5, 'cbc-hmac')
    expect(macName).to.equal(name.replace(/-e$/, '-m'))
    expect(materialOwner(macName ?? '')).to.deep.include({ kind: 'backing-key', version: 5, role: 'mac' })
  })

  it('names root objects by what they are for', () => {
    const kinds: Record<RootName, string> = { seal: 'gcm', mac: 'hmac-sha-256', audit: 'ecdsa-p256' }
    for (const [root, kind] of Object.entries(kinds) as [RootName, string][]) {
      const material = rootMaterial(root, 12)
      expect(material).to.deep.equal({ name: `cvg-root-${root}-12`, id: new TextEncoder().encode(`cvg-root-${root}-12`), kind })
      expect(materialOwner(material.name)).to.deep.equal({ kind: 'root', root, version: 12, role: 'enc' })
    }
  })

  it('gives the sealing root a second object where the suite needs one', () => {
    const { name, macName, kind } = rootMaterial('seal', 12, 'cbc-hmac')
    expect({ name, macName, kind }).to.deep.equal({ name: 'cvg-root-seal-12', macName: 'cvg-root-seal-12-m', kind: 'cbc-hmac' })
    expect(materialOwner(macName ?? '')).to.deep.equal({ kind: 'root', root: 'seal', version: 12, role: 'mac' })
    expect(materialOwner('cvg-root-mac-12-m')).to.equal(undefined)
  })

  const name = backingKey('1234abcd-12ab-44cd-96ef-1234567890ab', 5, 'gcm').name
  for (const label of [
    '', 'cvg-', 'my key', name.toUpperCase(), ` ${name}`, `${name} `, `${name}\0`, `${name}\n`, name.slice(1), name.slice(0, -2),
    `${name}e`,
    name.replace('-5-', '-0-'), name.replace('-5-', '-05-'), name.replace('-5-', '--'), name.replace('-5-', '-w-'),
    // 2^32, one more than a header can hold
    name.replace('-5-', '-4000000-'), name.replace('-5-', '-10000000-'),
    // the two spare bits of the last base32 digit are not zero
    name.replace('m-5-', 'n-5-'), name.replace(/-e$/, '-x'),
    'cvg-root-seal', 'cvg-root-seal-0', 'cvg-root-seal-01', 'cvg-root-seal-1 ', 'cvg-root-other-1', 'cvg-root-constructor-1',
    'cvg-root-seal-4294967296',
  ]) {
    it(`refuses the foreign label ${JSON.stringify(label)}`, () => {
      expect(materialOwner(label)).to.equal(undefined)
    })
  }

  it('never throws on a label, whatever it holds', () => {
    const random = seeded('labels')
    for (let round = 0; round < 2_000; round++) {
      const label = Buffer.from(name)
      label[random.below(label.length)] = random.below(128)
      const owner = materialOwner(label.toString('latin1'))
      if (owner?.kind === 'backing-key' && owner.role === 'enc') {
        expect(backingKey(owner.keyId, owner.version, 'gcm').name).to.equal(label.toString('latin1'))
      }
    }
  })
})
