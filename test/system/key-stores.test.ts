import type { KMS } from '@aws-sdk/client-kms'
import { KMSServiceException } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { renameSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/config.js'
import { kmsClient, refusal } from '../support/clients.js'
import { killLeftovers, spawnForOneTest } from '../support/one-test.js'
import { environmentOf, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { freshToken, pinFileOf } from '../support/softhsm.js'
import { json } from './claviger.js'
import { newKey } from './suite.js'

/** Longer than any of it takes on a busy machine; what is waited for ends the wait. */
const waitMsMax = 60_000
const plaintext = Buffer.from('a data key')

interface Ready { readonly ok: boolean, readonly checks: Readonly<Record<string, string>> }
interface Watched { readonly name: string, readonly host: string, readonly lanes: readonly { readonly pid?: number }[] }

describe('several key stores in one server', function suiteOfKeyStores() {
  this.timeout(180_000)
  let dataDir: string
  let other: Pkcs11Config
  let module: string
  const clients: KMS[] = []

  beforeEach(async () => {
    dataDir = temporaryDirectory()
    other = await freshToken()
    // Installed when a test says so.
    module = join(temporaryDirectory(), 'libsofthsm2.so')
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy()
    await killLeftovers()
  })

  const install = () => symlinkSync(other.module, module)

  /** The embedded token is `default`; the other one, which needs another configuration of SoftHSM, works in processes of its own. */
  const settingsOf = (defaultKeyStore: string) => ({
    keyStores: {
      other: {
        module, tokenLabel: other.tokenLabel, pinFile: pinFileOf(other), profile: 'softhsm', host: 'process', lanes: { count: 2 },
        environment: other.environment,
      },
    },
    defaultKeyStore,
  })
  const spawnServer = (defaultKeyStore: string) => spawnForOneTest({ dataDir, settings: settingsOf(defaultKeyStore) })

  /** Does not repeat what was refused. */
  function client(server: SpawnedServer): KMS {
    const kms = kmsClient(server, { maxAttempts: 1 })
    clients.push(kms)
    return kms
  }

  const ready = async ({ url }: SpawnedServer): Promise<Ready> => await (await fetch(`${url}/readyz`)).json() as Ready
  const seal = async (kms: KMS, KeyId: string) => (await kms.encrypt({ KeyId, Plaintext: plaintext })).CiphertextBlob
  const open = async (kms: KMS, CiphertextBlob: Uint8Array | undefined) =>
    Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext ?? [])

  async function eventually(what: string, check: () => Promise<boolean>): Promise<void> {
    const until = Date.now() + waitMsMax
    while (!await check()) {
      if (Date.now() > until) throw new Error(`${what} did not come about in ${waitMsMax} ms`)
      await pause(100)
    }
  }

  const isReady = (server: SpawnedServer, result: string) => async () => (await ready(server)).checks['keyStore:other'] === result

  async function watch(server: SpawnedServer, name: string): Promise<Watched | undefined> {
    const stores = await json(['hsm', 'watch', '--once'], server.dataDir) as readonly Watched[]
    return stores.find(store => store.name === name)
  }

  it('come up later without a restart, and keep nobody from being served before', async () => {
    const server = await spawnServer('other')
    const kms = client(server)
    expect(await ready(server)).to.deep.include({ ok: true }).and.to.have.nested.property('checks.keyStore:other', 'failed')
    // New keys are to be made in the one that is not there.
    expect((await refusal(kms.createKey({}))).code).to.equal('KeyUnavailableException')
    expect((await kms.generateRandom({ NumberOfBytes: 8 })).Plaintext).to.have.length(8)
    install()
    await eventually('the store that was installed', isReady(server, 'ok'))
    const { id } = await newKey(kms)
    expect(await open(kms, await seal(kms, id))).to.deep.equal(plaintext)
  })

  it('keep old keys usable when new ones are made elsewhere', async () => {
    install()
    const first = await spawnServer('default')
    const before = client(first)
    const { id: old } = await newKey(before)
    const blob = await seal(before, old)
    await first.kill('SIGTERM')
    const server = await spawnServer('other')
    const kms = client(server)
    await eventually('the other store', isReady(server, 'ok'))
    expect(await open(kms, blob)).to.deep.equal(plaintext)
    await kms.rotateKeyOnDemand({ KeyId: old })
    expect(await open(kms, await seal(kms, old))).to.deep.equal(plaintext)
    const { id } = await newKey(kms)
    const dataKey = await kms.generateDataKey({ KeyId: id, KeySpec: 'AES_256' })
    await kms.rotateKeyOnDemand({ KeyId: id })
    expect(await open(kms, dataKey.CiphertextBlob)).to.deep.equal(Buffer.from(dataKey.Plaintext ?? []))
    const moved = (await kms.reEncrypt({ CiphertextBlob: blob, DestinationKeyId: id })).CiphertextBlob
    expect(await open(kms, moved)).to.deep.equal(plaintext)
    const environment = environmentOf(dataDir, settingsOf('other'))
    const stores = await json(['hsm', 'list'], dataDir, environment) as { keyStore: string, objects: { owner?: { keyId?: string } }[] }[]
    const keysIn = stores.map(({ keyStore, objects }) => [keyStore, new Set(objects.flatMap(({ owner }) => owner?.keyId ?? []))])
    expect(keysIn).to.deep.equal([['default', new Set([old])], ['other', new Set([id])]])
    const evidence = await json(['key', 'evidence', id], dataDir, environment) as { keyStore: string, versions: unknown[] }
    expect({ keyStore: evidence.keyStore, versions: evidence.versions.length }).to.deep.equal({ keyStore: 'other', versions: 2 })
  })

  it('lose no key of the others when one is taken away, and have it back without a restart', async () => {
    install()
    const server = await spawnServer('other')
    const kms = client(server)
    await eventually('the other store', isReady(server, 'ok'))
    const { id: away } = await newKey(kms)
    const blob = await seal(kms, away)
    const tokens = join(dirname(pinFileOf(other)), 'tokens')
    renameSync(tokens, `${tokens}.away`)
    for (const { pid } of (await watch(server, 'other'))?.lanes ?? []) if (pid !== undefined) process.kill(pid, 'SIGKILL')
    await eventually('the loss', isReady(server, 'failed'))
    const refused = await kms.decrypt({ CiphertextBlob: blob }).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(KMSServiceException)
    expect(refused).to.have.nested.property('$metadata.httpStatusCode', 500)
    expect(refused).to.have.property('name', 'KeyUnavailableException')
    expect((await ready(server)).ok).to.equal(true)
    expect((await kms.generateRandom({ NumberOfBytes: 8 })).Plaintext).to.have.length(8)
    expect((await kms.describeKey({ KeyId: away })).KeyMetadata?.KeyState).to.equal('Enabled')
    renameSync(`${tokens}.away`, tokens)
    await eventually('the return', isReady(server, 'ok'))
    expect(await open(kms, blob)).to.deep.equal(plaintext)
  })

  it('do the main job when the token of the roots works in processes of its own, too', async () => {
    const settings = { hsm: { host: 'process', lanes: { count: 2 } } }
    const first = await spawnForOneTest({ dataDir, settings })
    const before = client(first)
    const { id } = await newKey(before)
    const dataKey = await before.generateDataKey({ KeyId: id, KeySpec: 'AES_256' })
    await before.rotateKeyOnDemand({ KeyId: id })
    const blob = await seal(before, id)
    expect((await watch(first, 'default'))?.host).to.equal('process')
    await first.kill('SIGTERM')
    const kms = client(await spawnForOneTest({ dataDir, settings }))
    expect(await open(kms, dataKey.CiphertextBlob)).to.deep.equal(Buffer.from(dataKey.Plaintext ?? []))
    expect(await open(kms, blob)).to.deep.equal(plaintext)
    expect((await json(['audit', 'verify'], dataDir))).to.be.an('object')
  })
})
