import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { expect } from 'chai'
import { nitroAttestation } from '../../src/adapters/nitro/attestation.js'
import { generateDataKey, generateDataKeyPair } from '../../src/api/data-keys.js'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { createKey, getPublicKey } from '../../src/api/keys.js'
import { generateRandom } from '../../src/api/random.js'
import { deriveSharedSecret } from '../../src/api/shared-secrets.js'
import { attestationAgeMsMax } from '../../src/domain/attestation.js'
import { answerTo, type AttestedRecipient } from '../../src/service/recipient.js'
import { attestationDocument, enclaveKey, makeChain, moduleId, rootOf, type DocumentOptions } from '../support/attestation.js'
import { cmsDecrypted } from '../support/cms.js'
import { onEveryCall } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, newKey } from '../support/services.js'

const spki = { format: 'der', type: 'spki' } as const

describe('a recipient', () => {
  const on = serviceSuite()
  const enclave = enclaveKey()
  let chain: ReturnType<typeof makeChain>

  beforeEach(() => {
    chain = makeChain(on.clock.now())
    on.restart({ attestation: nitroAttestation([rootOf(chain)]) })
  })

  function recipient(publicKey: Uint8Array | null = enclave.publicKey, options?: DocumentOptions) {
    return {
      KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' as const,
      AttestationDocument: attestationDocument(chain, on.clock.now(), publicKey, options),
    }
  }

  const opens = (envelope: Uint8Array | undefined, key: KeyObject = enclave.privateKey) => cmsDecrypted(envelope ?? new Uint8Array(), key)
  const lastEvent = () => on.audit.events.at(-1)

  describe('gets instead of the caller', () => {
    it('the data key of GenerateDataKey', async () => {
      const { key: { keyId } } = await newKey(on.services)
      const answer = await call(on.services, generateDataKey, { KeyId: keyId, KeySpec: 'AES_256', Recipient: recipient() })
      expect(answer).to.have.all.keys('CiphertextBlob', 'CiphertextForRecipient', 'KeyId')
      const { Plaintext } = await call(on.services, decrypt, { CiphertextBlob: answer.CiphertextBlob ?? new Uint8Array() })
      expect(opens(answer.CiphertextForRecipient)).to.deep.equal(Buffer.from(Plaintext ?? []))
    })

    it('the plaintext of Decrypt', async () => {
      const { key: { keyId } } = await newKey(on.services)
      const Plaintext = Buffer.from('for the enclave')
      const { CiphertextBlob = new Uint8Array() } = await call(on.services, encrypt, { KeyId: keyId, Plaintext })
      const answer = await call(on.services, decrypt, { CiphertextBlob, Recipient: recipient() })
      expect(answer).to.have.all.keys('KeyId', 'CiphertextForRecipient', 'EncryptionAlgorithm')
      expect(opens(answer.CiphertextForRecipient).toString()).to.equal('for the enclave')
    })

    it('the bytes of GenerateRandom', async () => {
      const answer = await call(on.services, generateRandom, { NumberOfBytes: 1024, Recipient: recipient() })
      expect(answer).to.have.all.keys('CiphertextForRecipient')
      expect(opens(answer.CiphertextForRecipient)).to.have.length(1024)
    })

    it('the private key of GenerateDataKeyPair, also the longest', async () => {
      const { key: { keyId } } = await newKey(on.services)
      for (const spec of ['ECC_NIST_P256', 'RSA_4096'] as const) {
        const answer = await call(on.services, generateDataKeyPair, { KeyId: keyId, KeyPairSpec: spec, Recipient: recipient() })
        expect(answer).not.to.have.any.keys('PrivateKeyPlaintext', 'KeyMaterialId')
        const key = createPrivateKey({ key: opens(answer.CiphertextForRecipient), format: 'der', type: 'pkcs8' })
        expect(createPublicKey(key).export(spki)).to.deep.equal(Buffer.from(answer.PublicKey ?? []))
        expect(answer.CiphertextForRecipient?.length).to.be.at.most(6144)
      }
    }).timeout(120_000)

    it('the secret of DeriveSharedSecret', async () => {
      const { KeyMetadata } = await call(on.services, createKey, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' })
      const KeyId = KeyMetadata?.KeyId ?? ''
      const { PublicKey: ours } = await call(on.services, getPublicKey, { KeyId })
      const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const answer = await call(on.services, deriveSharedSecret, {
        KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey: other.publicKey.export(spki), Recipient: recipient(),
      })
      expect(answer).not.to.have.any.keys('SharedSecret')
      const publicKey = createPublicKey({ key: Buffer.from(ours ?? []), ...spki })
      expect(opens(answer.CiphertextForRecipient)).to.deep.equal(diffieHellman({ privateKey: other.privateKey, publicKey }))
    })

    it('what only its own key opens, whatever its size', async () => {
      const other = enclaveKey(3072)
      const input = { NumberOfBytes: 32, Recipient: recipient(other.publicKey) }
      const { CiphertextForRecipient: envelope } = await call(on.services, generateRandom, input)
      expect(opens(envelope, other.privateKey)).to.have.length(32)
      expect(() => opens(envelope)).to.throw()
    }).timeout(60_000)
  })

  it('stands in the audit record, with its measurements and nothing that is secret', async () => {
    const { key: { keyId } } = await newKey(on.services)
    await call(on.services, generateDataKey, { KeyId: keyId, KeySpec: 'AES_256', Recipient: recipient() })
    const facts = (lastEvent()?.additionalEventData as { recipient: Record<string, string> }).recipient
    expect(facts).to.include({
      attestationDocumentModuleId: moduleId, attestationDocumentEnclaveImageDigest: '00'.repeat(48),
      attestationDocumentEnclavePCR4: '04'.repeat(48),
    })
    expect(lastEvent()?.requestParameters).to.deep.include({ recipient: { keyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } })
  })

  it('stands in the record of a refusal, too, once its document was believed', async () => {
    const { key: { keyId } } = await newKey(on.services)
    const input = { CiphertextBlob: Buffer.from('no'), KeyId: keyId, Recipient: recipient() }
    await refused(call(on.services, decrypt, input), 'InvalidCiphertextException')
    expect(lastEvent()?.additionalEventData).to.have.nested.property('recipient.attestationDocumentModuleId', moduleId)
  })

  it('is looked at in a dry run', async () => {
    const { key: { keyId } } = await newKey(on.services)
    const input = { KeyId: keyId, KeySpec: 'AES_256', DryRun: true } as const
    await refused(call(on.services, generateDataKey, { ...input, Recipient: recipient() }), 'DryRunOperationException')
    const wrong = { ...recipient(), AttestationDocument: Buffer.from('no') }
    await refused(call(on.services, generateDataKey, { ...input, Recipient: wrong }), 'ValidationException')
  })

  describe('is refused', () => {
    const random = (of: object) => call(on.services, generateRandom, { NumberOfBytes: 8, Recipient: of })

    it('while no root is configured, whatever it says', async () => {
      const without = on.newServices()
      for (const of of [recipient(), {}]) {
        const answer = call(without, generateRandom, { NumberOfBytes: 8, Recipient: of })
        const { message } = await refused(answer, 'UnsupportedOperationException')
        expect(message).to.equal('Recipient is not supported: no attestation root is configured.')
      }
    })

    it('without document or algorithm', async () => {
      const { AttestationDocument, KeyEncryptionAlgorithm } = recipient()
      expect((await refused(random({ KeyEncryptionAlgorithm }), 'ValidationException')).message).to.contain('AttestationDocument')
      expect((await refused(random({ AttestationDocument }), 'ValidationException')).message).to.contain('KeyEncryptionAlgorithm')
    })

    it('with a document that is too old, forged, or not one', async () => {
      const good = recipient()
      const forged = attestationDocument(makeChain(on.clock.now()), on.clock.now(), enclave.publicKey)
      const reasons: readonly (readonly [Uint8Array, RegExp])[] = [
        [forged, /root certificate is not trusted\.$/], [Buffer.from('no'), /^The attestation document is not valid: /],
      ]
      for (const [document, reason] of reasons) {
        const { message } = await refused(random({ ...good, AttestationDocument: document }), 'ValidationException')
        expect(message).to.match(reason)
      }
      on.clock.advance(attestationAgeMsMax + 1)
      expect((await refused(random(good), 'ValidationException')).message).to.contain('valid: it has expired.')
    })

    it('without a public key that can be used', async () => {
      const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export(spki)
      for (const key of [null, ec, Buffer.from('no key'), enclaveKey(1024).publicKey]) {
        expect((await refused(random(recipient(key)), 'ValidationException')).message).to.contain('no RSA public key')
      }
    })

    it('before any key is looked up or any byte is drawn', async () => {
      const touched: string[] = []
      on.restart({ hsm: onEveryCall(on.hsm, method => void touched.push(method)), attestation: nitroAttestation([rootOf(chain)]) })
      const input = { KeyId: '1234abcd-12ab-44cd-96ef-1234567890ab', KeySpec: 'AES_256', Recipient: recipient(null) } as const
      await refused(call(on.services, generateDataKey, input), 'ValidationException')
      expect(touched).to.deep.equal([])
    })
  })
})

describe('an answer', () => {
  it('overwrites the plaintext that goes into an envelope, also when there is none', async () => {
    const envelopes = [async () => Buffer.from('sealed'), async () => { throw new Error('no bytes left') }]
    for (const envelope of envelopes) {
      const plaintext = Buffer.from('secret')
      await answerTo({ envelope } as unknown as AttestedRecipient, 'Plaintext', plaintext, 'id').catch(() => undefined)
      expect([...new Set(plaintext)]).to.deep.equal([0])
    }
  })

  it('leaves what goes out as it is', async () => {
    const plaintext = Buffer.from('secret')
    expect(await answerTo(undefined, 'SharedSecret', plaintext)).to.deep.equal({ SharedSecret: Buffer.from('secret') })
    expect(await answerTo(undefined, 'Plaintext', plaintext, 'id')).to.deep.equal({ Plaintext: Buffer.from('secret'), KeyMaterialId: 'id' })
  })
})
