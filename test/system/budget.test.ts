import { expect } from 'chai'
import { join } from 'node:path'
import { findSoftHsm } from '../../src/adapters/pkcs11/token/softhsm-token.js'
import { materialOwner } from '../../src/domain/material.js'
import { HsmError } from '../../src/ports/hsm.js'
import { killLeftovers, spawnForOneTest } from '../support/one-test.js'
import { errorOf, RawClient, type RawAnswer } from '../support/raw-client.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'
import { removeDirectory, startServer, temporaryDirectory, type ServerAddress, type SpawnedServer } from '../support/server.js'
import { encryptionsByLabel, findSpy } from '../support/spy-log.js'
import { query, softHsmEnvironment } from '../support/token.js'

const cap = 1_000
const connections = 24
/** Seals after which the server is killed, each time from the start of the server. */
const sealsUntilKill = [700, 450, 1_300]

/** SP 800-38D section 8.3: so many invocations of AES-GCM with random IVs under one key, and no more. */
describe('the invocation budget of a key version', () => {
  printSeedOfFailures()

  describe('with a cap of 1,000 and kill -9 in the middle', function () {
    this.timeout(60_000)
    const random = seeded('budget')
    const dataDir = temporaryDirectory()
    const sealed: Sealed[] = []
    const logs: string[] = []
    let keyId: string

    before(async () => {
      // The embedded token is made by a first start; from then on the same token is reached through the witness.
      await (await spawnForOneTest({ dataDir })).kill('SIGTERM')
      for (const seals of sealsUntilKill) {
        const server = await spawnWatched(dataDir, logs)
        keyId ??= await createKey(server)
        await sealUntil(server, keyId, sealed, seals + random.below(100), () => void server.kill())
        await server.exited
      }
    })

    after(async () => {
      await killLeftovers()
      removeDirectory(dataDir)
    })

    it('never asks the HSM for more encryptions than the cap under one version, as pkcs11-spy has seen', () => {
      const totals = encryptionsPerVersion(logs, keyId)
      const all = [...totals.values()].reduce((sum, count) => sum + count, 0)
      expect(all, 'every ciphertext was made before the eyes of the witness').to.be.at.least(sealed.length)
      for (const [version, count] of totals) expect(count, `version ${version}`).to.be.at.most(cap)
    })

    it('makes the next version before a version is spent', () => {
      const versions = query<{ version: number, state: string, rotation_type: string }>(
        dataDir, `select version, state, rotation_type from key_versions where key_id = '${keyId}' order by version`)
      expect(versions.length).to.be.at.least(Math.ceil(sealed.length / cap))
      for (const { state, rotation_type: type } of versions.slice(1)) expect([state, type]).to.deep.equal(['ready', 'AUTOMATIC'])
      const used = new Set(sealed.map(({ blob }) => versionOf(blob)))
      expect(used.size).to.be.at.least(3)
    })

    it('sets seals aside before they are used, so that a crash wastes some and repeats none', () => {
      const reserved = new Map(query<{ version: number, reserved: number }>(
        dataDir, `select version, reserved from seal_budgets where key_id = '${keyId}'`).map(row => [row.version, row.reserved]))
      for (const [version, count] of encryptionsPerVersion(logs, keyId)) {
        expect(reserved.get(version), `version ${version}`).to.be.within(count, cap)
      }
    })

    it('leaves every ciphertext of every version readable', async () => {
      const server = await spawnForOneTest({ dataDir })
      const answers = await inParallel(server, sealed, (client, { blob }) => client.call('Decrypt', { CiphertextBlob: blob }))
      expect(answers.map(answer => member(answer, 'Plaintext'))).to.deep.equal(sealed.map(({ plaintext }) => plaintext))
      await server.kill('SIGTERM')
    })
  })

  it('refuses to encrypt with an error that clients retry when a spent version cannot be replaced, and still decrypts', async () => {
    const server = await startServer({ settings: { kms: { sealsPerVersionMax: 20 } } })
    const client = await RawClient.open(server)
    try {
      const keyId = await createKey(server)
      const { hsm } = server.services
      const healthy = hsm.createMaterial.bind(hsm)
      hsm.createMaterial = () => Promise.reject(new HsmError('capacity', 'the token is full'))

      const answers: RawAnswer[] = []
      for (let count = 0; count < 25; count++) answers.push(await encrypt(client, keyId, 'AAAA'))
      expect(answers.map(({ status }) => status)).to.deep.equal([...Array<number>(20).fill(200), ...Array<number>(5).fill(500)])
      expect(new Set(answers.slice(20).map(errorOf))).to.deep.equal(new Set(['KeyUnavailableException']))
      const blob = member(answers[0] as RawAnswer, 'CiphertextBlob')
      expect(member(await client.call('Decrypt', { CiphertextBlob: blob }), 'Plaintext')).to.equal('AAAA')

      hsm.createMaterial = healthy
      const later = await encrypt(client, keyId, 'AAAA')
      expect([later.status, versionOf(member(later, 'CiphertextBlob'))]).to.deep.equal([200, 2])
    } finally {
      client.close()
      await server.close()
    }
  })
})

interface Sealed { readonly plaintext: string, readonly blob: string }

/** A server that reaches its own token through pkcs11-spy. The log holds PIN and plaintexts, so it stays in the data directory. */
async function spawnWatched(dataDir: string, logs: string[]): Promise<SpawnedServer> {
  const log = join(dataDir, `spy-${logs.length}.log`)
  logs.push(log)
  const { SOFTHSM2_CONF = '' } = softHsmEnvironment(dataDir)
  return spawnForOneTest({
    dataDir,
    settings: {
      hsm: { module: findSpy(), tokenLabel: 'claviger', profile: 'softhsm', pinFile: join(dataDir, 'softhsm', 'pin') },
      kms: { sealsPerVersionMax: cap },
    },
    environment: { SOFTHSM2_CONF, PKCS11SPY: findSoftHsm(), PKCS11SPY_OUTPUT: log },
  })
}

/** Seals from many connections at once until so many are answered, then does what it is told in the middle of the rest. */
async function sealUntil(server: SpawnedServer, keyId: string, sealed: Sealed[], count: number, then: () => void): Promise<void> {
  let left = count
  await Promise.all(Array.from({ length: connections }, async (_, at) => {
    const client = await RawClient.open(server)
    for (let turn = 0; ; turn++) {
      const plaintext = Buffer.from(`${at} ${turn}`).toString('base64')
      const answer = await encrypt(client, keyId, plaintext).catch(() => undefined)
      if (!answer) return client.close()
      expect(answer.status, answer.body).to.equal(200)
      sealed.push({ plaintext, blob: member(answer, 'CiphertextBlob') })
      if (--left === 0) then()
    }
  }))
}

function encryptionsPerVersion(logs: readonly string[], keyId: string): ReadonlyMap<number, number> {
  const totals = new Map<number, number>()
  for (const [label, count] of logs.flatMap(log => [...encryptionsByLabel(log)])) {
    const owner = materialOwner(label)
    if (owner?.kind === 'backing-key' && owner.keyId === keyId) totals.set(owner.version, (totals.get(owner.version) ?? 0) + count)
  }
  return totals
}

async function createKey(server: ServerAddress): Promise<string> {
  const client = await RawClient.open(server)
  const { body } = await client.call('CreateKey', {})
  client.close()
  return (JSON.parse(body) as { KeyMetadata: { KeyId: string } }).KeyMetadata.KeyId
}

function encrypt(client: RawClient, keyId: string, plaintext: string): Promise<RawAnswer> {
  return client.call('Encrypt', { KeyId: keyId, Plaintext: plaintext })
}

async function inParallel<T>(server: ServerAddress, items: readonly T[], call: (client: RawClient, item: T) => Promise<RawAnswer>) {
  const answers: RawAnswer[] = []
  let next = 0
  await Promise.all(Array.from({ length: connections }, async () => {
    const client = await RawClient.open(server)
    for (let at = next++; at < items.length; at = next++) answers[at] = await call(client, items[at] as T)
    client.close()
  }))
  return answers
}

function member(answer: RawAnswer, name: 'CiphertextBlob' | 'Plaintext'): string {
  return (JSON.parse(answer.body) as Record<string, string>)[name] ?? answer.body
}

/** The version in the header of a ciphertext (bytes 21 to 24). */
function versionOf(blob: string): number {
  return Buffer.from(blob, 'base64').readUInt32BE(21)
}
