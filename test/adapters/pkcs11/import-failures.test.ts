import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { search } from '../../../src/adapters/pkcs11/driver/objects.js'
import { newKeyId } from '../../../src/domain/key-id.js'
import { backingKey, wrappingKey, type Material, type MaterialKind } from '../../../src/domain/material.js'
import { ecKey, goodRsa, newP256, raw, rsaKey } from '../../support/made-up-keys.js'
import { wrappedFor } from '../../support/wrapped.js'
import { expectRefused, openBench, throwing, whileReplaced, type Bench } from './support.js'

const outer = wrappingKey(2048, 20_003)
const newMaterial = (kind: MaterialKind): Material => ({ ...backingKey(newKeyId(randomBytes(16)), 1, kind), imported: true })

describe('an import, whatever comes of it', function suite() {
  this.timeout(60_000)
  let bench: Bench
  let publicKey: Uint8Array

  before(async () => {
    bench = await openBench()
    bench.driver.createMaterial(outer)
    publicKey = bench.driver.publicKey(outer)
  })
  after(() => {
    bench.driver.destroyMaterial(outer)
    bench.driver.close()
  })

  const take = (material: Material, bytes: Uint8Array) =>
    bench.driver.importMaterial(material, wrappedFor(outer, publicKey, 'RSA_AES_KEY_WRAP_SHA_256', bytes))

  it('overwrites what it held of the material', () => {
    const secret = new Set<unknown>([
      pkcs11.CKA_VALUE, pkcs11.CKA_PRIVATE_EXPONENT, pkcs11.CKA_PRIME_1, pkcs11.CKA_PRIME_2, pkcs11.CKA_EXPONENT_1, pkcs11.CKA_EXPONENT_2,
      pkcs11.CKA_COEFFICIENT,
    ])
    for (const [kind, bytes] of [
      ['gcm', randomBytes(32)], ['ecdsa-p256', ecKey(raw(newP256().d))], ['rsa-2048-sign', rsaKey(goodRsa())],
    ] as const) {
      for (const fails of [false, true]) {
        const [material, held, out]: [Material, Buffer[], Buffer[]] = [newMaterial(kind), [], []]
        const took = () => whileReplaced(bench.lib, 'C_Decrypt', run => {
          const opened = run() as Buffer
          out.push(opened)
          return opened
        }, () => whileReplaced(bench.lib, 'C_CreateObject', (run, args) => {
          const values = (args[1] as { type: number, value: Buffer }[]).filter(({ type }) => secret.has(type)).map(({ value }) => value)
          expect(values.every(value => value.some(byte => byte !== 0))).to.equal(true)
          held.push(...values)
          return fails ? throwing(pkcs11.CKR_DEVICE_ERROR)() : run()
        }, () => take(material, bytes)))
        if (fails) expect(took).to.throw()
        else took()
        bench.driver.destroyMaterial(material)
        expect(held.length * out.length).to.be.above(0)
        expect([...held, ...out].every(value => value.every(byte => byte === 0))).to.equal(true)
      }
    }
  })

  it('leaves no object of a session behind, not even one that the device does not destroy', () => {
    const material = backingKey(newKeyId(randomBytes(16)), 1, 'ecdh-p256')
    bench.driver.createMaterial(material)
    const { x, y } = newP256()
    const point = Buffer.concat([Buffer.of(4), raw(x), raw(y)])
    const left = () => search(bench.lib, bench.connection.session(), { token: false })
    for (const failing of ['C_DestroyObject', 'C_GetAttributeValue'] as const) {
      const fails = throwing(pkcs11.CKR_FUNCTION_FAILED)
      const derive = () => whileReplaced(bench.lib, failing, fails, () => bench.driver.deriveSharedSecret(material, point))
      if (failing === 'C_DestroyObject') derive()
      else expectRefused(derive, 'lost')
      expect(left()).to.deep.equal([])
    }
    bench.driver.destroyMaterial(material)
  })

  describe('a device that fails', () => {
    const secrets = [['gcm', 32], ['hmac-sha-512', 64]] as const

    it('keeps nothing that it has not kept well', () => {
      for (const [kind, bytes] of secrets) {
        const material = newMaterial(kind)
        const garbled = () => whileReplaced(bench.lib, 'C_CreateObject', (run, args) => {
          const value = (args[1] as { type: number, value: Buffer }[]).find(({ type }) => type === pkcs11.CKA_VALUE)?.value
          if (value) value[0] = (value[0] as number) ^ 1
          try {
            return run()
          } finally {
            if (value) value[0] = (value[0] as number) ^ 1
          }
        }, () => take(material, randomBytes(bytes)))
        expectRefused(garbled, 'lost')
        expect(bench.driver.find(material)).to.equal(undefined)
      }
    })

    it('is asked again when it says that material cannot be unwrapped', () => {
      const material = newMaterial('gcm')
      let left = 1
      whileReplaced(bench.lib, 'C_Decrypt', run => {
        const out = run() as Buffer
        if (left-- > 0) out[9] = (out[9] as number) ^ 1
        return out
      }, () => take(material, randomBytes(32)))
      expect(bench.driver.destroyMaterial(material)).to.equal(1)
    })

    it('leaves no half of a pair', () => {
      const material = newMaterial('ecdsa-p256')
      let left = 1
      const failing = () => whileReplaced(bench.lib, 'C_CreateObject', run => {
        if (left-- > 0) return run()
        return throwing(pkcs11.CKR_DEVICE_ERROR)()
      }, () => take(material, ecKey(raw(newP256().d))))
      expectRefused(failing, 'lost')
      expect(bench.connection.byName(material)).to.deep.equal([])
    })
  })
})
