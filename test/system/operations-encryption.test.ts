import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { suite, type NewKey } from './suite.js'

type Context = Record<string, string>
const secret = Buffer.from('attack at dawn')
const invalid = { code: 'InvalidCiphertextException', message: '' }

describe('Encrypt and Decrypt over HTTP', () => {
  const on = suite()
  let key: NewKey
  let other: NewKey

  before(async () => {
    key = await on.newKey()
    other = await on.newKey()
    await on.kms.createAlias({ AliasName: 'alias/encryption', TargetKeyId: key.id })
  })

  const seal = async (context?: Context, plaintext: Uint8Array = secret) =>
    (await on.kms.encrypt({ KeyId: key.id, Plaintext: plaintext, EncryptionContext: context })).CiphertextBlob
  const open = async (blob: Uint8Array | undefined, context?: Context) =>
    Buffer.from((await on.kms.decrypt({ CiphertextBlob: blob, EncryptionContext: context })).Plaintext ?? [])

  it('answer with algorithm, key ARN and (Decrypt only) key material', async () => {
    const { $metadata: _, ...sealed } = await on.kms.encrypt({ KeyId: 'alias/encryption', Plaintext: secret })
    expect(sealed).to.deep.equal({ CiphertextBlob: sealed.CiphertextBlob, KeyId: key.arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' })
    const { $metadata: __, ...opened } = await on.kms.decrypt({ CiphertextBlob: sealed.CiphertextBlob })
    expect({ ...opened, Plaintext: Buffer.from(opened.Plaintext ?? []) }).to.deep.equal({
      KeyId: key.arn, Plaintext: secret, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT', KeyMaterialId: key.materialId,
    })
  })

  for (const bytes of [1, 15, 16, 17, 4095, 4096]) {
    it(`bring back ${bytes} bytes`, async () => {
      const plaintext = randomBytes(bytes)
      const blob = await seal(undefined, plaintext)
      expect((await open(blob)).equals(plaintext)).to.equal(true)
      expect(blob?.length).to.be.at.most(6144)
    })
  }

  for (const [bytes, rule] of [[0, 'greater than or equal to 1'], [4097, 'less than or equal to 4096']] as const) {
    it(`Encrypt refuses ${bytes} bytes, and does not repeat them`, async () => {
      expect(await refusal(on.kms.encrypt({ KeyId: key.id, Plaintext: new Uint8Array(bytes) }))).to.deep.equal({
        code: 'ValidationException',
        message: `1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length ${rule}`,
      })
    })
  }

  it('Encrypt never gives the same ciphertext twice', async () => {
    const blobs = await Promise.all(Array.from({ length: 20 }, () => seal()))
    expect(new Set(blobs.map(blob => Buffer.from(blob ?? []).toString('hex')))).to.have.property('size', 20)
  })

  it('Decrypt finds the key by itself, and takes its name in every form', async () => {
    const blob = await seal()
    for (const KeyId of [undefined, key.id, key.arn, 'alias/encryption', key.arn.replace(`key/${key.id}`, 'alias/encryption')]) {
      expect((await on.kms.decrypt({ CiphertextBlob: blob, KeyId })).KeyId, KeyId).to.equal(key.arn)
    }
  })

  it('Decrypt refuses to open with another key than the one that sealed', async () => {
    expect(await refusal(on.kms.decrypt({ CiphertextBlob: await seal(), KeyId: other.id }))).to.deep.equal({
      code: 'IncorrectKeyException', message: 'The key ID in the request does not identify a CMK that can perform this operation.',
    })
  })

  it('Decrypt needs a ciphertext', async () => {
    expect((await refusal(on.kms.decrypt({ CiphertextBlob: undefined, KeyId: key.id }))).code).to.equal('ValidationException')
  })

  it('answers every broken ciphertext alike, with and without KeyId', async () => {
    const blob = Buffer.from(await seal() ?? [])
    const flipped = (at: number) => Buffer.from(blob.map((byte, index) => index === at ? byte ^ 1 : byte))
    const broken = [
      flipped(0), flipped(3), flipped(4), flipped(24), flipped(25), flipped(30), flipped(blob.length - 1),
      blob.subarray(0, -1), Buffer.concat([blob, Buffer.of(0)]), Buffer.of(0), randomBytes(100), randomBytes(6144),
    ]
    for (const CiphertextBlob of broken) {
      for (const KeyId of [undefined, key.id]) expect(await refusal(on.kms.decrypt({ CiphertextBlob, KeyId }))).to.deep.equal(invalid)
    }
  })

  it('a ciphertext in which the key is exchanged for another one does not open', async () => {
    const [mine, theirs] = [Buffer.from(await seal() ?? []),
      Buffer.from((await on.kms.encrypt({ KeyId: other.id, Plaintext: secret })).CiphertextBlob ?? [])]
    const header = 25
    const mixed = Buffer.concat([theirs.subarray(0, header), mine.subarray(header)])
    expect(await refusal(on.kms.decrypt({ CiphertextBlob: mixed }))).to.deep.equal(invalid)
  })

  it('refuse algorithms of asymmetric keys', async () => {
    const invalidUsage = {
      code: 'InvalidKeyUsageException', message: 'Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.',
    }
    const incorrectKey = {
      code: 'IncorrectKeyException', message: 'The key ID in the request does not identify a CMK that can perform this operation.',
    }
    const [KeyId, EncryptionAlgorithm] = [key.id, 'RSAES_OAEP_SHA_256'] as const
    const CiphertextBlob = await seal()
    for (const DryRun of [false, true]) {
      expect(await refusal(on.kms.encrypt({ KeyId, Plaintext: secret, EncryptionAlgorithm, DryRun }))).to.deep.equal(invalidUsage)
      expect(await refusal(on.kms.decrypt({ KeyId, CiphertextBlob, EncryptionAlgorithm, DryRun }))).to.deep.equal(incorrectKey)
      expect(await refusal(on.kms.reEncrypt({
        CiphertextBlob, DestinationKeyId: KeyId, DestinationEncryptionAlgorithm: EncryptionAlgorithm, DryRun,
      }))).to.deep.equal(invalidUsage)
      expect(await refusal(on.kms.reEncrypt({
        CiphertextBlob, DestinationKeyId: KeyId, SourceEncryptionAlgorithm: EncryptionAlgorithm, DryRun,
      }))).to.deep.equal(incorrectKey)
    }
  })

  it('look for the key before they judge the algorithm', async () => {
    const missing = '00000000-0000-4000-8000-000000000000'
    const call = on.kms.encrypt({ KeyId: missing, Plaintext: secret, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' })
    expect((await refusal(call)).code).to.equal('NotFoundException')
  })

  describe('the encryption context', () => {
    const same: readonly (readonly [title: string, sealed: Context | undefined, opened: Context | undefined])[] = [
      ['in another order', { a: '1', b: '2', 'ü': '3' }, { 'ü': '3', b: '2', a: '1' }],
      ['when empty and absent', {}, undefined],
      ['with an empty value', { a: '' }, { a: '' }],
      ['in any script', { 'ключ': '値', '🔑': '🔒\u0000' }, { '🔑': '🔒\u0000', 'ключ': '値' }],
      ['with names that JavaScript knows', JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as Context,
        JSON.parse('{"toString":"z","__proto__":"x","constructor":"y"}') as Context],
    ]
    for (const [title, sealed, opened] of same) {
      it(`is the same ${title}`, async () => {
        expect((await open(await seal(sealed), opened)).toString()).to.equal(secret.toString())
      })
    }

    const different: readonly (readonly [title: string, sealed: Context | undefined, opened: Context | undefined])[] = [
      ['a pair is missing', { a: '1', b: '2' }, { a: '1' }],
      ['all of it is missing', { a: '1' }, undefined],
      ['there is a pair too many', { a: '1' }, { a: '1', b: '2' }],
      ['there is a pair where there was none', undefined, { a: '1' }],
      ['a value differs', { a: '1' }, { a: '2' }],
      ['a value differs in case', { a: 'x' }, { a: 'X' }],
      ['a key differs in case', { a: '1' }, { A: '1' }],
      ['keys and values are divided otherwise', { ab: 'c' }, { a: 'bc' }],
      ['pairs are run together', { a: '1', b: '2' }, { a: '1b2' }],
      ['keys are exchanged', { a: '1', b: '2' }, { a: '2', b: '1' }],
      ['the same letters are composed otherwise', { a: '\u00e9' }, { a: 'e\u0301' }],
      ['__proto__ is missing', JSON.parse('{"__proto__":"x"}') as Context, {}],
      ['__proto__ has another value', JSON.parse('{"__proto__":"x"}') as Context, JSON.parse('{"__proto__":"y"}') as Context],
    ]
    for (const [title, sealed, opened] of different) {
      it(`refuses to open when ${title}`, async () => {
        const blob = await seal(sealed)
        expect(await refusal(on.kms.decrypt({ CiphertextBlob: blob, EncryptionContext: opened }))).to.deep.equal(invalid)
      })
    }

    it('arrives as it was sent, __proto__ too', async () => {
      const { json } = await on.call('Encrypt', `{"KeyId":"${key.id}","Plaintext":"eA==","EncryptionContext":{"__proto__":"x"}}`)
      const sealed = json.CiphertextBlob as string
      expect((await on.call('Decrypt', { CiphertextBlob: sealed })).json.__type).to.equal('InvalidCiphertextException')
      const opened = await on.call('Decrypt', `{"CiphertextBlob":"${sealed}","EncryptionContext":{"__proto__":"x"}}`)
      expect(opened.json.Plaintext).to.equal('eA==')
    })

    it('may be large', async () => {
      const context = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`name-${at}`, 'v'.repeat(100)]))
      expect((await open(await seal(context), context)).toString()).to.equal(secret.toString())
    })
  })
})

describe('ReEncrypt over HTTP', () => {
  const on = suite()
  let from: NewKey
  let to: NewKey

  before(async () => {
    from = await on.newKey()
    to = await on.newKey()
  })

  const seal = async (EncryptionContext?: Context) =>
    (await on.kms.encrypt({ KeyId: from.id, Plaintext: secret, EncryptionContext })).CiphertextBlob

  it('moves a ciphertext to another key and names both', async () => {
    const { $metadata: _, CiphertextBlob, ...answer } = await on.kms.reEncrypt({ CiphertextBlob: await seal(), DestinationKeyId: to.id })
    expect(answer).to.deep.equal({
      SourceKeyId: from.arn,
      KeyId: to.arn,
      SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      SourceKeyMaterialId: from.materialId,
      DestinationKeyMaterialId: to.materialId,
    })
    const opened = await on.kms.decrypt({ CiphertextBlob, KeyId: to.id })
    expect(Buffer.from(opened.Plaintext ?? []).toString()).to.equal(secret.toString())
  })

  it('changes the encryption context under the same key, and does not carry the old one over', async () => {
    const [old, fresh] = [{ tenant: 'a' }, { tenant: 'b' }]
    const moved = async (DestinationEncryptionContext?: Context) => (await on.kms.reEncrypt({
      CiphertextBlob: await seal(old), SourceKeyId: from.id, SourceEncryptionContext: old,
      DestinationKeyId: from.id, DestinationEncryptionContext,
    })).CiphertextBlob
    const changed = await moved(fresh)
    expect((await on.kms.decrypt({ CiphertextBlob: changed, EncryptionContext: fresh })).KeyId).to.equal(from.arn)
    expect(await refusal(on.kms.decrypt({ CiphertextBlob: changed, EncryptionContext: old }))).to.deep.equal(invalid)
    const bare = await moved()
    expect((await on.kms.decrypt({ CiphertextBlob: bare })).KeyId).to.equal(from.arn)
  })

  it('brings a ciphertext to the current key material', async () => {
    const key = await on.newKey()
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: key.id, Plaintext: secret })
    await on.kms.rotateKeyOnDemand({ KeyId: key.id })
    const current = (await on.kms.describeKey({ KeyId: key.id })).KeyMetadata?.CurrentKeyMaterialId
    const answer = await on.kms.reEncrypt({ CiphertextBlob, DestinationKeyId: key.id })
    expect([answer.SourceKeyMaterialId, answer.DestinationKeyMaterialId]).to.deep.equal([key.materialId, current])
    expect(current).not.to.equal(key.materialId)
  })

  it('moves the largest plaintext', async () => {
    const plaintext = randomBytes(4096)
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: from.id, Plaintext: plaintext })
    const moved = await on.kms.reEncrypt({ CiphertextBlob, DestinationKeyId: to.id })
    const opened = await on.kms.decrypt({ CiphertextBlob: moved.CiphertextBlob })
    expect(plaintext.equals(opened.Plaintext ?? Buffer.of())).to.equal(true)
  })

  it('refuses what Decrypt would refuse', async () => {
    const CiphertextBlob = await seal({ a: '1' })
    expect(await refusal(on.kms.reEncrypt({ CiphertextBlob, DestinationKeyId: to.id }))).to.deep.equal(invalid)
    expect((await refusal(on.kms.reEncrypt({ CiphertextBlob, SourceKeyId: to.id, DestinationKeyId: to.id }))).code)
      .to.equal('IncorrectKeyException')
    expect(await refusal(on.kms.reEncrypt({ CiphertextBlob: randomBytes(80), DestinationKeyId: to.id }))).to.deep.equal(invalid)
  })
})
