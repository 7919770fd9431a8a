import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { expect } from 'chai'
import { ecdsaFromDer, ecdsaToDer } from '../../src/domain/ecdsa-signature.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'

const text = Buffer.from('some text')

describe('ECDSA signatures', () => {
  printSeedOfFailures()

  for (const [namedCurve, orderBytes] of [['P-256', 32], ['P-384', 48], ['P-521', 66], ['secp256k1', 32]] as const) {
    it(`of ${namedCurve} go from one form to the other as OpenSSL has them`, () => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
      for (let round = 0; round < 20; round++) {
        const raw = sign('sha256', text, { key: privateKey, dsaEncoding: 'ieee-p1363' })
        expect(raw).to.have.length(2 * orderBytes)
        const der = ecdsaToDer(raw)
        expect(verify('sha256', text, publicKey, der)).to.equal(true)
        expect(Buffer.from(ecdsaFromDer(der, orderBytes) ?? [])).to.deep.equal(raw)
      }
    })
  }

  const refusals: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['r alone', '3003020101'],
    ['a third number', '3009020101020101020101'],
    ['bytes behind the end', '300602010102010100'],
    ['bytes inside behind s', '30080201010201010500'],
    ['a negative number', '3006020181020101'],
    ['a number with a needless zero', '300702020001020101'],
    ['an empty number', '30050200020101'],
    ['a long length where a short one does', '308106020101020101'],
    ['a number that is too large', `3027022201${'00'.repeat(33)}020101`],
    ['another tag', '3106020101020101'],
  ]
  for (const [what, hex] of refusals) {
    it(`are refused: ${what}`, () => {
      expect(ecdsaFromDer(Buffer.from(hex, 'hex'), 32)).to.equal(undefined)
    })
  }

  it('are one form only: what is accepted is what would have been written', () => {
    const choice = seeded('ecdsa')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const der = sign('sha256', text, privateKey)
    let accepted = 0
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(der)
      bytes[choice.below(bytes.length)] = choice.below(256)
      const raw = ecdsaFromDer(bytes, 32)
      if (!raw) continue
      accepted++
      expect(Buffer.from(ecdsaToDer(raw))).to.deep.equal(bytes)
    }
    expect(accepted).to.be.greaterThan(0)
  })
})
