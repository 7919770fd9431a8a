import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { offeredKinds } from '../../../src/adapters/pkcs11/driver/kinds.js'
import { newKeyId } from '../../../src/domain/key-id.js'
import { backingKey, type Material, type MaterialKind } from '../../../src/domain/material.js'
import { FakeLattices } from '../../support/fake-lattices.js'
import { expectRefused, openBench, silentLog, type Bench } from './support.js'

const newPair = (kind: MaterialKind): Material => backingKey(newKeyId(randomBytes(16)), 1, kind)
const message = Buffer.from('a message')
/** Of SubjectPublicKeyInfo, up to the key (RFC 9881 and 9935). */
const heads: Readonly<Record<string, string>> = {
  'ml-dsa-44': '30820532300b060960864801650304031103820521' + '00',
  'ml-dsa-65': '308207b2300b0609608648016503040312038207a1' + '00',
  'ml-dsa-87': '30820a32300b060960864801650304031303820a21' + '00',
  'ml-kem-512': '30820332300b060960864801650304040103820321' + '00',
  'ml-kem-768': '308204b2300b0609608648016503040402038204a1' + '00',
  'ml-kem-1024': '30820632300b060960864801650304040303820621' + '00',
}

describe('ML-DSA and ML-KEM on a library of PKCS#11 3.2 (a fake)', () => {
  let bench: Bench
  let fake: FakeLattices
  beforeEach(async () => {
    bench = await openBench(silentLog)
    fake = new FakeLattices(bench.lib, { encapsulates: true })
  })
  afterEach(() => {
    fake.remove()
    bench.driver.close()
  })

  function withPair(kind: MaterialKind, use: (material: Material) => void): void {
    const material = newPair(kind)
    bench.driver.createMaterial(material)
    try {
      use(material)
    } finally {
      expect(bench.driver.destroyMaterial(material)).to.equal(2)
    }
  }

  it('are offered by a token that lists their mechanisms', () => {
    expect(offeredKinds(bench.connection)).to.include.members(Object.keys(heads))
  })

  for (const [kind, output] of [['ml-dsa-44', 2420], ['ml-dsa-65', 3309], ['ml-dsa-87', 4627]] as const) {
    it(`${kind} signs messages, and verifies them`, () => withPair(kind, material => {
      const signature = bench.driver.sign(material, 'ML_DSA_SHAKE_256', message)
      expect(signature).to.have.length(output)
      expect(bench.driver.verify(material, 'ML_DSA_SHAKE_256', message, signature)).to.equal(true)
      expect(bench.driver.verify(material, 'ML_DSA_SHAKE_256', Buffer.from('another'), signature)).to.equal(false)
      expect(bench.driver.verify(material, 'ML_DSA_SHAKE_256', message, signature.subarray(1))).to.equal(false)
      expect(fake.calls).to.include.members(['C_GenerateKeyPair', 'C_SignInit', 'C_VerifyInit'])
      expectRefused(() => bench.driver.encapsulate(material), 'configuration')
      expectRefused(() => bench.driver.sign(material, 'ED25519_SHA_512', message), 'configuration')
    }))
  }

  for (const [kind, output] of [['ml-kem-512', 768], ['ml-kem-768', 1088], ['ml-kem-1024', 1568]] as const) {
    it(`${kind} encapsulates, opens it again, and leaves no secret behind`, () => withPair(kind, material => {
      const before = bench.driver.capacity().used
      const { sharedSecret, ciphertext } = bench.driver.encapsulate(material)
      expect([sharedSecret.length, ciphertext.length]).to.deep.equal([32, output])
      expect(Buffer.compare(bench.driver.decapsulate(material, ciphertext), sharedSecret)).to.equal(0)
      expect(Buffer.compare(bench.driver.decapsulate(material, Buffer.alloc(output)), sharedSecret)).not.to.equal(0)
      expectRefused(() => bench.driver.decapsulate(material, ciphertext.subarray(1)), 'ciphertext-invalid')
      expectRefused(() => bench.driver.sign(material, 'ML_DSA_SHAKE_256', message), 'configuration')
      expect(bench.driver.capacity().used).to.equal(before)
    }))
  }

  for (const [kind, head] of Object.entries(heads) as [MaterialKind, string][]) {
    it(`${kind} has a SubjectPublicKeyInfo`, () => withPair(kind, material => {
      const spki = Buffer.from(bench.driver.publicKey(material))
      expect(spki.subarray(0, head.length / 2).toString('hex')).to.equal(head)
    }))
  }
})

describe('ML-KEM with a binding that has no C_EncapsulateKey', () => {
  it('is not offered, and refused as unsupported', async () => {
    const bench = await openBench(silentLog)
    const fake = new FakeLattices(bench.lib, { encapsulates: false })
    try {
      const kinds = offeredKinds(bench.connection)
      expect(kinds).to.include('ml-dsa-65')
      expect(kinds).not.to.include('ml-kem-768')
      expectRefused(() => bench.driver.encapsulate(newPair('ml-kem-768')), 'unsupported')
      expectRefused(() => bench.driver.decapsulate(newPair('ml-kem-768'), Buffer.alloc(1088)), 'unsupported')
    } finally {
      fake.remove()
      bench.driver.close()
    }
  })
})

describe('a kind that the token does not make', () => {
  it('is unsupported, and leaves nothing behind', async () => {
    const bench = await openBench(silentLog)
    try {
      const before = bench.driver.capacity().used
      for (const kind of ['ml-dsa-44', 'ml-kem-512'] as const) {
        expectRefused(() => bench.driver.createMaterial(newPair(kind)), 'unsupported')
      }
      expect(bench.driver.capacity().used).to.equal(before)
    } finally {
      bench.driver.close()
    }
  })
})
