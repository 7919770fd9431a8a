import { expect } from 'chai'
import { decodeCiphertextBlob, encodeCiphertextBlob } from '../../src/domain/ciphertext-blob.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import type { KeyView } from '../../src/domain/key.js'
import { backingKey } from '../../src/domain/material.js'
import { HsmError } from '../../src/ports/hsm.js'
import type { Services } from '../../src/service/services.js'
import { onEveryCall, replacing } from '../support/interruption.js'
import { refused, rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { keyOf, newKey, region, storedKey } from '../support/services.js'

const plaintext = Buffer.from('a data key of thirty-two bytes..')
const context: Context = { purpose: 'test' }

type Context = Readonly<Record<string, string>>

describe('backing keys', () => {
  const on = serviceSuite()

  const materialOf = (key: KeyView, version: number) => backingKey(key.key.keyId, version, 'gcm')
  const seal = ({ backingKeys }: Services, key: UsableKey) => backingKeys.seal(key, plaintext, context)
  const rotate = ({ keyVersions }: Services, { key }: KeyView) => keyVersions.rotate(key, 'ON_DEMAND', stored => stored)
  const states = ({ versions }: KeyView) => [...versions.values()].map(({ version, state }) => `${version} ${state}`)

  async function open({ backingKeys }: Services, key: UsableKey, blob: Uint8Array, given: Context = context): Promise<Buffer> {
    const decoded = decodeCiphertextBlob(blob)
    if (!decoded) throw new Error('not a ciphertext')
    return Buffer.from((await backingKeys.open(key, decoded, given)).plaintext)
  }

  describe('sealing and opening', () => {
    it('gives back what was sealed', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const { blob, version } = await seal(services, key)
      expect(version.version).to.equal(1)
      expect(decodeCiphertextBlob(blob)).to.deep.include({ keyId: key.key.keyId, version: 1, suite: 'gcm' })
      expect(await open(services, key, blob)).to.deep.equal(plaintext)
    })

    it('makes another ciphertext every time', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const blobs = await Promise.all(Array.from({ length: 50 }, () => seal(services, key)))
      expect(new Set(blobs.map(({ blob }) => Buffer.from(decodeCiphertextBlob(blob)?.iv ?? []).toString('hex'))).size).to.equal(50)
    })

    it('refuses another encryption context', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const { blob } = await seal(services, key)
      for (const other of [{}, { purpose: 'Test' }, { Purpose: 'test' }, { purpose: 'test', more: '' }]) {
        await refused(open(services, key, blob, other), 'InvalidCiphertextException')
      }
    })

    it('refuses every single changed byte', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const { blob } = await seal(services, key)
      for (let at = 0; at < blob.length; at++) {
        const decoded = decodeCiphertextBlob(Uint8Array.from(blob, (byte, index) => index === at ? byte ^ 0x01 : byte))
        // What names another key is found before it comes here (service/encryption.ts).
        if (decoded?.keyId === key.key.keyId) await refused(services.backingKeys.open(key, decoded, context), 'InvalidCiphertextException')
      }
    })

    it('refuses a version or a suite that the key does not have', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const decoded = decodeCiphertextBlob((await seal(services, key)).blob)
      if (!decoded) throw new Error('not a ciphertext')
      await refused(services.backingKeys.open(key, { ...decoded, version: 2 }, context), 'InvalidCiphertextException')
      await refused(services.backingKeys.open(key, { ...decoded, suite: 'cbc-hmac' }, context), 'InvalidCiphertextException')
    })

    it('refuses the ciphertext of one key under another, although IV and tag are good', async () => {
      const services = on.newServices()
      const [one, other] = [await newKey(services), await newKey(services)]
      const decoded = decodeCiphertextBlob((await seal(services, one)).blob)
      if (!decoded) throw new Error('not a ciphertext')
      const moved = encodeCiphertextBlob({ ...decoded, keyId: other.key.keyId }, decoded)
      await refused(open(services, other, moved), 'InvalidCiphertextException')
    })

    it('passes on what else the HSM says', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const { blob } = await seal(services, key)
      await on.hsm.destroyMaterial(materialOf(key, 1))
      expect((await rejected(open(services, key, blob), HsmError)).kind).to.equal('missing')
    })
  })

  describe('rotation', () => {
    it('seals with the new version and opens with every one', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const blobs = [(await seal(services, key)).blob]
      for (let version = 2; version <= 4; version++) {
        expect((await rotate(services, key)).key.currentVersion).to.equal(version)
        const sealed = await seal(services, await keyOf(services, key.key.keyId))
        expect(sealed.version.version).to.equal(version)
        blobs.push(sealed.blob)
      }
      const latest = await keyOf(services, key.key.keyId)
      for (const blob of blobs) expect(await open(services, latest, blob)).to.deep.equal(plaintext)
    })

    it('stores evidence that the key was made inside and cannot leave', async () => {
      const services = on.newServices()
      const { versions } = await rotate(services, await newKey(services))
      for (const { evidence } of versions.values()) {
        expect(evidence).to.have.length(1)
        expect(evidence[0]?.attributes).to.include({ sensitive: true, extractable: false, never_extractable: true, local: true })
      }
    })

    it('refuses a second one of the same key with ConflictException while one is running', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const outcomes = await Promise.allSettled([rotate(services, key), rotate(services, key), rotate(services, key)])
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') await refused(Promise.reject(outcome.reason as Error), 'ConflictException')
      }
      expect((await storedKey(on.store, key.key.keyId)).key.currentVersion).to.equal(2)
    })

    it('refuses a second one by another process', async () => {
      const other = on.newServices({ store: await on.second() })
      const key = await newKey(other)
      const meanwhile = replacing(on.hsm, {
        async createMaterial(material) {
          await refused(rotate(other, key), 'ConflictException')
          return on.hsm.createMaterial(material)
        },
      })
      await rotate(on.newServices({ hsm: meanwhile }), key)
      expect(states(await storedKey(on.store, key.key.keyId))).to.deep.equal(['1 ready', '2 ready'])
    })

    it('asks for the decision again before it finishes, and takes everything back if that is a refusal', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const disableOnTheWay = replacing(on.hsm, {
        async createMaterial(material) {
          const evidence = await on.hsm.createMaterial(material)
          await services.directory.change(region, key.key.keyId, view => ({ key: { ...view.key, state: 'Disabled' } }))
          return evidence
        },
      })
      const { keyVersions } = on.newServices({ hsm: disableOnTheWay })
      await rejected(keyVersions.rotate(key.key, 'ON_DEMAND', stored => {
        if (stored.state !== 'Enabled') throw new RangeError('not enabled')
        return stored
      }), RangeError)
      expect(states(await storedKey(on.store, key.key.keyId))).to.deep.equal(['1 ready'])
      expect(await on.hsm.find(materialOf(key, 2))).to.equal(undefined)
    })

    it('passes over objects that no row knows, as after restoring an older database', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const lost = [materialOf(key, 2), materialOf(key, 3)]
      for (const material of lost) await on.hsm.createMaterial(material)
      expect((await rotate(services, key)).key.currentVersion).to.equal(4)
      for (const material of lost) expect(await on.hsm.find(material)).to.not.equal(undefined)
    })

    it('leaves an object alone that took the name meanwhile, and takes back its own row', async () => {
      const key = await newKey(on.newServices())
      const late = replacing(on.hsm, {
        async createMaterial(material) {
          await on.hsm.createMaterial(material)
          return on.hsm.createMaterial(material)
        },
      })
      const { kind } = await rejected(rotate(on.newServices({ hsm: late }), key), HsmError)
      expect(kind).to.equal('exists')
      expect(await on.hsm.find(materialOf(key, 2))).to.not.equal(undefined)
      expect(states(await storedKey(on.store, key.key.keyId))).to.deep.equal(['1 ready'])
    })
  })

  describe('a failure', () => {
    const failing = (after: boolean) => replacing(on.hsm, {
      async createMaterial(material) {
        if (after) await on.hsm.createMaterial(material)
        throw new HsmError('lost', 'the cable was pulled')
      },
    })

    for (const [when, after] of [['before', false], ['after', true]] as const) {
      it(`of the HSM ${when} the object was made leaves no version behind`, async () => {
        const key = await newKey(on.newServices())
        expect((await rejected(rotate(on.newServices({ hsm: failing(after) }), key), HsmError)).kind).to.equal('lost')
        expect(states(await storedKey(on.store, key.key.keyId))).to.deep.equal(['1 ready'])
        expect(await on.hsm.find(materialOf(key, 2))).to.equal(undefined)
      })

      it(`of the HSM ${when} the object was made leaves no key behind`, async () => {
        const broken = on.newServices({ hsm: failing(after) })
        await rejected(newKey(broken), Error)
        expect(await on.store.keys.unsettled(10)).to.deep.equal([])
      })
    }

    it('leaves the key ready for the next attempt', async () => {
      const key = await newKey(on.newServices())
      await rejected(rotate(on.newServices({ hsm: failing(true) }), key), HsmError)
      expect((await rotate(on.newServices(), key)).key.currentVersion).to.equal(2)
    })

    it('whose undoing fails as well is left to the reconciler, and the first error is told', async () => {
      const key = await newKey(on.newServices())
      const dead = replacing(failing(true), { destroyMaterial: () => Promise.reject(new HsmError('lost', 'still no cable')) })
      const { message } = await rejected(rotate(on.newServices({ hsm: dead }), key), HsmError)
      expect(message).to.equal('the cable was pulled')
      expect(states(await storedKey(on.store, key.key.keyId))).to.deep.equal(['1 ready', '2 creating'])
    })
  })

  describe('undo', () => {
    it('never destroys a version that is ready', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const rotated = await rotate(services, key)
      const { blob } = await seal(services, await keyOf(services, key.key.keyId))
      for (const version of rotated.versions.values()) await services.keyVersions.undo({ ...version, state: 'creating' })
      const stored = await keyOf(services, key.key.keyId)
      expect(states(stored)).to.deep.equal(['1 ready', '2 ready'])
      expect(await open(services, stored, blob)).to.deep.equal(plaintext)
    })

    it('never destroys a version whose last write succeeded although its answer was lost', async () => {
      const key = await newKey(on.newServices())
      let writes = 0
      const keys = replacing(on.store.keys, {
        async update(...change) {
          const written = await on.store.keys.update(...change)
          if (++writes === 2) throw new Error('the answer was lost')
          return written
        },
      })
      await rejected(rotate(on.newServices({ store: { ...on.store, keys } }), key), Error)
      const stored = await storedKey(on.store, key.key.keyId)
      expect(states(stored)).to.deep.equal(['1 ready', '2 ready'])
      expect(await on.hsm.find(materialOf(key, 2))).to.not.equal(undefined)
    })

    it('does nothing to a key that is not there', async () => {
      const services = on.newServices()
      const key = await newKey(services)
      const draft = services.keyVersions.draft({ ...key.key, region: 'us-east-1' }, 1)
      await services.keyVersions.undo(draft)
      expect(await on.hsm.find(materialOf(key, 1))).to.not.equal(undefined)
    })
  })

  it('never search the token when they seal or open (C_FindObjects is slow)', async () => {
    const calls: string[] = []
    const services = on.newServices({ hsm: onEveryCall(on.hsm, method => void calls.push(method)) })
    const key = await newKey(services)
    calls.length = 0
    const { blob } = await seal(services, key)
    await open(services, key, blob)
    expect(calls).to.deep.equal(['seal', 'open'])
  })
})
