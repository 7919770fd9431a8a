import { expect } from 'chai'
import { encrypt } from '../../src/api/encryption.js'
import { createKey, describeKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { replicateKey } from '../../src/api/multi-region.js'
import { backingKey } from '../../src/domain/material.js'
import { IntegrityError } from '../../src/ports/keys.js'
import type { Installation, InstanceRecord } from '../../src/ports/store.js'
import { acceptRollback, StoreHead } from '../../src/service/rollback.js'
import { approver, held, requester, ruleOf, shown } from '../support/approvals.js'
import { rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, call, newKey, openTestHsm, openTestStore, region, servicesOver, storedKey } from '../support/services.js'

const installed: Installation = { accountId: '111122223333', createdAt: 1, roots: { seal: 1, mac: 1, audit: 1 }, head: 5 }

/** A record and a witness that note what is written to them, in order. */
function noted(seen: number) {
  const writes: string[] = []
  const record: InstanceRecord = {
    get: async () => installed,
    put: async ({ head }) => void writes.push(`store ${head}`),
  }
  const witness = { read: () => seen, write: (head: number) => void writes.push(`witness ${head}`) }
  return { writes, head: new StoreHead(record, witness, installed) }
}

describe('the head of the store', () => {
  it('is behind only when the witness has seen more', () => {
    expect([0, 4, 5].map(seen => noted(seen).head.isBehind())).to.deep.equal([false, false, false])
    expect(noted(6).head.isBehind()).to.equal(true)
  })

  it('goes up in the store before it does in the witness, and above both', async () => {
    const { writes, head } = noted(9)
    await head.advance()
    await head.advance()
    expect(writes).to.deep.equal(['store 10', 'witness 10', 'store 11', 'witness 11'])
  })
})

describe('an older database that was accepted', () => {
  const on = serviceSuite()

  it('deletes nothing that it says is to be deleted', async () => {
    const { key } = await newKey(on.services)
    await call(on.services, scheduleKeyDeletion, { KeyId: key.keyId, PendingWindowInDays: 7 })
    await acceptRollback(on.services)
    const { KeyMetadata } = await call(on.services, describeKey, { KeyId: key.keyId })
    expect(KeyMetadata).to.deep.include({ KeyState: 'Disabled' }).and.to.not.have.property('DeletionDate')
  })

  it('ends sessions of before', async () => {
    await acceptRollback(on.services)
    const users = await on.store.identities.list(accountId, 'user', undefined, 99)
    expect(new Set(users.map(({ sessionsRevokedAt }) => sessionsRevokedAt))).to.deep.equal(new Set([on.clock.now()]))
  })

  it('ends calls that wait for approval, which may have been done since', async () => {
    const other = approver('bob')
    on.restart({ rules: [ruleOf(1, [other], { operations: ['CreateKey'] })] })
    const id = await held(on.services, createKey, {}, requester)
    await acceptRollback(on.services)
    expect((await shown(on.services, id)).Status).to.equal('EXPIRED')
  })

  it('deletes no primary either whose replicas it says are to go first', async () => {
    const KeyId = (await call(on.services, createKey, { MultiRegion: true })).KeyMetadata?.KeyId ?? ''
    await call(on.services, replicateKey, { KeyId, ReplicaRegion: 'us-east-1' })
    await call(on.services, scheduleKeyDeletion, { KeyId })
    await acceptRollback(on.services)
    const { KeyMetadata } = await call(on.services, describeKey, { KeyId })
    expect(KeyMetadata).to.deep.include({ KeyState: 'Disabled' }).and.to.not.have.property('PendingDeletionWindowInDays')
  })

  it('rotates a key before it encrypts with it again', async () => {
    const { key } = await newKey(on.services)
    await acceptRollback(on.services)
    await call(on.services, encrypt, { KeyId: key.keyId, Plaintext: Buffer.from('text') })
    expect((await storedKey(on.store, key.keyId)).key.currentVersion).to.equal(2)
  })

  it('gives up a version that it says is half-made, and leaves the object', async () => {
    const { key } = await newKey(on.services)
    const draft = on.services.keyVersions.draft(key, 2)
    await on.services.directory.change(region, key.keyId, view => ({ key: view.key, versions: [draft] }))
    await on.hsm.createMaterial(backingKey(key.keyId, 2, 'gcm'))
    await acceptRollback(on.services)
    expect((await storedKey(on.store, key.keyId)).versions.has(2)).to.equal(false)
    expect(await on.hsm.destroyMaterial(backingKey(key.keyId, 2, 'gcm'))).to.equal(1)
  })
})

describe('a half-made row that was put back for a version in use', () => {
  it('does not make the reconciler destroy the object', async () => {
    const hsm = await openTestHsm()
    const opened = await openTestStore(hsm)
    try {
      const services = servicesOver({ hsm, store: opened.store })
      const { key } = await newKey(services)
      const stale = services.keyVersions.draft(key, 1)
      const current = await storedKey(opened.store, key.keyId)
      await opened.store.keys.update(current.key, [stale])
      await rejected(services.keyVersions.undo(stale), IntegrityError)
      expect(await hsm.destroyMaterial(backingKey(key.keyId, 1, 'gcm'))).to.equal(1)
    } finally {
      await opened.close()
      await hsm.close()
    }
  })
})
