import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { suite, type NewKey } from './suite.js'

const attestation = { KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256', AttestationDocument: Buffer.from('document') } as const

describe('data keys over HTTP', () => {
  const on = suite()
  let key: NewKey

  before(async () => { key = await on.newKey() })

  for (const [length, bytes] of [
    [{ KeySpec: 'AES_128' }, 16], [{ KeySpec: 'AES_256' }, 32], [{ NumberOfBytes: 1 }, 1], [{ NumberOfBytes: 64 }, 64],
    [{ NumberOfBytes: 1024 }, 1024],
  ] as const) {
    it(`have ${bytes} bytes for ${JSON.stringify(length)}, with and without plaintext`, async () => {
      const { $metadata: _, Plaintext, CiphertextBlob, ...rest } = await on.kms.generateDataKey({ KeyId: key.id, ...length })
      expect(Plaintext).to.have.length(bytes)
      expect(rest).to.deep.equal({ KeyId: key.arn, KeyMaterialId: key.materialId })
      expect(Buffer.from((await on.kms.decrypt({ CiphertextBlob })).Plaintext ?? [])).to.deep.equal(Buffer.from(Plaintext ?? []))

      const { $metadata: __, CiphertextBlob: only, ...without } = await on.kms.generateDataKeyWithoutPlaintext({ KeyId: key.id, ...length })
      expect(without).to.deep.equal({ KeyId: key.arn, KeyMaterialId: key.materialId })
      expect((await on.kms.decrypt({ CiphertextBlob: only })).Plaintext).to.have.length(bytes)
    })
  }

  it('are bound to the encryption context', async () => {
    const EncryptionContext = { purpose: 'backup' }
    for (const { CiphertextBlob } of [
      await on.kms.generateDataKey({ KeyId: key.id, KeySpec: 'AES_256', EncryptionContext }),
      await on.kms.generateDataKeyWithoutPlaintext({ KeyId: key.id, KeySpec: 'AES_256', EncryptionContext }),
    ]) {
      expect((await on.kms.decrypt({ CiphertextBlob, EncryptionContext })).Plaintext).to.have.length(32)
      expect((await refusal(on.kms.decrypt({ CiphertextBlob }))).code).to.equal('InvalidCiphertextException')
    }
  })

  it('are never the same twice', async () => {
    const keys = await Promise.all(Array.from({ length: 50 }, () => on.kms.generateDataKey({ KeyId: key.id, KeySpec: 'AES_256' })))
    for (const member of ['Plaintext', 'CiphertextBlob'] as const) {
      expect(new Set(keys.map(answer => Buffer.from(answer[member] ?? []).toString('hex')))).to.have.property('size', 50)
    }
  })

  it('need exactly one of KeySpec and NumberOfBytes', async () => {
    const answer = { code: 'ValidationException', message: 'Please specify either number of bytes or key spec.' }
    for (const length of [{}, { KeySpec: 'AES_256', NumberOfBytes: 32 }] as const) {
      expect(await refusal(on.kms.generateDataKey({ KeyId: key.id, ...length }))).to.deep.equal(answer)
      expect(await refusal(on.kms.generateDataKeyWithoutPlaintext({ KeyId: key.id, ...length }))).to.deep.equal(answer)
    }
  })
})

describe('GenerateRandom over HTTP', () => {
  const on = suite()

  for (const bytes of [1, 32, 1023, 1024]) {
    it(`gives ${bytes} bytes`, async () => {
      const { $metadata: _, ...answer } = await on.kms.generateRandom({ NumberOfBytes: bytes })
      expect(Object.keys(answer)).to.deep.equal(['Plaintext'])
      expect(answer.Plaintext).to.have.length(bytes)
    })
  }

  it('gives bytes that differ and of which hardly any are zero', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => on.kms.generateRandom({ NumberOfBytes: 1024 })))
    expect(new Set(answers.map(({ Plaintext }) => Buffer.from(Plaintext ?? []).toString('hex')))).to.have.property('size', 20)
    // 20,480 bytes have 80 zeros on average; 200 would be 13 standard deviations away.
    expect(answers.flatMap(({ Plaintext }) => [...Plaintext ?? []]).filter(byte => byte === 0).length).to.be.below(200)
  })

  it('needs a length, and knows no key store', async () => {
    expect(await refusal(on.kms.generateRandom({}))).to.deep.equal({ code: 'ValidationException', message: 'NumberOfBytes is required.' })
    expect((await refusal(on.kms.generateRandom({ NumberOfBytes: 1, CustomKeyStoreId: 'cks-0123456789abcdef0' }))).code)
      .to.equal('CustomKeyStoreNotFoundException')
  })
})

describe('members that need what is not built yet', () => {
  const on = suite()
  let key: NewKey
  let blob: Uint8Array | undefined

  before(async () => {
    key = await on.newKey()
    blob = (await on.kms.encrypt({ KeyId: key.id, Plaintext: Buffer.from('x') })).CiphertextBlob
  })

  it('Recipient is refused, never ignored', async () => {
    for (const call of [
      on.kms.decrypt({ CiphertextBlob: blob, Recipient: attestation }),
      on.kms.generateDataKey({ KeyId: key.id, KeySpec: 'AES_256', Recipient: attestation }),
      on.kms.generateRandom({ NumberOfBytes: 1, Recipient: attestation }),
    ]) {
      expect((await refusal(call)).code).to.equal('UnsupportedOperationException')
    }
  })

  it('GrantTokens are refused while no grant can have been made', async () => {
    const GrantTokens = ['AQpAM2RhZTk1MGMyNTk2ZmZmMzEyYWVhOWViN2I1MWM4Mzc0MWFiYjc0ZDE1ODkyNGFl']
    for (const call of [
      on.kms.describeKey({ KeyId: key.id, GrantTokens }),
      on.kms.encrypt({ KeyId: key.id, Plaintext: Buffer.from('x'), GrantTokens }),
      on.kms.decrypt({ CiphertextBlob: blob, GrantTokens }),
      on.kms.reEncrypt({ CiphertextBlob: blob, DestinationKeyId: key.id, GrantTokens }),
      on.kms.generateDataKey({ KeyId: key.id, KeySpec: 'AES_256', GrantTokens }),
      on.kms.generateDataKeyWithoutPlaintext({ KeyId: key.id, KeySpec: 'AES_256', GrantTokens }),
    ]) {
      expect((await refusal(call)).code).to.equal('InvalidGrantTokenException')
    }
    expect((await on.kms.describeKey({ KeyId: key.id, GrantTokens: [] })).KeyMetadata?.KeyId).to.equal(key.id)
  })
})
