import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import { template, type AttributeValues } from '../../../src/adapters/pkcs11/driver/attributes.js'
import { objectPlans } from '../../../src/adapters/pkcs11/driver/evidence.js'
import { rootMaterial, type Material } from '../../../src/domain/material.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { expectRefused, openBench, throwing, whileReplaced, type Bench } from './support.js'

const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')

/** Makes an AES key as the driver would, but with these attributes changed. */
function makeRaw({ lib, connection, token }: Bench, material: Material, changed: AttributeValues): Handle {
  const wanted = objectPlans(material, token.profile)[0]?.wanted
  return lib.C_GenerateKey(connection.session(), { mechanism: pkcs11.CKM_AES_KEY_GEN }, template({ ...wanted, ...changed }))
}

describe('material in SoftHSM', () => {
  let bench: Bench
  beforeEach(async () => { bench = await openBench() })
  afterEach(() => { bench.driver.close() })

  describe('evidence', () => {
    const bad: [string, AttributeValues][] = [
      ['extractable', { extractable: true }],
      ['not sensitive', { sensitive: false }],
      ['able to wrap', { wrap: true }],
      ['able to derive', { derive: true }],
      ['modifiable', { modifiable: true }],
      ['of another length', { value_len: 16 }],
    ]
    for (const [what, changed] of bad) {
      it(`refuses a key of our name that is ${what}`, () => {
        const other = newMaterial()
        const object = makeRaw(bench, other, changed)
        try {
          expectRefused(() => bench.driver.seal(other, plaintext, additionalData), 'evidence')
          expectRefused(() => bench.driver.find(other), 'evidence')
        } finally {
          bench.lib.C_DestroyObject(bench.connection.session(), object)
        }
      })
    }

    it('refuses a key that was written into the token from outside', () => {
      const other = newMaterial()
      const { value_len: _length, ...wanted } = objectPlans(other, bench.token.profile)[0]?.wanted ?? {}
      const value = { type: pkcs11.CKA_VALUE, value: randomBytes(32) }
      const object = bench.lib.C_CreateObject(bench.connection.session(), [...template(wanted), value])
      try {
        expectRefused(() => bench.driver.seal(other, plaintext, additionalData), 'evidence')
      } finally {
        bench.lib.C_DestroyObject(bench.connection.session(), object)
      }
    })

    it('destroys an object that was just made and is not what it should be', () => {
      const other = newMaterial()
      const weaken = (run: () => unknown, args: readonly unknown[]) => {
        const attributes = args[2] as pkcs11.Template
        for (const attribute of attributes) if (attribute.type === pkcs11.CKA_EXTRACTABLE) attribute.value = true
        return run()
      }
      whileReplaced(bench.lib, 'C_GenerateKey', weaken, () => {
        expectRefused(() => bench.driver.createMaterial(other), 'evidence')
      })
      expect(bench.driver.find(other)).to.equal(undefined)
    })

    it('refuses a pair of which one half is missing', () => {
      const pair = rootMaterial('audit', 999_999_999)
      bench.driver.createMaterial(pair)
      bench.lib.C_DestroyObject(bench.connection.session(), bench.connection.handle(pair, 'public'))
      expectRefused(() => bench.driver.find(pair), 'evidence')
      expect(bench.driver.destroyMaterial(pair)).to.equal(1)
    })
  })

  describe('names', () => {
    it('that two objects have are missing, never the first one', async () => {
      const material = newMaterial()
      bench.driver.createMaterial(material)
      makeRaw(bench, material, {})
      const other = await openBench()
      try {
        expectRefused(() => other.driver.seal(material, plaintext, additionalData), 'missing')
        expectRefused(() => other.driver.find(material), 'missing')
      } finally {
        other.driver.close()
      }
      expect(bench.driver.destroyMaterial(material)).to.equal(2)
    })

    it('taken by somebody else between the look and the making are refused, and ours destroyed', () => {
      const other = newMaterial()
      let foreign: Handle | undefined
      const race = (run: () => unknown) => { const made = run(); foreign ??= makeRawDirectly(); return made }
      const makeRawDirectly = () => bench.lib.C_CreateObject(bench.connection.session(), template({
        class: pkcs11.CKO_SECRET_KEY, key_type: pkcs11.CKK_AES, token: true, label: other.name,
      }).concat({ type: pkcs11.CKA_VALUE, value: randomBytes(32) }))
      whileReplaced(bench.lib, 'C_GenerateKey', race, () => { expectRefused(() => bench.driver.createMaterial(other), 'exists') })
      expect(bench.driver.destroyMaterial(other)).to.equal(1)
    })
  })

  describe('creating', () => {
    it('is tried once more where the vendor fails now and then', () => {
      const other = newMaterial()
      let calls = 0
      const once = (run: () => unknown) => { calls += 1; return calls === 1 ? throwing(pkcs11.CKR_GENERAL_ERROR)() : run() }
      whileReplaced(bench.lib, 'C_GenerateKey', once, () => bench.driver.createMaterial(other))
      expect(bench.driver.destroyMaterial(other)).to.equal(1)
    })

    it('is not repeated when its outcome is not known', () => {
      let calls = 0
      whileReplaced(bench.lib, 'C_GenerateKey', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_REMOVED)() }, () => {
        expectRefused(() => bench.driver.createMaterial(newMaterial()), 'lost')
      })
      expect(calls).to.equal(1)
    })

    it('says when the token is full', () => {
      whileReplaced(bench.lib, 'C_GenerateKey', throwing(pkcs11.CKR_DEVICE_MEMORY), () => {
        expectRefused(() => bench.driver.createMaterial(newMaterial()), 'capacity')
      })
    })
  })
})
