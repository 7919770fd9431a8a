import type { CustomKeyStoresListEntry, KMS } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/config.js'
import { selfSigned } from '../http/self-signed.js'
import { kmsClient, refusal } from '../support/clients.js'
import { killLeftovers, spawnForOneTest } from '../support/one-test.js'
import { environmentOf, spawnProgram, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { freshToken, pinFileOf } from '../support/softhsm.js'
import { json } from './claviger.js'

/** Longer than any of it takes on a busy machine; what is waited for ends the wait. */
const waitMsMax = 60_000
const plaintext = Buffer.from('a data key')
const password = 'no token knows it'

interface Watched { readonly name: string, readonly connection: string, readonly lanes: readonly { readonly pid?: number }[] }

describe('custom key stores of a server', function suiteOfCustomKeyStores() {
  this.timeout(180_000)
  let dataDir: string
  let other: Pkcs11Config
  const clients: KMS[] = []

  beforeEach(async () => {
    dataDir = temporaryDirectory()
    other = await freshToken()
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy()
    await killLeftovers()
  })

  /** Another configuration of SoftHSM than that of the embedded token, so in processes of its own: their end is the end of the login. */
  const settings = () => ({
    keyStores: {
      other: {
        module: other.module, tokenLabel: other.tokenLabel, pinFile: pinFileOf(other), profile: 'softhsm', host: 'process',
        lanes: { count: 2 }, environment: other.environment,
      },
    },
  })

  async function start(): Promise<{ readonly server: SpawnedServer, readonly kms: KMS }> {
    const server = await spawnForOneTest({ dataDir, settings: settings() })
    const kms = kmsClient(server, { maxAttempts: 1 })
    clients.push(kms)
    return { server, kms }
  }

  async function lanes(): Promise<readonly number[]> {
    const stores = await json(['hsm', 'watch', '--once'], dataDir) as readonly Watched[]
    return stores.find(({ name }) => name === 'other')?.lanes.flatMap(({ pid }) => pid ?? []) ?? []
  }

  async function clusterId(): Promise<string> {
    const stores = await json(['hsm', 'list'], dataDir, environmentOf(dataDir, settings())) as { keyStore: string, clusterId?: string }[]
    expect(stores.find(({ keyStore }) => keyStore === 'default')).to.not.have.property('clusterId')
    return stores.find(({ keyStore }) => keyStore === 'other')?.clusterId ?? ''
  }

  const described = async (kms: KMS, CustomKeyStoreId: string): Promise<CustomKeyStoresListEntry> =>
    (await kms.describeCustomKeyStores({ CustomKeyStoreId })).CustomKeyStores?.[0] ?? {}

  async function reaches(kms: KMS, id: string, state: string): Promise<void> {
    const until = Date.now() + waitMsMax
    while ((await described(kms, id)).ConnectionState !== state) {
      if (Date.now() > until) throw new Error(`${id} is not ${state} after ${waitMsMax} ms`)
      await pause(50)
    }
  }

  /** A custom key store that is connected, with a key and a ciphertext of it. */
  async function made(kms: KMS) {
    const { CustomKeyStoreId: id = '' } = await kms.createCustomKeyStore({
      CustomKeyStoreName: 'a store', CloudHsmClusterId: await clusterId(), TrustAnchorCertificate: selfSigned().certificate,
      KeyStorePassword: password,
    })
    expect((await described(kms, id)).ConnectionState).to.equal('DISCONNECTED')
    await kms.connectCustomKeyStore({ CustomKeyStoreId: id })
    await reaches(kms, id, 'CONNECTED')
    const { KeyMetadata: key } = await kms.createKey({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: id })
    const { CiphertextBlob: blob } = await kms.encrypt({ KeyId: key?.KeyId, Plaintext: plaintext })
    return { id, keyId: key?.KeyId, blob }
  }

  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }

  const open = async (kms: KMS, CiphertextBlob: Uint8Array | undefined) =>
    Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext ?? [])

  it('are logged out when they are disconnected, also after a restart, until they are connected again', async () => {
    const first = await start()
    const { id, keyId, blob } = await made(first.kms)
    const pids = await lanes()
    expect(pids).to.have.length(2)
    await first.kms.disconnectCustomKeyStore({ CustomKeyStoreId: id })
    expect((await first.kms.describeKey({ KeyId: keyId })).KeyMetadata?.KeyState).to.equal('Unavailable')
    await reaches(first.kms, id, 'DISCONNECTED')
    expect(pids.filter(isAlive)).to.deep.equal([])
    await first.server.kill('SIGTERM')
    const { server, kms } = await start()
    expect((await described(kms, id)).ConnectionState).to.equal('DISCONNECTED')
    expect(await lanes()).to.deep.equal([])
    const { checks } = await (await fetch(`${server.url}/readyz`)).json() as { readonly checks: object }
    expect(checks).to.include({ 'keyStore:other': 'disconnected' })
    expect(await refusal(open(kms, blob))).to.have.property('code', 'KMSInvalidStateException')
    expect((await kms.describeKey({ KeyId: keyId })).KeyMetadata).to.include({ KeyState: 'Unavailable', CustomKeyStoreId: id })
    await kms.connectCustomKeyStore({ CustomKeyStoreId: id })
    await reaches(kms, id, 'CONNECTED')
    expect(await open(kms, blob)).to.deep.equal(plaintext)
    expect((await kms.generateRandom({ NumberOfBytes: 8, CustomKeyStoreId: id })).Plaintext).to.have.length(8)
  })

  it('are open again after a restart when they were connected, and the password is nowhere', async () => {
    const first = await start()
    const { id, blob } = await made(first.kms)
    const { output } = await first.server.kill('SIGTERM')
    const { kms } = await start()
    await reaches(kms, id, 'CONNECTED')
    expect(await open(kms, blob)).to.deep.equal(plaintext)
    const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    const audited = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name)))
    expect(audited.some(text => text.includes('CreateCustomKeyStore'))).to.equal(true)
    expect([Buffer.from(output), ...audited].filter(text => text.includes(password))).to.deep.equal([])
  })

  it('are not where the configuration may want to make other keys', async () => {
    const first = await start()
    const { id } = await made(first.kms)
    await first.server.kill('SIGTERM')
    const { exited } = spawnProgram(['server', '--unsupervised'], { dataDir, settings: { ...settings(), defaultKeyStore: 'other' } })
    const { code, output } = await exited
    expect(code).to.not.equal(0)
    expect(output).to.contain(`which is that of the custom key store ${id}`)
  })
})
