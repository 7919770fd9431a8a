import { execFileSync } from 'node:child_process'
import { constants, createCipheriv, createHash, createPublicKey, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { envelopedData, envelopeKey } from '../../src/domain/cms.js'
import { enclaveKey } from '../support/attestation.js'
import { cmsDecrypted } from '../support/cms.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'

const spkiOf = (key: { export(options: { format: 'der', type: 'spki' }): Buffer }) => key.export({ format: 'der', type: 'spki' })

describe('a key to envelope for', () => {
  it('is RSA of three sizes, named by the hash of its bits', () => {
    for (const bits of [2048, 3072, 4096]) {
      const { publicKey } = enclaveKey(bits)
      const pkcs1 = createPublicKey({ key: publicKey, format: 'der', type: 'spki' }).export({ format: 'der', type: 'pkcs1' })
      expect(Buffer.from(envelopeKey(publicKey)?.identifier ?? [])).to.deep.equal(createHash('sha1').update(pkcs1).digest())
    }
  }).timeout(60_000)

  const { publicKey } = enclaveKey()
  const wrong: Readonly<Record<string, () => Uint8Array>> = {
    'too small': () => enclaveKey(1024).publicKey,
    'of a size between': () => enclaveKey(2056).publicKey,
    'of a small exponent': () => spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey),
    'for signatures only': () => spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey),
    'on a curve': () => spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey),
    // Node aborts when it is asked for the curve of such a key.
    'the point at infinity': () => Buffer.from('3019301306072a8648ce3d020106082a8648ce3d03010703020000', 'hex'),
    'followed by something': () => Buffer.concat([publicKey, Buffer.of(0)]),
    'cut short': () => publicKey.subarray(0, -1),
    'in PKCS #1': () => createPublicKey({ key: publicKey, format: 'der', type: 'spki' }).export({ format: 'der', type: 'pkcs1' }),
    'nothing': () => Buffer.alloc(0),
    'text': () => Buffer.from('-----BEGIN PUBLIC KEY-----'),
  }
  for (const [name, make] of Object.entries(wrong)) it(`is not one that is ${name}`, () => expect(envelopeKey(make())).to.equal(undefined))
})

describe('a CMS envelope', () => {
  let directory: string
  before(() => { directory = temporaryDirectory() })
  after(() => removeDirectory(directory))

  function envelope(publicKey: Buffer, content: Uint8Array): Uint8Array {
    const recipient = envelopeKey(publicKey)
    if (!recipient) throw new Error('not a key to envelope for')
    const [key, iv] = [randomBytes(32), randomBytes(16)]
    const cipher = createCipheriv('aes-256-cbc', key, iv)
    const ciphertext = Buffer.concat([cipher.update(content), cipher.final()])
    const encryptedKey = publicEncrypt({ key: recipient.key, oaepHash: 'sha256', padding: constants.RSA_PKCS1_OAEP_PADDING }, key)
    return envelopedData({ recipient, encryptedKey, iv, ciphertext })
  }

  for (const [bits, bytes] of [[2048, 0], [2048, 1], [3072, 16], [4096, 4096]] as const) {
    it(`is opened by OpenSSL: ${bytes} bytes for ${bits} bits`, () => {
      const { publicKey, privateKey } = enclaveKey(bits)
      const content = randomBytes(bytes)
      expect(cmsDecrypted(envelope(publicKey, content), privateKey)).to.deep.equal(content)
    }).timeout(60_000)
  }

  it('says what it is, as AWS KMS does', () => {
    const { publicKey } = enclaveKey()
    const file = join(directory, 'envelope')
    writeFileSync(file, envelope(publicKey, randomBytes(32)))
    const printed = execFileSync('openssl', ['cms', '-cmsout', '-print', '-inform', 'DER', '-in', file], { encoding: 'utf8' })
    expect(printed.match(/version: 2/g)).to.have.length(2)
    for (const text of ['pkcs7-envelopedData', 'd.ktri', 'd.subjectKeyIdentifier', 'rsaesOaep', 'contentType: pkcs7-data', 'aes-256-cbc']) {
      expect(printed).to.contain(text)
    }
    expect(printed.match(/sha256/g)).to.have.length(2)
    expect(printed).to.contain('mgf1')
  })

  it('is in the form that the SDK for enclaves steps through', () => {
    const bytes = Buffer.from(envelope(enclaveKey().publicKey, randomBytes(32)))
    // ContentInfo, [0] and EnvelopedData are open-ended, RecipientInfos is not.
    expect(bytes.toString('hex')).to.match(/^308006092a864886f70d010703a080308002010231820.*0000000000000000$/)
  })
})
