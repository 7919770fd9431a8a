import { constants, publicEncrypt, type KeyObject } from 'node:crypto'
import { expect } from 'chai'
import { decrypt, encrypt, reEncrypt } from '../../src/api/encryption.js'
import { disableKey } from '../../src/api/keys.js'
import type { KeySpec, OaepAlgorithm } from '../../src/domain/key-spec.js'
import { newKeyOf, openssl, publicKeyOf } from '../support/keys-by-spec.js'
import { refused } from '../support/refusal.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'
import { sharedServiceSuite } from '../support/service-suite.js'
import { call, newKey } from '../support/services.js'

const secret = Buffer.from('a secret')
/** Input is overwritten by the call. */
const plaintext = () => Buffer.from(secret)

/** KMS API Reference, Encrypt. */
const limits: readonly (readonly [KeySpec, OaepAlgorithm, number])[] = [
  ['RSA_2048', 'RSAES_OAEP_SHA_1', 214], ['RSA_2048', 'RSAES_OAEP_SHA_256', 190],
  ['RSA_3072', 'RSAES_OAEP_SHA_1', 342], ['RSA_3072', 'RSAES_OAEP_SHA_256', 318],
  ['RSA_4096', 'RSAES_OAEP_SHA_1', 470], ['RSA_4096', 'RSAES_OAEP_SHA_256', 446],
]
const oaepOf = (key: KeyObject, algorithm: OaepAlgorithm) =>
  ({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: algorithm === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256' })

describe('Encrypt, Decrypt and ReEncrypt with RSA keys', () => {
  printSeedOfFailures()
  const on = sharedServiceSuite()
  let symmetric: string
  const keys = new Map<KeySpec, string>()

  before(async function () {
    this.timeout(300_000)
    for (const spec of ['RSA_2048', 'RSA_3072', 'RSA_4096'] as const) keys.set(spec, await newKeyOf(on.services, spec, 'ENCRYPT_DECRYPT'))
    symmetric = (await newKey(on.services)).key.arn
  })

  const keyOf = (spec: KeySpec) => keys.get(spec) ?? ''
  async function encrypted(spec: KeySpec, EncryptionAlgorithm: OaepAlgorithm, Plaintext = plaintext()): Promise<Uint8Array> {
    const { CiphertextBlob } = await call(on.services, encrypt, { KeyId: keyOf(spec), EncryptionAlgorithm, Plaintext })
    return CiphertextBlob ?? new Uint8Array()
  }
  const decrypted = (spec: KeySpec, EncryptionAlgorithm: OaepAlgorithm, CiphertextBlob: Uint8Array) =>
    call(on.services, decrypt, { KeyId: keyOf(spec), EncryptionAlgorithm, CiphertextBlob })

  for (const [spec, algorithm, most] of limits) {
    it(`${algorithm} with ${spec} takes ${most} bytes and no more`, async () => {
      const longest = Buffer.alloc(most, 0xa5)
      const blob = await encrypted(spec, algorithm, Buffer.from(longest))
      const { Plaintext = new Uint8Array(), ...rest } = await decrypted(spec, algorithm, blob)
      expect(Buffer.from(Plaintext)).to.deep.equal(longest)
      expect(rest).to.deep.equal({ KeyId: keyOf(spec), EncryptionAlgorithm: algorithm })
      const refusal = await refused(encrypted(spec, algorithm, Buffer.alloc(most + 1)), 'ValidationException')
      expect(refusal.message).to.equal(`Algorithm ${algorithm} and key spec ${spec} cannot encrypt data larger than ${most} bytes.`)
    })

    it(`${algorithm} with ${spec} decrypts what node:crypto encrypted`, async () => {
      const blob = publicEncrypt(oaepOf(await publicKeyOf(on.services, keyOf(spec)), algorithm), secret)
      const { Plaintext = new Uint8Array() } = await decrypted(spec, algorithm, blob)
      expect(Buffer.from(Plaintext)).to.deep.equal(secret)
    })
  }

  it('decrypts what the openssl program encrypted', async () => {
    const key = Buffer.from((await publicKeyOf(on.services, keyOf('RSA_3072'))).export({ format: 'pem', type: 'spki' }))
    const options = ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha256', 'rsa_mgf1_md:sha256'].flatMap(option => ['-pkeyopt', option])
    const command = ['pkeyutl', '-encrypt', '-pubin', '-inkey', '{key}', '-in', '{secret}', '-hexdump', ...options]
    const lines = openssl(command, { key, secret }).split('\n')
    const bytes = lines.flatMap(line => [...line.slice(7, 55).matchAll(/[0-9a-f]{2}/g)].map(([byte]) => parseInt(byte, 16)))
    const { Plaintext = new Uint8Array() } = await decrypted('RSA_3072', 'RSAES_OAEP_SHA_256', Buffer.from(bytes))
    expect(Buffer.from(Plaintext)).to.deep.equal(secret)
  })

  it('encrypts otherwise every time', async () => {
    const blobs = [await encrypted('RSA_2048', 'RSAES_OAEP_SHA_256'), await encrypted('RSA_2048', 'RSAES_OAEP_SHA_256')]
    expect(blobs[0]).to.not.deep.equal(blobs[1])
  })

  it('has one answer to every ciphertext that is not one', async () => {
    const blob = await encrypted('RSA_2048', 'RSAES_OAEP_SHA_256')
    const choice = seeded('rsa ciphertexts')
    const wrong = [
      Buffer.alloc(256), Buffer.alloc(256, 0xff), Buffer.from(blob.subarray(1)), Buffer.concat([Buffer.alloc(1), blob]), Buffer.from('x'),
      Buffer.alloc(6144, 1), ...Array.from({ length: 10 }, () => choice.bytes(256)),
      ...Array.from({ length: 10 }, () => {
        const damaged = Buffer.from(blob)
        const at = choice.below(damaged.length)
        damaged[at] = (damaged[at] ?? 0) ^ (1 << choice.below(8))
        return damaged
      }),
      await encrypted('RSA_3072', 'RSAES_OAEP_SHA_256'),
    ]
    for (const one of wrong) {
      const refusal = await refused(decrypted('RSA_2048', 'RSAES_OAEP_SHA_256', one), 'InvalidCiphertextException')
      expect(refusal.message).to.equal('')
    }
    await refused(decrypted('RSA_2048', 'RSAES_OAEP_SHA_1', blob), 'InvalidCiphertextException')
  })

  it('refuses an algorithm that the key has not', async () => {
    const asIfSymmetric = call(on.services, encrypt, { KeyId: keyOf('RSA_2048'), Plaintext: plaintext() })
    const { message } = await refused(asIfSymmetric, 'InvalidKeyUsageException')
    expect(message).to.equal('Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.')
    const given = { KeyId: symmetric, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const
    await refused(call(on.services, encrypt, { ...given, Plaintext: plaintext() }), 'InvalidKeyUsageException')
    const blob = await encrypted('RSA_2048', 'RSAES_OAEP_SHA_256')
    await refused(call(on.services, decrypt, { ...given, CiphertextBlob: blob }), 'IncorrectKeyException')
    await refused(call(on.services, decrypt, { KeyId: keyOf('RSA_2048'), CiphertextBlob: blob }), 'IncorrectKeyException')
  })

  it('needs to be told the key: an RSA ciphertext does not name it', async () => {
    const CiphertextBlob = await encrypted('RSA_2048', 'RSAES_OAEP_SHA_256')
    await refused(call(on.services, decrypt, { CiphertextBlob }), 'InvalidCiphertextException')
    await refused(call(on.services, decrypt, { CiphertextBlob, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }), 'InvalidCiphertextException')
    await refused(call(on.services, decrypt, { CiphertextBlob, KeyId: symmetric }), 'InvalidCiphertextException')
  })

  it('refuses an encryption context, and takes an empty one', async () => {
    const given = { KeyId: keyOf('RSA_2048'), EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const
    const EncryptionContext = { purpose: 'test' }
    await refused(call(on.services, encrypt, { ...given, Plaintext: plaintext(), EncryptionContext }), 'ValidationException')
    const empty = { ...given, EncryptionContext: {} }
    const { CiphertextBlob = new Uint8Array() } = await call(on.services, encrypt, { ...empty, Plaintext: plaintext() })
    await refused(call(on.services, decrypt, { ...given, CiphertextBlob, EncryptionContext }), 'ValidationException')
    await call(on.services, decrypt, { ...empty, CiphertextBlob })
  })

  it('refuses a key for signing, and a disabled key', async () => {
    const given = { EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const
    const signing = await newKeyOf(on.services, 'RSA_2048', 'SIGN_VERIFY')
    await refused(call(on.services, encrypt, { ...given, KeyId: signing, Plaintext: plaintext() }), 'InvalidKeyUsageException')
    await refused(call(on.services, decrypt, { ...given, KeyId: signing, CiphertextBlob: Buffer.alloc(256) }), 'IncorrectKeyException')
    const disabled = await newKeyOf(on.services, 'RSA_2048', 'ENCRYPT_DECRYPT')
    await call(on.services, disableKey, { KeyId: disabled })
    await refused(call(on.services, encrypt, { ...given, KeyId: disabled, Plaintext: plaintext() }), 'DisabledException')
  })

  describe('ReEncrypt', () => {
    it('goes from a symmetric key to an RSA key and back', async () => {
      const EncryptionContext = { purpose: 'test' }
      const { CiphertextBlob } = await call(on.services, encrypt, { KeyId: symmetric, Plaintext: plaintext(), EncryptionContext })
      const { CiphertextBlob: asymmetric, ...toRsa } = await call(on.services, reEncrypt, {
        ...CiphertextBlob && { CiphertextBlob }, SourceEncryptionContext: EncryptionContext,
        DestinationKeyId: keyOf('RSA_4096'), DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_1',
      })
      expect(toRsa).to.have.property('SourceKeyMaterialId').of.length(64)
      expect(toRsa).to.include({ SourceKeyId: symmetric, KeyId: keyOf('RSA_4096'), DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_1' })
      expect(toRsa).to.not.have.property('DestinationKeyMaterialId')
      const { CiphertextBlob: again, ...toSymmetric } = await call(on.services, reEncrypt, {
        ...asymmetric && { CiphertextBlob: asymmetric }, SourceKeyId: keyOf('RSA_4096'), SourceEncryptionAlgorithm: 'RSAES_OAEP_SHA_1',
        DestinationKeyId: symmetric,
      })
      expect(toSymmetric).to.have.property('DestinationKeyMaterialId').of.length(64)
      expect(toSymmetric).to.not.have.property('SourceKeyMaterialId')
      // The source's encryption context is not carried over.
      const { Plaintext = new Uint8Array() } = await call(on.services, decrypt, again ? { CiphertextBlob: again } : {})
      expect(Buffer.from(Plaintext)).to.deep.equal(secret)
      expect(on.audit.events.at(-2)?.resources).to.have.length(2)
    })

    it('refuses what the destination cannot hold, in a dry run too', async () => {
      const { CiphertextBlob = new Uint8Array() } = await call(on.services, encrypt, { KeyId: symmetric, Plaintext: Buffer.alloc(191) })
      const given = { CiphertextBlob, DestinationKeyId: keyOf('RSA_2048'), DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const
      for (const DryRun of [false, true]) {
        const refusal = await refused(call(on.services, reEncrypt, { ...given, DryRun }), 'ValidationException')
        expect(refusal.message).to.equal('Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes.')
      }
      const smaller = { ...given, DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_1', DryRun: true } as const
      await refused(call(on.services, reEncrypt, smaller), 'DryRunOperationException')
    })

    it('refuses an encryption context on the side of an RSA key', async () => {
      const context = { purpose: 'test' }
      const { CiphertextBlob = new Uint8Array() } = await call(on.services, encrypt, { KeyId: symmetric, Plaintext: plaintext() })
      const given = { CiphertextBlob, DestinationKeyId: keyOf('RSA_2048'), DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const
      await refused(call(on.services, reEncrypt, { ...given, DestinationEncryptionContext: context }), 'ValidationException')
      await refused(call(on.services, reEncrypt, {
        ...given, SourceKeyId: keyOf('RSA_2048'), SourceEncryptionAlgorithm: 'RSAES_OAEP_SHA_256', SourceEncryptionContext: context,
      }), 'ValidationException')
    })
  })

  it('tries a decryption in a dry run', async () => {
    const given = { KeyId: keyOf('RSA_2048'), EncryptionAlgorithm: 'RSAES_OAEP_SHA_256', DryRun: true } as const
    const CiphertextBlob = await encrypted('RSA_2048', 'RSAES_OAEP_SHA_256')
    await refused(call(on.services, decrypt, { ...given, CiphertextBlob }), 'DryRunOperationException')
    await refused(call(on.services, decrypt, { ...given, CiphertextBlob: Buffer.alloc(256) }), 'InvalidCiphertextException')
    await refused(call(on.services, encrypt, { ...given, Plaintext: plaintext() }), 'DryRunOperationException')
    await refused(call(on.services, encrypt, { ...given, Plaintext: Buffer.alloc(191) }), 'ValidationException')
  })
})
