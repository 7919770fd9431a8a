import { RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kmsClient } from '../support/clients.js'
import { aws, clientEnvironment, python, type Ended } from '../support/foreign-clients.js'
import { removeDirectory, spawnServer, temporaryDirectory, type SpawnedServer } from '../support/server.js'

/** Exit codes of the AWS CLI (AWS CLI User Guide, Return codes). */
const invalidCommand = 252
const refusedByService = 254

describe('clients of the distribution', function () {
  this.timeout(90_000)
  let server: SpawnedServer
  let home: string

  before(async () => {
    server = await spawnServer()
    home = temporaryDirectory()
  })

  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
    removeDirectory(home)
  })

  it('boto3 makes keys, seals, rotates, opens, and sees the errors of AWS KMS', async () => {
    const { code, stderr } = await python(clientEnvironment(server, home), 'clients_boto3.py')
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
  })

  describe('the AWS CLI', () => {
    let environment: Record<string, string>
    let keyId: string
    let arn: string

    before(async () => {
      environment = clientEnvironment(server, home)
      const { KeyMetadata: key } = answer<{ KeyMetadata: { KeyId: string, Arn: string } }>(
        await aws(environment, 'create-key', '--description', 'made by the CLI', '--tags', 'TagKey=from,TagValue=cli'))
      keyId = key.KeyId
      arn = key.Arn
      expect((await aws(environment, 'create-alias', '--alias-name', 'alias/cli', '--target-key-id', keyId)).code).to.equal(0)
    })

    it('lists keys and aliases', async () => {
      const { Keys: keys } = answer<{ Keys: unknown[] }>(await aws(environment, 'list-keys'))
      expect(keys).to.deep.include({ KeyId: keyId, KeyArn: arn })
      const aliases = await aws(environment, 'list-aliases', '--key-id', keyId, '--query', 'Aliases[].AliasName')
      expect(answer(aliases)).to.deep.equal(['alias/cli'])
    })

    it('opens after a rotation what it sealed before, with the encryption context only', async () => {
      const file = join(home, 'plaintext')
      const plaintext = randomBytes(4_096)
      writeFileSync(file, plaintext)
      const context = ['--encryption-context', 'tenant=a,purpose=b c']
      const { CiphertextBlob: blob } = answer<{ CiphertextBlob: string }>(
        await aws(environment, 'encrypt', '--key-id', 'alias/cli', '--plaintext', `fileb://${file}`, ...context))

      const client = kmsClient(server)
      await client.send(new RotateKeyOnDemandCommand({ KeyId: keyId }))
      client.destroy()

      const opened = answer<{ Plaintext: string, KeyId: string }>(await aws(environment, 'decrypt', '--ciphertext-blob', blob, ...context))
      expect(opened.KeyId).to.equal(arn)
      expect(opened.Plaintext).to.equal(plaintext.toString('base64'))
      const refused = await aws(environment, 'decrypt', '--ciphertext-blob', blob, '--encryption-context', 'tenant=b,purpose=b c')
      expect(refused.stderr).to.contain('(InvalidCiphertextException) when calling the Decrypt operation')
      expect(refused.code).to.equal(refusedByService)
    })

    it('gets data keys', async () => {
      const dataKey = answer<{ Plaintext: string, CiphertextBlob: string }>(
        await aws(environment, 'generate-data-key', '--key-id', arn, '--key-spec', 'AES_256', '--encryption-context', 'a=b'))
      expect(Buffer.from(dataKey.Plaintext, 'base64')).to.have.length(32)
      const plaintext = await aws(
        environment, 'decrypt', '--ciphertext-blob', dataKey.CiphertextBlob, '--encryption-context', 'a=b', '--query', 'Plaintext')
      expect(answer(plaintext)).to.equal(dataKey.Plaintext)
    })

    it('shows the error of the service and ends with 254', async () => {
      const { code, stderr } = await aws(environment, 'describe-key', '--key-id', 'alias/nobody')
      expect(stderr).to.contain('(NotFoundException) when calling the DescribeKey operation')
      expect(code).to.equal(refusedByService)
    })

    it('is refused with a wrong secret', async () => {
      const { code, stderr } = await aws({ ...environment, AWS_SECRET_ACCESS_KEY: 'a'.repeat(40) }, 'list-keys')
      expect(stderr).to.contain('(InvalidSignatureException)')
      expect(code).to.equal(refusedByService)
    })

    it('finds wrong arguments itself', async () => {
      expect((await aws(environment, 'generate-data-key', '--key-id')).code).to.equal(invalidCommand)
    })
  })
})

function answer<T>({ code, stdout, stderr }: Ended): T {
  expect(code, stderr).to.equal(0)
  return JSON.parse(stdout) as T
}
