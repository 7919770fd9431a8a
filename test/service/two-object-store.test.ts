import { expect } from 'chai'
import { join } from 'node:path'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/config.js'
import { openHsm } from '../../src/adapters/pkcs11/hsm.js'
import { softhsm } from '../../src/adapters/pkcs11/profiles/softhsm.js'
import { openSqlite } from '../../src/adapters/sql/sqlite.js'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { scheduleKeyDeletion } from '../../src/api/keys.js'
import { rotateKeyOnDemand } from '../../src/api/rotation.js'
import { decodeCiphertextBlob } from '../../src/domain/ciphertext-blob.js'
import { backingKey, rootMaterial } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys } from '../../src/jobs/due-keys.js'
import type { Hsm } from '../../src/ports/hsm.js'
import type { Store } from '../../src/ports/store.js'
import { AccessKeys } from '../../src/service/credentials.js'
import { IdentityDirectory } from '../../src/service/identities/directory.js'
import { InstallationError, installation, type Administrator } from '../../src/service/first-start.js'
import { reportOrphans } from '../../src/service/reconcile.js'
import { firstRoots, rowAuthenticator, sealRoot } from '../../src/service/roots.js'
import { missingObjects } from '../../src/service/token-objects.js'
import { MovedClock } from '../support/clock.js'
import { RecordedLog } from '../support/recorded.js'
import { rejected } from '../support/refusal.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'
import { call, keyStoresOf, newKey, servicesOver, storedKey } from '../support/services.js'
import { freshToken } from '../support/softhsm.js'

/** SoftHSM used as a token without GCM is: each sealing key is an AES key and an HMAC key. */
const twofold = { ...softhsm, seal: { ...softhsm.seal, mode: 'cbc-hmac' as const } }

describe('a key store whose versions are two objects', () => {
  let config: Pkcs11Config
  let hsm: Hsm
  let store: Store
  let directory: string
  const clock = new MovedClock()
  /** Whatever is open: a token that is open has one profile, so another takes its place. */
  const latest = new Proxy({} as Hsm, {
    get(_, property) {
      const member: unknown = Reflect.get(hsm, property)
      return typeof member === 'function' ? (...given: unknown[]): unknown => Reflect.apply(member, hsm, given) : member
    },
  })
  const handedOver: Administrator[] = []

  before(async () => {
    config = await freshToken()
    hsm = await openHsm({ ...config, profile: twofold }, new RecordedLog())
    directory = temporaryDirectory()
    store = await openSqlite({ file: join(directory, 'claviger.db'), authenticator: rowAuthenticator(latest, firstRoots.mac) })
    await start(hsm)
  })

  after(async () => {
    await store.close()
    await hsm.close()
    removeDirectory(directory)
  })

  /** As a restart with another profile. */
  async function reopen(profile: NonNullable<Pkcs11Config['profile']>): Promise<void> {
    await hsm.close()
    hsm = await openHsm({ ...config, profile }, new RecordedLog())
  }

  const start = (on: Hsm) => installation({
    keyStores: keyStoresOf({ default: on }), store, clock, accountId: undefined, handOver: one => void handedOver.push(one),
  })
  const labels = async () => (await hsm.list()).map(({ label }) => label)
  const objectsOf = (keyId: string, version: number): readonly string[] => {
    const { name, macName = '' } = backingKey(keyId, version, 'cbc-hmac')
    return [name, macName]
  }

  const secretOf = async (accessKeyId: string) =>
    Buffer.from((await new AccessKeys(store, hsm, new IdentityDirectory(store)).lookup(accessKeyId))?.secret ?? []).toString()

  it('keeps root/seal as two objects, and opens with it what it sealed', async () => {
    expect(await labels()).to.include.members(['cvg-root-seal-1', 'cvg-root-seal-1-m'])
    const { accessKeyId = '', secret = '' } = handedOver[0] ?? {}
    expect(await secretOf(accessKeyId)).to.equal(secret)
  })

  it('finds its roots as they were made, whatever new keys would be sealed with', async () => {
    await reopen('softhsm')
    try {
      expect(hsm.suite).to.equal('gcm')
      expect((await sealRoot(hsm, firstRoots.seal)).kind).to.equal('cbc-hmac')
      await start(hsm)
      expect(handedOver).to.have.length(1)
      const { accessKeyId = '', secret = '' } = handedOver[0] ?? {}
      expect(await secretOf(accessKeyId)).to.equal(secret)
    } finally {
      await reopen(twofold)
    }
  })

  it('seals, rotates and opens, and says in the ciphertext how', async () => {
    const services = servicesOver({ hsm, store, clock })
    const { key: { keyId: KeyId } } = await newKey(services)
    const blobs = []
    for (const text of ['one', 'two']) {
      blobs.push((await call(services, encrypt, { KeyId, Plaintext: Buffer.from(text) })).CiphertextBlob ?? new Uint8Array())
      await call(services, rotateKeyOnDemand, { KeyId })
    }
    expect(blobs.map(blob => decodeCiphertextBlob(blob)?.suite)).to.deep.equal(['cbc-hmac', 'cbc-hmac'])
    const opened = await Promise.all(blobs.map(CiphertextBlob => call(services, decrypt, { CiphertextBlob })))
    expect(opened.map(({ Plaintext }) => Buffer.from(Plaintext ?? []).toString())).to.deep.equal(['one', 'two'])
    const { versions } = await storedKey(store, KeyId)
    expect([...versions.values()].map(({ evidence }) => evidence.length)).to.deep.equal([2, 2, 2])
    expect(await labels()).to.include.members([1, 2, 3].flatMap(version => objectsOf(KeyId, version)))
    expect(await reportOrphans(services, 'default')).to.deep.equal([])
    expect(await missingObjects(await hsm.list(), 'default', store)).to.deep.equal([])
  })

  it('frees both objects of every version when the key is deleted', async () => {
    const services = servicesOver({ hsm, store, clock })
    const before = await labels()
    const { key: { keyId: KeyId } } = await newKey(services)
    await call(services, rotateKeyOnDemand, { KeyId })
    expect(await labels()).to.have.length(before.length + 4)
    await call(services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
    clock.advance(7 * dayMs)
    expect(await deleteExpiredKeys(services, 'this')).to.equal(1)
    expect((await labels()).toSorted()).to.deep.equal(before.toSorted())
  })

  it('opens what was sealed with the suite of another time', async () => {
    const services = servicesOver({ hsm: latest, store, clock })
    const { key: { keyId: KeyId } } = await newKey(services)
    const seal = async () => (await call(services, encrypt, { KeyId, Plaintext: Buffer.from('x') })).CiphertextBlob ?? new Uint8Array()
    const blobs = [await seal()]
    const expectAllOpen = async () => {
      for (const CiphertextBlob of blobs) {
        expect(Buffer.from((await call(services, decrypt, { CiphertextBlob })).Plaintext ?? []).toString()).to.equal('x')
      }
    }
    await reopen('softhsm')
    try {
      await call(services, rotateKeyOnDemand, { KeyId })
      blobs.push(await seal())
      await expectAllOpen()
    } finally {
      await reopen(twofold)
    }
    await call(services, rotateKeyOnDemand, { KeyId })
    blobs.push(await seal())
    await expectAllOpen()
    expect(blobs.map(blob => decodeCiphertextBlob(blob)?.suite)).to.deep.equal(['cbc-hmac', 'gcm', 'cbc-hmac'])
  })

  it('is refused by name without root/seal', async () => {
    // Last of all: without it nothing opens any more.
    const root = rootMaterial('seal', firstRoots.seal, 'cbc-hmac')
    expect(await hsm.destroyMaterial(root)).to.equal(2)
    expect((await rejected(start(hsm), InstallationError)).message).to.contain('cvg-root-seal-1')
  })
})
