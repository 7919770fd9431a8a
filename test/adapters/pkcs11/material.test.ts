import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import { template, ulongs, type AttributeValues } from '../../../src/adapters/pkcs11/driver/attributes.js'
import { objectPlans } from '../../../src/adapters/pkcs11/driver/evidence.js'
import { rootMaterial, type Material } from '../../../src/domain/material.js'
import { HsmError } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { expectRefused, openBench, throwing, whileReplaced, type Bench } from './support.js'

const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')

/** Makes the first key as the driver would, but with these attributes changed. */
function makeRaw({ lib, connection, token }: Bench, material: Material, changed: AttributeValues): Handle {
  const wanted = objectPlans(material, token.profile)[0]?.wanted
  const mechanism = changed.key_type === pkcs11.CKK_GENERIC_SECRET ? pkcs11.CKM_GENERIC_SECRET_KEY_GEN : pkcs11.CKM_AES_KEY_GEN
  return lib.C_GenerateKey(connection.session(), { mechanism }, template({ ...wanted, ...changed }))
}

describe('material in SoftHSM', () => {
  let bench: Bench
  beforeEach(async () => { bench = await openBench() })
  afterEach(() => { bench.driver.close() })

  /** By name, when it is looked at and when it is first used; and it is not used. */
  function expectNeverUsed(material: Material, kind: 'evidence' | 'missing' = 'evidence', name = material.name): void {
    const uses = ['C_EncryptInit', 'C_DecryptInit', 'C_SignInit'] as const
    const use = (): void => {
      if (material.kind === 'ecdsa-p256') bench.driver.sign(material, 'ECDSA_SHA_256', Buffer.alloc(32))
      else if (material.kind === 'hmac-sha-256') bench.driver.mac(material, Buffer.alloc(32))
      else bench.driver.seal(material, plaintext, additionalData)
    }
    uses.reduce((inner, each) => () => { whileReplaced(bench.lib, each, () => { throw new Error('used') }, inner) }, () => {
      for (const refused of [use, () => { bench.driver.find(material) }]) {
        expect(refused).to.throw(HsmError, name).with.property('kind', kind)
      }
    })()
  }

  function destroying(objects: readonly Handle[], use: () => void): void {
    try {
      use()
    } finally {
      for (const object of objects) bench.lib.C_DestroyObject(bench.connection.session(), object)
    }
  }

  describe('evidence', () => {
    const bad: [string, AttributeValues][] = [
      ['extractable', { extractable: true }],
      ['not sensitive', { sensitive: false }],
      ['not private', { private: false }],
      ['able to wrap', { wrap: true }],
      ['able to unwrap', { unwrap: true }],
      ['able to derive', { derive: true }],
      ['able to sign', { sign: true }],
      ['not able to decrypt', { decrypt: false }],
      ['modifiable', { modifiable: true }],
      ['copyable', { copyable: true }],
      ['of another length', { value_len: 16 }],
      ['of another type', { key_type: pkcs11.CKK_GENERIC_SECRET }],
      ['bound to another mechanism', { allowed_mechanisms: ulongs(pkcs11.CKM_AES_GCM, pkcs11.CKM_AES_ECB) }],
      ['of another id', { id: Buffer.alloc(20, 1) }],
    ]
    for (const [what, changed] of bad) {
      it(`refuses a key of our name that is ${what}`, () => {
        const other = newMaterial()
        destroying([makeRaw(bench, other, changed)], () => { expectNeverUsed(other) })
      })
    }

    it('refuses a key that was written into the token from outside', () => {
      for (const other of [newMaterial(), rootMaterial('mac', 999_999_997)]) {
        const { value_len: _length, ...wanted } = objectPlans(other, bench.token.profile)[0]?.wanted ?? {}
        const value = { type: pkcs11.CKA_VALUE, value: randomBytes(32) }
        const object = bench.lib.C_CreateObject(bench.connection.session(), [...template(wanted), value])
        destroying([object], () => { expectNeverUsed(other) })
      }
    })

    it('refuses a pair whose public half can be seen, and exchanged, without a login', () => {
      const pair = rootMaterial('audit', 999_999_998)
      const [ours, theirs] = objectPlans(pair, bench.token.profile)
      const made = bench.lib.C_GenerateKeyPair(
        bench.connection.session(), { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN },
        template({ ...theirs?.wanted, private: false }), template(ours?.wanted ?? {}),
      )
      destroying([made.privateKey, made.publicKey], () => { expectNeverUsed(pair) })
    })

    it('refuses two keys that are good, and one whose other half is bad', () => {
      const both = newMaterial({ suite: 'cbc-hmac' })
      const [aes, mac] = objectPlans(both, bench.token.profile)
      const makeBoth = (first: AttributeValues, second: AttributeValues) => [
        bench.lib.C_GenerateKey(bench.connection.session(), { mechanism: aes?.generate ?? 0 }, template({ ...aes?.wanted, ...first })),
        bench.lib.C_GenerateKey(bench.connection.session(), { mechanism: mac?.generate ?? 0 }, template({ ...mac?.wanted, ...second })),
      ]
      destroying(makeBoth({ extractable: true }, {}), () => { expectNeverUsed(both) })
      destroying(makeBoth({}, { extractable: true }), () => { expectNeverUsed(both, 'evidence', both.macName) })
      destroying(makeBoth({}, { sensitive: false }), () => { expectNeverUsed(both, 'evidence', both.macName) })
      expect(bench.driver.find(both)).to.equal(undefined)
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

    it('refuses material of which one half is missing, whichever', async () => {
      for (const material of [rootMaterial('audit', 999_999_999), newMaterial({ suite: 'cbc-hmac' })]) {
        for (const half of [0, 1]) {
          bench.driver.createMaterial(material)
          bench.lib.C_DestroyObject(bench.connection.session(), bench.connection.handles(material)[half] as Handle)
          bench.driver.close()
          bench = await openBench()
          expectNeverUsed(material, 'evidence', half === 1 && material.macName !== undefined ? material.macName : material.name)
          expect(bench.driver.destroyMaterial(material)).to.equal(1)
        }
      }
    })
  })

  describe('names', () => {
    it('that two objects have are missing, never the first one', async () => {
      const material = newMaterial()
      bench.driver.createMaterial(material)
      makeRaw(bench, material, {})
      bench.driver.close()
      bench = await openBench()
      expectNeverUsed(material, 'missing')
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

  describe('an object that is destroyed', () => {
    const [kept, other] = [newMaterial(), newMaterial()]
    beforeEach(() => { bench.driver.createMaterial(kept) })
    afterEach(() => { bench.driver.destroyMaterial(kept) })
    const handleOfKept = (): Handle => bench.connection.handles(kept)[0] as Handle

    it('is never another one that the token names in its place', () => {
      bench.driver.createMaterial(other)
      const wrong = handleOfKept()
      let first = true
      const mistaken = (run: () => unknown): unknown => {
        const found = run() as Handle[]
        return first && found.length > 0 ? (first = false, [wrong]) : found
      }
      whileReplaced(bench.lib, 'C_FindObjects', mistaken, () => { expectRefused(() => bench.driver.destroyMaterial(other), 'lost') })
      expect(bench.driver.find(kept)).to.have.length(1)
      expect(bench.driver.destroyMaterial(other)).to.equal(1)
    })

    it('is never another one that the token takes for what it just made', () => {
      const wrong = handleOfKept()
      const mistaken = (run: () => unknown): unknown => { run(); return wrong }
      whileReplaced(bench.lib, 'C_GenerateKey', mistaken, () => { expectRefused(() => bench.driver.createMaterial(other), 'evidence') })
      expect(bench.driver.find(kept)).to.have.length(1)
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

    it('leaves nothing when the second key cannot be made', () => {
      const both = newMaterial({ suite: 'cbc-hmac' })
      for (const [code, kind] of [
        [pkcs11.CKR_DEVICE_ERROR, 'lost'], [pkcs11.CKR_SESSION_HANDLE_INVALID, 'lost'],
        [pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, 'configuration'], [pkcs11.CKR_DEVICE_MEMORY, 'capacity'],
      ] as const) {
        let calls = 0
        const second = (run: () => unknown) => { calls += 1; return calls % 2 === 0 ? throwing(code)() : run() }
        whileReplaced(bench.lib, 'C_GenerateKey', second, () => { expectRefused(() => bench.driver.createMaterial(both), kind) })
        expect(bench.driver.find(both)).to.equal(undefined)
      }
    })

    it('leaves nothing when the second key is not what it should be', () => {
      const both = newMaterial({ suite: 'cbc-hmac' })
      const weaken = (run: () => unknown, args: readonly unknown[]) => {
        if ((args[1] as pkcs11.Mechanism).mechanism === pkcs11.CKM_GENERIC_SECRET_KEY_GEN) {
          for (const attribute of args[2] as pkcs11.Template) if (attribute.type === pkcs11.CKA_EXTRACTABLE) attribute.value = true
        }
        return run()
      }
      whileReplaced(bench.lib, 'C_GenerateKey', weaken, () => { expectRefused(() => bench.driver.createMaterial(both), 'evidence') })
      expect(bench.driver.find(both)).to.equal(undefined)
    })

    it('refuses a name of which either half is taken', () => {
      const both = newMaterial({ suite: 'cbc-hmac' })
      const object = makeRaw(bench, { ...both, kind: 'gcm', name: both.macName ?? '' }, {})
      destroying([object], () => { expectRefused(() => bench.driver.createMaterial(both), 'exists') })
      expect(bench.driver.find(both)).to.equal(undefined)
    })

    it('survives a session that is lost between making and reading back', () => {
      const other = newMaterial()
      let calls = 0
      const once = (run: () => unknown) => {
        calls += 1
        if (calls === 1) bench.lib.C_CloseSession(bench.connection.session())
        return run()
      }
      whileReplaced(bench.lib, 'C_GetAttributeValue', once, () => { expect(bench.driver.createMaterial(other)).to.have.length(1) })
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
