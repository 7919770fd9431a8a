import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { attestationDocument, enclaveKey, makeChain, rootOf } from '../support/attestation.js'
import { cmsDecrypted } from '../support/cms.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'
import { suite } from './suite.js'

describe('an enclave', () => {
  const directory = temporaryDirectory()
  const root = join(directory, 'root.pem')
  const chain = makeChain(Date.now())
  writeFileSync(root, rootOf(chain).toString())
  after(() => removeDirectory(directory))

  const on = suite({ settings: { attestation: { roots: [root] } } })
  const { publicKey, privateKey } = enclaveKey()
  const recipient = () => ({
    KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' as const, AttestationDocument: attestationDocument(chain, Date.now(), publicKey),
  })

  it('gets a data key that the caller never sees, and has it again', async () => {
    const { id } = await on.newKey()
    const made = await on.kms.generateDataKey({ KeyId: id, KeySpec: 'AES_256', Recipient: recipient() })
    expect(made.Plaintext).to.equal(undefined)
    const dataKey = cmsDecrypted(made.CiphertextForRecipient ?? new Uint8Array(), privateKey)
    expect(dataKey).to.have.length(32)
    const opened = await on.kms.decrypt({ CiphertextBlob: made.CiphertextBlob, Recipient: recipient() })
    expect([opened.Plaintext, opened.KeyMaterialId]).to.deep.equal([undefined, undefined])
    expect(cmsDecrypted(opened.CiphertextForRecipient ?? new Uint8Array(), privateKey)).to.deep.equal(dataKey)
  })

  it('gets nothing by a document under another root', async () => {
    const forged = { ...recipient(), AttestationDocument: attestationDocument(makeChain(Date.now()), Date.now(), publicKey) }
    const { json } = await on.call('GenerateRandom', {
      NumberOfBytes: 8, Recipient: { ...forged, AttestationDocument: forged.AttestationDocument.toString('base64') },
    })
    expect(json).to.deep.equal({
      __type: 'ValidationException', message: 'The attestation document is not valid: its root certificate is not trusted.',
    })
  })
})
