import { expect } from 'chai'
import type { KMS } from '@aws-sdk/client-kms'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, startServer, temporaryDirectory, type TestServer } from '../support/server.js'

describe('GetKeyLastUsage', () => {
  const dataDir = temporaryDirectory()
  let server: TestServer | undefined
  let kms: KMS | undefined

  async function start(): Promise<KMS> {
    await stop()
    server = await startServer({ dataDir })
    kms = kmsClient(server, { maxAttempts: 1 })
    return kms
  }

  async function stop(): Promise<void> {
    kms?.destroy()
    await server?.close()
    server = undefined
  }

  after(async () => {
    await stop()
    removeDirectory(dataDir)
  })

  it('through the SDK tells the last use, and still does after a restart', async () => {
    let client = await start()
    const { KeyMetadata: key } = await client.createKey({})
    const unused = await client.getKeyLastUsage({ KeyId: key?.KeyId })
    expect(unused.KeyLastUsage).to.deep.equal({})
    const { KeyId, TrackingStartDate, KeyCreationDate } = unused
    expect([KeyId, TrackingStartDate, KeyCreationDate]).to.deep.equal([key?.KeyId, key?.CreationDate, key?.CreationDate])
    const { $metadata: { requestId } } = await client.generateDataKey({ KeyId: key?.KeyId, KeySpec: 'AES_256' })
    const { KeyLastUsage: used } = await client.getKeyLastUsage({ KeyId: key?.Arn })
    expect(used).to.include({ Operation: 'GenerateDataKey', KmsRequestId: requestId })
    expect(used?.CloudTrailEventId).to.match(/^[0-9a-f-]{36}$/)
    client = await start()
    expect((await client.getKeyLastUsage({ KeyId: key?.KeyId })).KeyLastUsage).to.deep.equal(used)
  })

  it('is written by a job meanwhile', async () => {
    const client = await start()
    const { KeyMetadata: key } = await client.createKey({})
    await client.encrypt({ KeyId: key?.KeyId, Plaintext: Buffer.from('x') })
    await server?.jobs.flushLastUsage.now()
    const stored = await server?.services.store.keyUsages.get(server.admin.region, key?.KeyId ?? '')
    expect(stored?.operation).to.equal('Encrypt')
  })
})
