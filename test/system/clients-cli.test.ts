import { RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { execFileSync } from 'node:child_process'
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

  it('boto3 signs, makes MACs, imports and grants, and openssl agrees', async () => {
    const { code, stderr } = await python(clientEnvironment(server, home), 'clients_boto3_keys.py')
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

    it('signs, and openssl verifies', async () => {
      const create = await aws(environment, 'create-key', '--key-spec', 'ECC_NIST_P256', '--key-usage', 'SIGN_VERIFY')
      const { KeyMetadata: { Arn: key } } = answer<{ KeyMetadata: { Arn: string } }>(create)
      const [message, signature, publicKey] = [join(home, 'message'), join(home, 'signature'), join(home, 'public.der')]
      writeFileSync(message, 'to be signed')
      const signing = ['--key-id', key, '--message', `fileb://${message}`, '--signing-algorithm', 'ECDSA_SHA_256'] as const
      const signed = answer<{ Signature: string }>(await aws(environment, 'sign', ...signing))
      writeFileSync(signature, signed.Signature, 'base64')
      const { PublicKey: spki } = answer<{ PublicKey: string }>(await aws(environment, 'get-public-key', '--key-id', key))
      writeFileSync(publicKey, spki, 'base64')
      const openssl = ['dgst', '-sha256', '-keyform', 'DER', '-verify', publicKey, '-signature', signature, message]
      expect(execFileSync('openssl', openssl, { encoding: 'utf8' })).to.equal('Verified OK\n')
      const verified = await aws(environment, 'verify', ...signing, '--signature', `fileb://${signature}`, '--query', 'SignatureValid')
      expect(answer(verified)).to.equal(true)
    })

    it('makes MACs, grants and replicas', async () => {
      const hmacKey = ['--key-spec', 'HMAC_256', '--key-usage', 'GENERATE_VERIFY_MAC', '--query', 'KeyMetadata.KeyId']
      const hmac = await aws(environment, 'create-key', ...hmacKey)
      const message = join(home, 'message')
      writeFileSync(message, 'to be authenticated')
      const mac = ['--key-id', answer<string>(hmac), '--message', `fileb://${message}`, '--mac-algorithm', 'HMAC_SHA_256'] as const
      const made = answer<{ Mac: string }>(await aws(environment, 'generate-mac', ...mac))
      expect(Buffer.from(made.Mac, 'base64')).to.have.length(32)
      const grantee = `arn:aws:iam::${server.admin.accountId}:user/administrator`
      const granting = ['--key-id', keyId, '--grantee-principal', grantee, '--operations', 'Decrypt'] as const
      const { GrantId: grantId } = answer<{ GrantId: string }>(await aws(environment, 'create-grant', ...granting))
      expect(answer(await aws(environment, 'list-grants', '--key-id', keyId, '--query', 'Grants[].GrantId'))).to.deep.equal([grantId])
      const type = 'KeyMetadata.MultiRegionConfiguration.MultiRegionKeyType'
      const primary = await aws(environment, 'create-key', '--multi-region', '--query', type)
      expect(answer(primary)).to.equal('PRIMARY')
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
