import { expect } from 'chai'
import { operations } from '../../src/service/operations.js'
import { refusal } from '../support/clients.js'
import { missingKeyId, suite, type NewKey } from './suite.js'

const wouldWork = { __type: 'DryRunOperationException', message: 'The request would have succeeded, but the DryRun option is set.' }
const plaintext = Buffer.from('x').toString('base64')
interface Case { readonly operation: string, readonly input: (key: string) => object }

describe('DryRun', () => {
  const on = suite()
  let key: NewKey
  let disabled: NewKey
  let blob: string

  before(async () => {
    key = await on.newKey()
    disabled = await on.newKey()
    await on.kms.disableKey({ KeyId: disabled.id })
    blob = (await on.call('Encrypt', { KeyId: key.id, Plaintext: plaintext, EncryptionContext: { a: '1' } })).json.CiphertextBlob as string
  })

  const EncryptionContext = { a: '1' }
  /** Each with the key that is asked for its state. */
  const cases: readonly Case[] = [
    { operation: 'Encrypt', input: KeyId => ({ KeyId, Plaintext: plaintext }) },
    { operation: 'Decrypt', input: KeyId => ({ KeyId, CiphertextBlob: blob, EncryptionContext }) },
    {
      operation: 'ReEncrypt',
      input: KeyId => ({ DestinationKeyId: KeyId, CiphertextBlob: blob, SourceEncryptionContext: EncryptionContext }),
    },
    { operation: 'GenerateDataKey', input: KeyId => ({ KeyId, KeySpec: 'AES_256' }) },
    { operation: 'GenerateDataKeyWithoutPlaintext', input: KeyId => ({ KeyId, KeySpec: 'AES_256' }) },
  ]

  it('is taken by every implemented operation that has it in the API', () => {
    const having = [...operations.values()].filter(({ contract }) => 'DryRun' in contract.input).map(({ name }) => name)
    expect(cases.map(({ operation }) => operation)).to.have.members(having)
  })

  for (const { operation, input } of cases) {
    it(`${operation} says that it would have succeeded, and nothing else`, async () => {
      const { status, json } = await on.call(operation, { ...input(key.id), DryRun: true })
      expect([status, json]).to.deep.equal([400, wouldWork])
      expect((await on.call(operation, { ...input(key.id), DryRun: false })).status).to.equal(200)
    })

    it(`${operation} is refused as it would have been`, async () => {
      for (const [ref, code] of [[disabled.id, 'DisabledException'], [missingKeyId, 'NotFoundException']] as const) {
        expect((await on.call(operation, { ...input(ref), DryRun: true })).json.__type).to.equal(code)
      }
    })
  }

  it('tries to open what Decrypt and ReEncrypt would open', async () => {
    for (const call of [
      on.kms.decrypt({ CiphertextBlob: Buffer.from(blob, 'base64'), DryRun: true }),
      on.kms.reEncrypt({ CiphertextBlob: Buffer.from(blob, 'base64'), DestinationKeyId: key.id, DryRun: true }),
    ]) {
      expect(await refusal(call)).to.deep.equal({ code: 'InvalidCiphertextException', message: '' })
    }
  })

  it('needs no ciphertext with the modifier IGNORE_CIPHERTEXT, but then a key', async () => {
    const modified = { DryRun: true, DryRunModifiers: ['IGNORE_CIPHERTEXT'] }
    expect((await on.call('Decrypt', { ...modified, KeyId: key.id })).json).to.deep.equal(wouldWork)
    expect((await on.call('ReEncrypt', { ...modified, SourceKeyId: key.id, DestinationKeyId: key.id })).json).to.deep.equal(wouldWork)
    expect((await on.call('Decrypt', { ...modified, KeyId: disabled.id })).json.__type).to.equal('DisabledException')
    expect((await on.call('Decrypt', modified)).json.__type).to.equal('ValidationException')
    expect((await on.call('Decrypt', { ...modified, DryRun: false, KeyId: key.id })).json.__type).to.equal('ValidationException')
  })
})
