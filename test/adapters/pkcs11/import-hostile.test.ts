import { createPublicKey, generateKeyPairSync, generatePrimeSync, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import { contextTag, der, derOctetString } from '../../../src/domain/der.js'
import { newKeyId } from '../../../src/domain/key-id.js'
import { backingKey, wrappingKey, type Material, type MaterialKind } from '../../../src/domain/material.js'
import {
  ecKey, ed25519Algorithm, goodRsa, newP256, p256Order, pkcs8, raw, rsaKey, rsaNames, rsaOf, scalarOf, withPoint, type RsaNumbers,
} from '../../support/made-up-keys.js'
import { wrappedFor } from '../../support/wrapped.js'
import { expectRefused, openBench, recordingLog, silentLog, whileReplaced, type Bench } from './support.js'

const outer = wrappingKey(2048, 20_001)
const newMaterial = (kind: MaterialKind): Material => ({ ...backingKey(newKeyId(randomBytes(16)), 1, kind), imported: true })

describe('importing what somebody has made up', function suite() {
  this.timeout(60_000)
  const log = recordingLog()
  let bench: Bench
  let publicKey: Uint8Array

  before(async () => {
    bench = await openBench(log)
    bench.driver.createMaterial(outer)
    publicKey = bench.driver.publicKey(outer)
  })
  after(() => {
    bench.driver.destroyMaterial(outer)
    bench.driver.close()
  })

  const wrap = (bytes: Uint8Array) => wrappedFor(outer, publicKey, 'RSA_AES_KEY_WRAP_SHA_256', bytes)
  const take = (material: Material, bytes: Uint8Array) => bench.driver.importMaterial(material, wrap(bytes))

  /** Nothing of it stays, and it costs the device neither a session nor a login. */
  function refusedAsMaterial(kind: MaterialKind, bytes: Uint8Array): void {
    const material = newMaterial(kind)
    const entries = log.entries.length
    expectRefused(() => bench.driver.inspectImport(material, wrap(bytes)), 'material')
    expectRefused(() => take(material, bytes), 'material')
    expect(bench.driver.find(material)).to.equal(undefined)
    expect(log.entries.slice(entries)).to.deep.equal([])
  }

  describe('RSA', () => {
    const good = goodRsa()
    const { p, q, n } = good

    it('takes a key whose numbers belong together, also with a small exponent or the order for d that is not the smallest', () => {
      const small = rsaOf(p, q, 3n)
      for (const numbers of [good, small, { ...good, d: good.d + (p - 1n) * (q - 1n) }, rsaOf(q, p)]) {
        const material = newMaterial('rsa-2048-sign')
        take(material, rsaKey(numbers))
        expect(bench.driver.destroyMaterial(material)).to.equal(2)
      }
    })

    const wrong: Readonly<Record<string, () => RsaNumbers>> = {
      ...Object.fromEntries(rsaNames.filter(name => name !== 'e').map(name =>
        [`whose ${name} has a wrong bit`, () => ({ ...good, [name]: good[name] ^ 4n })])),
      'with a private exponent of 0': () => ({ ...good, d: 0n }),
      'without the numbers of the Chinese remainder theorem': () => ({ ...good, p: 0n, q: 0n, dp: 0n, dq: 0n, qi: 0n }),
      'of one prime': () => ({ ...good, p: 1n, q: n, dp: 0n, dq: good.d % (n - 1n), qi: 1n }),
      'of the same prime twice': () => ({ ...rsaOf(p, p + 2n), q: p, n: p * p }),
      'of composite factors': () => rsaOf(p, q + 2n),
      'with an even modulus': () => ({ ...good, n: n ^ 1n }),
      'with exponents that are too large': () => ({ ...good, dp: good.dp + p - 1n }),
      'with an exponent of 1': () => ({ ...good, e: 1n, d: 1n, dp: 1n, dq: 1n }),
      'with an exponent of more than 64 bits': () => rsaOf(p, q, (1n << 65n) + 1n),
      'with an exponent as long as its modulus': () => rsaOf(p, q, (1n << 2040n) + 1n),
    }
    for (const [name, numbers] of Object.entries(wrong)) {
      it(`refuses a key ${name}`, () => refusedAsMaterial('rsa-2048-encrypt', rsaKey(numbers())))
    }

    it('refuses a key with a tiny prime', () => {
      const [tiny, large] = [generatePrimeSync(63, { bigint: true }), generatePrimeSync(1985, { bigint: true })]
      refusedAsMaterial('rsa-2048-sign', rsaKey(rsaOf(tiny, large)))
    })
  })

  describe('elliptic curves', () => {
    for (const [name, number] of Object.entries({
      'zero': 0n, 'the order': p256Order, 'more than the order': p256Order + 1n, 'all ones': (1n << 256n) - 1n,
    })) {
      it(`refuses a private number that is ${name}`, () => {
        for (const kind of ['ecdsa-p256', 'ecdh-p256'] as const) refusedAsMaterial(kind, ecKey(scalarOf(number)))
      })
    }

    it('takes the smallest and the largest private number', () => {
      for (const number of [1n, p256Order - 1n]) {
        const material = newMaterial('ecdsa-p256')
        take(material, ecKey(scalarOf(number)))
        bench.driver.destroyMaterial(material)
      }
    })

    it('refuses a public half that is not its own, whatever it is; one at infinity would make Node abort', () => {
      const [{ d }, { x, y }] = [newP256(), newP256()]
      for (const point of [Buffer.of(0), Buffer.concat([Buffer.of(4), raw(x), raw(y)]), Buffer.alloc(65, 4), Buffer.of(2)]) {
        for (const kind of ['ecdsa-p256', 'ecdh-p256'] as const) refusedAsMaterial(kind, ecKey(raw(d), withPoint(point)))
      }
    })

    it('works the public half out from the private one, whether or not and however it came along', () => {
      const { d, x, y } = newP256()
      const compressed = 2 | (raw(y).at(-1) ?? 0) & 1
      for (const behind of [[], [withPoint(Buffer.of(4), raw(x), raw(y))], [withPoint(Buffer.of(compressed), raw(x))]]) {
        const material = newMaterial('ecdsa-p256')
        take(material, ecKey(raw(d), ...behind))
        const told = createPublicKey({ key: Buffer.from(bench.driver.publicKey(material)), format: 'der', type: 'spki' })
        expect(told.export({ format: 'jwk' })).to.include({ x, y })
        bench.driver.destroyMaterial(material)
      }
    })

    it('takes an Ed25519 key in its newer form, which has the public half, and no other public half', () => {
      const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
      const newer = (point: Uint8Array) =>
        pkcs8(ed25519Algorithm, derOctetString(raw(d)), der(contextTag(1, 'primitive'), Buffer.of(0), point))
      const material = newMaterial('ed25519')
      take(material, newer(raw(x)))
      bench.driver.destroyMaterial(material)
      refusedAsMaterial('ed25519', newer(randomBytes(32)))
    })
  })

  it('refuses what only looks like DER: no lengths, too large ones, ten thousand layers', () => {
    const layers = Buffer.alloc(6_000, Buffer.from('3080', 'hex'))
    for (const bytes of [layers, Buffer.from('3084ffffffff', 'hex'), Buffer.from('3080020100', 'hex'), Buffer.alloc(1)]) {
      for (const kind of ['rsa-2048-sign', 'ecdsa-p256', 'ed25519'] as const) refusedAsMaterial(kind, bytes)
    }
  })
})

// SoftHSM stands in for a token that unwraps private keys: their numbers are never seen, so only using them shows what they are worth.
describe('importing inside the token a private key that somebody has made up', function suite() {
  this.timeout(60_000)

  it('refuses a key that the token cannot work with, and goes on with the session', async () => {
    const template = { ...softhsm.template, private: { set: {}, omit: [] } }
    const { driver, lib, connection } = await openBench(silentLog, true, { profile: { ...softhsm, import: 'hsm', template } })
    try {
      driver.createMaterial(outer)
      const good = goodRsa()
      for (const numbers of [{ ...good, p: 0n, q: 0n, dp: 0n, dq: 0n, qi: 0n }, { ...good, d: good.d ^ 4n, dp: good.dp ^ 4n }]) {
        const material = newMaterial('rsa-2048-sign')
        const session = connection.session()
        const wrapped = wrappedFor(outer, driver.publicKey(outer), 'RSA_AES_KEY_WRAP_SHA_256', rsaKey(numbers))
        expectRefused(() => whileReplaced(lib, 'C_UnwrapKey', (run, args) => {
          const mechanism = args[1] as { mechanism: number }
          const isKwp = mechanism.mechanism === 0x210b
          // What SoftHSM calls it.
          if (isKwp) mechanism.mechanism = pkcs11.CKM_AES_KEY_WRAP_PAD
          try {
            return run()
          } finally {
            if (isKwp) mechanism.mechanism = 0x210b
          }
        }, () => driver.importMaterial(material, wrapped)), 'material')
        expect(connection.session().equals(session)).to.equal(true)
        expect(connection.byName(material)).to.deep.equal([])
      }
    } finally {
      driver.destroyMaterial(outer)
      driver.close()
    }
  })
})
