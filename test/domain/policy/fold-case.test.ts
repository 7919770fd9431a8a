import { expect } from 'chai'
import { foldCase } from '../../../src/domain/policy/fold-case.js'

describe('names without regard to case', () => {
  it('are those in small letters', () => {
    expect(foldCase('KMS:EncryptionContext:AppName')).to.equal('kms:encryptioncontext:appname')
    expect(foldCase('aws:PrincipalTag/ÄPFEL Ωmega')).to.equal('aws:principaltag/äpfel ωmega')
    expect(foldCase('')).to.equal('')
  })

  it('are the same for the two cases of every letter that has two', () => {
    for (let code = 0; code < 0x3000; code++) {
      const small = String.fromCharCode(code)
      const capital = small.toUpperCase()
      if (capital.length === 1 && capital.toLowerCase() === small) expect(foldCase(capital), capital).to.equal(foldCase(small))
    }
  })

  for (const [what, looksLike, letter] of [
    ['the sign for Kelvin', '\u212a', 'k'], ['the sign for Ångström', '\u212b', 'å'], ['the sign for Ohm', '\u2126', 'ω'],
    ['a dotless i', '\u0131', 'i'], ['a dotted I', '\u0130', 'i'], ['a long s', '\u017f', 's'], ['a full-width A', '\uff21', 'a'],
  ] as const) {
    it(`are not mixed up by ${what}`, () => { expect(foldCase(looksLike)).to.not.equal(letter) })
  }

  it('stay the same when they are folded again', () => {
    for (let code = 0; code < 0x3000; code++) {
      const once = foldCase(String.fromCharCode(code))
      expect(foldCase(once)).to.equal(once)
    }
  })
})
