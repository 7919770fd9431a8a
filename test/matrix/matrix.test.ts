import { expect } from 'chai'
import { openHsm } from '../../src/adapters/pkcs11/hsm.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { hsmContract } from '../contract/hsm.js'
import { kmsClient } from '../support/clients.js'
import { spawnServer, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { silentLog } from '../adapters/pkcs11/support.js'
import { TokenUnavailable, type TestToken } from '../support/tokens/token.js'
import { matrix, type MatrixToken } from './tokens.js'

/** The same on every real token that a Debian machine can have: the port's contract through process lanes, and a server's main job. */
for (const row of matrix) {
  describe(`matrix: ${row.title}`, function () {
    this.timeout(120_000)
    let token: TestToken
    before(async function () {
      try {
        token = await row.open()
      } catch (error) {
        if (!(error instanceof TokenUnavailable)) throw error
        console.log(`    not on this machine: ${error.message}`)
        this.skip()
      }
    })
    after(() => token?.close())

    const open = (): Promise<Hsm> => openHsm({ ...token.config, host: 'process', lanes: { count: 2 } }, silentLog)

    it(`is known by its profile, ${row.profile}`, async () => {
      const hsm = await open()
      try {
        expect(hsm.status()).to.include({ host: 'process', profile: row.profile, circuit: 'closed' })
        expect(hsm.suite).to.equal(row.suite)
      } finally {
        await hsm.close()
      }
    })

    hsmContract(`${row.title}, process lanes`, open, { abilities: row.abilities })
    if (row.abilities.includes('seal')) mainJob(row, () => token)
  })
}

/** What a key service is for, with the token as the only store, or, where it cannot hold the roots, as the store of new keys. */
function mainJob({ abilities }: MatrixToken, token: () => TestToken): void {
  describe('a server on it', () => {
    const dataDir = temporaryDirectory()
    let server: SpawnedServer
    const start = async (): Promise<SpawnedServer> => {
      const { settings } = token()
      const store = { ...settings, lanes: { count: 2 } }
      return spawnServer({
        dataDir,
        settings: abilities.includes('sign') ? { hsm: store } : { keyStores: { other: store }, defaultKeyStore: 'other' },
      })
    }
    before(async () => { server = await start() })
    after(() => server?.kill('SIGTERM'))

    it('creates a key, hands out data keys, rotates, opens old and new, and does so after a restart', async () => {
      const context = { tenant: '1' }
      const sealed: { readonly blob: Uint8Array, readonly plaintext: Buffer }[] = []
      const generate = async (KeyId: string): Promise<void> => {
        const request = { KeyId, KeySpec: 'AES_256', EncryptionContext: context } as const
        const { Plaintext, CiphertextBlob } = await kmsClient(server).generateDataKey(request)
        sealed.push({ blob: CiphertextBlob as Uint8Array, plaintext: Buffer.from(Plaintext as Uint8Array) })
      }
      const allOpen = async (): Promise<void> => {
        for (const { blob, plaintext } of sealed) {
          const { Plaintext } = await kmsClient(server).decrypt({ CiphertextBlob: blob, EncryptionContext: context })
          expect(plaintext.equals(Plaintext as Uint8Array)).to.equal(true)
        }
      }
      const { KeyMetadata } = await kmsClient(server).createKey({})
      const keyId = KeyMetadata?.KeyId ?? ''
      await generate(keyId)
      await kmsClient(server).rotateKeyOnDemand({ KeyId: keyId })
      await generate(keyId)
      await allOpen()
      const refusal = await kmsClient(server).decrypt({ CiphertextBlob: sealed[0]?.blob }).catch((error: Error) => error.name)
      expect(refusal).to.equal('InvalidCiphertextException')
      expect(await server.kill('SIGTERM')).to.include({ code: 0 })
      server = await start()
      await allOpen()
      await generate(keyId)
      await allOpen()
    })
  })
}
