import { buildClient, CommitmentPolicy, KmsKeyringNode } from '@aws-crypto/client-node'
import { CreateKeyCommand, DescribeKeyCommand, KMS, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { randomBytes } from 'node:crypto'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, spawnServer, type SpawnedServer } from '../support/server.js'

const messageBytes = 1024 * 1024
const context = { tenant: 'tenant-a', purpose: 'archive' }
/** Our ciphertexts begin with these bytes; in a message it is the encrypted data key that does. */
const blobStart = Buffer.from('CVG\x01', 'latin1')

describe('the AWS Encryption SDK with a KMS keyring', function () {
  this.timeout(30_000)
  const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const plaintext = randomBytes(messageBytes)
  let server: SpawnedServer
  let keyring: KmsKeyringNode
  let keyArn: string
  let message: Buffer

  before(async () => {
    server = await spawnServer()
    const client = kmsClient(server)
    const { KeyMetadata: key } = await client.send(new CreateKeyCommand({}))
    keyArn = key?.Arn ?? ''
    keyring = new KmsKeyringNode({ generatorKeyId: keyArn, clientProvider: clientsOf(server) })
    const { result } = await encrypt(keyring, plaintext, { encryptionContext: context })
    message = result

    await client.send(new RotateKeyOnDemandCommand({ KeyId: keyArn }))
    const { KeyMetadata: rotated } = await client.send(new DescribeKeyCommand({ KeyId: keyArn }))
    expect(rotated?.CurrentKeyMaterialId).to.not.equal(key?.CurrentKeyMaterialId)
    client.destroy()
  })

  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  it('opens after a rotation the 1 MiB that it sealed before', async () => {
    const { plaintext: opened, messageHeader } = await decrypt(keyring, message)
    expect(opened.equals(plaintext)).to.be.true
    expect(messageHeader.encryptionContext).to.include(context)
    expect(messageHeader.encryptedDataKeys.map(({ providerInfo }) => providerInfo)).to.deep.equal([keyArn])
  })

  it('seals under the new version, too', async () => {
    const { result } = await encrypt(keyring, plaintext, { encryptionContext: context })
    expect(versionOf(message)).to.equal(1)
    expect(versionOf(result)).to.equal(2)
    expect((await decrypt(keyring, result)).plaintext.equals(plaintext)).to.be.true
  })

  it('is refused with another encryption context', async () => {
    const at = message.indexOf('tenant-a')
    const other = Buffer.concat([message.subarray(0, at), Buffer.from('tenant-b'), message.subarray(at + 8)])
    await expectRefusal(other, /InvalidCiphertextException/)
  })

  it('is refused when any part of the encrypted data key was altered', async () => {
    const start = message.indexOf(blobStart)
    const length = message.readUInt16BE(start - 2)
    // Its format, key id, version, IV, ciphertext and tag.
    for (const at of [3, 7, 24, 30, 45, length - 1]) await expectRefusal(altered(start + at), /InvalidCiphertextException/)
  })

  it('is refused when header or body were altered', async () => {
    const [messageId, signature] = [10, message.length - 1]
    const blob = message.indexOf(blobStart)
    const commitment = blob + message.readUInt16BE(blob - 2) + 10
    for (const at of [messageId, commitment]) await expectRefusal(altered(at), /Commitment does not match/)
    for (const at of [commitment + 32, message.length >> 1]) await expectRefusal(altered(at), /unable to authenticate data/)
    await expectRefusal(altered(signature), /Invalid Signature/)
  })

  function altered(at: number): Buffer {
    const copy = Buffer.from(message)
    copy[at] = (copy[at] ?? 0) ^ 1
    return copy
  }

  async function expectRefusal(bytes: Buffer, reason: RegExp): Promise<void> {
    const outcome = await decrypt(keyring, bytes).then(() => 'it was opened', (error: unknown) => String(error))
    expect(outcome).to.match(reason)
  }
})

type ClientProvider = NonNullable<NonNullable<ConstructorParameters<typeof KmsKeyringNode>[0]>['clientProvider']>

function clientsOf({ url, admin }: SpawnedServer): ClientProvider {
  const { accessKeyId, secretAccessKey, region } = admin
  const provide = () => new KMS({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey } })
  // Its types were not made for exactOptionalPropertyTypes; this client is the one that it asks for.
  return provide as unknown as ClientProvider
}

/** The version in the header of the encrypted data key (bytes 21 to 24). */
function versionOf(message: Buffer): number {
  return message.readUInt32BE(message.indexOf(blobStart) + 21)
}
