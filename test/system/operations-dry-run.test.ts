import { expect } from 'chai'
import { operations } from '../../src/service/operations.js'
import { refusal } from '../support/clients.js'
import { missingKeyId, suite, type NewKey } from './suite.js'

const wouldWork = { __type: 'DryRunOperationException', message: 'The request would have succeeded, but the DryRun option is set.' }
const plaintext = Buffer.from('x').toString('base64')
interface Case {
  readonly operation: string
  readonly input: (key: string) => object
  /** What is said of a disabled key, if it is not that. */
  readonly disabled?: string
  /** What kind of key it takes: a symmetric one unless it says so. */
  readonly spec?: OtherSpec
}

const message = Buffer.from('a text').toString('base64')
const hmac = { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' } as const
const signing = { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' } as const
const agreement = { KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' } as const
type OtherSpec = typeof hmac | typeof signing | typeof agreement
/** On keys that SoftHSM cannot make; test/service/post-quantum.test.ts has them. */
const withoutKeys = ['Encapsulate', 'Decapsulate']
const algorithms = { MacAlgorithm: 'HMAC_SHA_256', SigningAlgorithm: 'ECDSA_SHA_256', KeyAgreementAlgorithm: 'ECDH' }

describe('DryRun', () => {
  const on = suite()
  let key: NewKey
  let disabled: NewKey
  let blob: string
  const grants: string[] = []
  /** Of each other kind a key and a disabled one. */
  const others = new Map<OtherSpec, readonly [NewKey, NewKey]>()
  const made = { mac: '', signature: '', publicKey: '' }

  before(async () => {
    key = await on.newKey()
    disabled = await on.newKey()
    await on.kms.disableKey({ KeyId: disabled.id })
    blob = (await on.call('Encrypt', { KeyId: key.id, Plaintext: plaintext, EncryptionContext: { a: '1' } })).json.CiphertextBlob as string
  })

  before(async () => {
    for (const _ of ['to retire', 'to revoke']) {
      const { GrantId = '' } = await on.kms.createGrant({
        KeyId: key.id, GranteePrincipal: on.server.admin.accountId, Operations: ['Decrypt'],
      })
      grants.push(GrantId)
    }
  })

  before(async () => {
    for (const spec of [hmac, signing, agreement]) {
      const [one, off] = [await on.newKey(spec), await on.newKey(spec)]
      await on.kms.disableKey({ KeyId: off.id })
      others.set(spec, [one, off])
    }
    const idOf = (spec: OtherSpec) => others.get(spec)?.[0].id
    made.mac = (await on.call('GenerateMac', { ...algorithms, KeyId: idOf(hmac), Message: message })).json.Mac as string
    made.signature = (await on.call('Sign', { ...algorithms, KeyId: idOf(signing), Message: message })).json.Signature as string
    made.publicKey = (await on.call('GetPublicKey', { KeyId: idOf(agreement) })).json.PublicKey as string
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
    { operation: 'GenerateDataKeyPair', input: KeyId => ({ KeyId, KeyPairSpec: 'ECC_NIST_P256' }) },
    { operation: 'GenerateDataKeyPairWithoutPlaintext', input: KeyId => ({ KeyId, KeyPairSpec: 'ECC_NIST_P256' }) },
    { operation: 'GenerateMac', spec: hmac, input: KeyId => ({ ...algorithms, KeyId, Message: message }) },
    { operation: 'VerifyMac', spec: hmac, input: KeyId => ({ ...algorithms, KeyId, Message: message, Mac: made.mac }) },
    { operation: 'Sign', spec: signing, input: KeyId => ({ ...algorithms, KeyId, Message: message }) },
    { operation: 'Verify', spec: signing, input: KeyId => ({ ...algorithms, KeyId, Message: message, Signature: made.signature }) },
    { operation: 'DeriveSharedSecret', spec: agreement, input: KeyId => ({ ...algorithms, KeyId, PublicKey: made.publicKey }) },
    {
      operation: 'CreateGrant',
      input: KeyId => ({ KeyId, GranteePrincipal: on.server.admin.accountId, Operations: ['Decrypt'] }),
    },
    // Both work in every state of the key, but this one has no such grant.
    { operation: 'RetireGrant', input: KeyId => ({ KeyId, GrantId: grants[0] }), disabled: 'NotFoundException' },
    { operation: 'RevokeGrant', input: KeyId => ({ KeyId, GrantId: grants[1] }), disabled: 'NotFoundException' },
  ]

  it('is taken by every implemented operation that has it in the API', () => {
    const having = [...operations.values()].filter(({ contract }) => 'DryRun' in contract.input).map(({ name }) => name)
    expect([...cases.map(({ operation }) => operation), ...withoutKeys]).to.have.members(having)
  })

  for (const { operation, input, spec, disabled: ofDisabled = 'DisabledException' } of cases) {
    const keys = () => (spec && others.get(spec)) ?? [key, disabled]

    it(`${operation} says that it would have succeeded, and nothing else`, async () => {
      const [{ id }] = keys()
      const { status, json } = await on.call(operation, { ...input(id), DryRun: true })
      expect([status, json]).to.deep.equal([400, wouldWork])
      expect((await on.call(operation, { ...input(id), DryRun: false })).status).to.equal(200)
    })

    it(`${operation} is refused as it would have been`, async () => {
      for (const [ref, code] of [[keys()[1].id, ofDisabled], [missingKeyId, 'NotFoundException']] as const) {
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
