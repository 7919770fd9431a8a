import { expect } from 'chai'
import { iamContracts } from '../../../src/api/iam/operations.js'
import { createGrant } from '../../../src/api/grants.js'
import { importKeyMaterial } from '../../../src/api/imports.js'
import { contracts } from '../../../src/api/operations.js'
import { checkInput } from '../../../src/http/json/shape-check.js'
import { hashOfInput, inputOf, inputText } from '../../../src/service/approvals/stored-input.js'
import { sampleInput, sampleOf } from '../../support/samples.js'

describe('the members of a call that waits', () => {
  for (const { name, input } of [...contracts.values(), ...iamContracts.values()]) {
    it(`of ${name} come back as they were`, () => {
      const every = Object.fromEntries(Object.entries(input).map(([member, shape]) => [member, sampleOf(shape)]))
      for (const json of [sampleInput(name, input), every]) {
        const members = checkInput(input, json)
        expect(inputOf(input, inputText(input, members))).to.deep.equal(members)
      }
    })
  }

  it('are one text, whatever their order', () => {
    const one = { KeyId: 'a', Constraints: { EncryptionContextEquals: { a: '1', b: '2' } }, Operations: ['Decrypt', 'Encrypt'] }
    const other = { Operations: ['Decrypt', 'Encrypt'], Constraints: { EncryptionContextEquals: { b: '2', a: '1' } }, KeyId: 'a' }
    const [text, again] = [one, other].map(input => inputText(createGrant.input, input))
    expect(text).to.equal('{"Constraints":{"EncryptionContextEquals":{"a":"1","b":"2"}},"KeyId":"a","Operations":["Decrypt","Encrypt"]}')
    expect(again).to.equal(text)
    expect(inputText(createGrant.input, { ...one, Operations: ['Encrypt', 'Decrypt'] })).to.not.equal(text)
  })

  it('keep names that objects have by themselves, and times to the millisecond', () => {
    const context = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>
    const grant = { KeyId: 'a', Operations: [], Constraints: { EncryptionContextEquals: context } }
    const back = inputOf(createGrant.input, inputText(createGrant.input, grant)) as typeof grant
    expect(Object.entries(back.Constraints.EncryptionContextEquals)).to.deep.equal(Object.entries(context))
    const ValidTo = new Date(1_767_225_600_123)
    const material = { KeyId: 'a', ImportToken: Uint8Array.of(1), EncryptedKeyMaterial: Uint8Array.of(255, 0), ValidTo }
    expect(inputText(importKeyMaterial.input, material)).to.equal(
      '{"EncryptedKeyMaterial":"/wA=","ImportToken":"AQ==","KeyId":"a","ValidTo":1767225600.123}')
    expect(inputOf(importKeyMaterial.input, inputText(importKeyMaterial.input, material))).to.deep.equal(material)
  })

  it('have the SHA-256 of their text, as sha256sum says it', () => {
    expect(hashOfInput('{"KeyId":"a"}')).to.equal('7c8e739179577b70cf526d5c14dc712dc1b7eb2a822417af8e0e47edc61edc24')
  })
})
