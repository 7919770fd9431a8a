import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/hsm.js'
import { loadLibrary } from '../../src/adapters/pkcs11/token/module.js'
import { onlySlot } from '../../src/adapters/pkcs11/token/slots.js'
import { connectCustomKeyStore, deleteCustomKeyStore, updateCustomKeyStore } from '../../src/api/key-stores.js'
import { cancelKeyDeletion, createKey, describeKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { enableKeyRotation } from '../../src/api/rotation.js'
import { clusterIdOf } from '../../src/domain/custom-key-store.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys, rotateDueKeys } from '../../src/jobs/due-keys.js'
import { CustomKeyStoreRegistry } from '../../src/service/custom-key-stores/registry.js'
import { readiness } from '../../src/service/readiness.js'
import { reconcile } from '../../src/service/reconcile.js'
import { otherAccountId } from '../support/callers.js'
import {
  claim, connected, described, disconnected, keyIn, openClaimable, password, reaches, type ClaimableStores, type Tokens,
} from '../support/custom-key-stores.js'
import { refused } from '../support/refusal.js'
import { secondToken } from '../support/second-token.js'
import { call, storedKey } from '../support/services.js'
import { freshToken } from '../support/softhsm.js'

/** CKS_RW_USER_FUNCTIONS. */
const loggedIn = 3

/** Whether a session that is opened now is logged in by what this process has done before (PKCS#11 2.40, section 5.6). */
function isLoggedIn(token: Pkcs11Config): boolean {
  const library = loadLibrary(token.module, token)
  const session = library.lib.C_OpenSession(onlySlot(library.lib, token), pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION)
  try {
    return library.lib.C_GetSessionInfo(session).state === loggedIn
  } finally {
    library.lib.C_CloseSession(session)
  }
}

describe('changes of custom key stores', function suiteOfChanges() {
  this.timeout(60_000)
  let tokens: Tokens & { readonly one: Pkcs11Config, readonly two: Pkcs11Config }
  let open: ClaimableStores
  let id: string

  before(async () => {
    const first = await freshToken()
    tokens = { default: first, one: secondToken(first, 'one'), two: secondToken(first, 'two') }
  })
  beforeEach(async () => {
    open = await openClaimable(tokens)
    id = await claim(open.services, 'one')
  })
  afterEach(() => open.close())

  const update = (input: object) => call(open.services, updateCustomKeyStore, { CustomKeyStoreId: id, ...input })
  const remove = () => call(open.services, deleteCustomKeyStore, { CustomKeyStoreId: id })

  it('end the login of this process, and none but that', async () => {
    await connected(open.services, id)
    expect([isLoggedIn(tokens.one), isLoggedIn(tokens.two), isLoggedIn(tokens.default)]).to.deep.equal([true, true, true])
    await disconnected(open.services, id)
    expect([isLoggedIn(tokens.one), isLoggedIn(tokens.two), isLoggedIn(tokens.default)]).to.deep.equal([false, true, true])
  })

  describe('UpdateCustomKeyStore', () => {
    it('renames, also what is connected', async () => {
      expect(await update({ NewCustomKeyStoreName: 'a name' })).to.deep.equal({})
      expect((await described(open.services, id)).CustomKeyStoreName).to.equal('a name')
      await connected(open.services, id)
      await update({ NewCustomKeyStoreName: 'another name' })
      expect(await described(open.services, id)).to.include({ CustomKeyStoreName: 'another name', ConnectionState: 'CONNECTED' })
      await update({ NewCustomKeyStoreName: 'another name' })
      await claim(open.services, 'two', 'taken')
      await refused(update({ NewCustomKeyStoreName: 'taken' }), 'CustomKeyStoreNameInUseException')
    })

    it('takes a password and forgets it, of what is disconnected', async () => {
      await update({ KeyStorePassword: password })
      expect(JSON.stringify([open.audit.events, open.log.entries])).to.not.contain(password)
      await connected(open.services, id)
      await refused(update({ KeyStorePassword: password }), 'CustomKeyStoreInvalidStateException')
    })

    it('knows no cluster of another account, whatever token it is of', async () => {
      const { store } = open.services
      const customKeyStores = new CustomKeyStoreRegistry(store, [
        { keyStore: 'one', clusterId: 'cluster-abcdefg2222', accountId: otherAccountId },
        { keyStore: 'two', clusterId: clusterIdOf('two'), accountId: otherAccountId },
      ])
      await customKeyStores.load()
      const texts = new Set<string>()
      for (const CloudHsmClusterId of ['cluster-abcdefg2222', clusterIdOf('two'), 'cluster-abcdefg2345']) {
        const updating = call({ ...open.services, customKeyStores }, updateCustomKeyStore, { CustomKeyStoreId: id, CloudHsmClusterId })
        const { message } = await refused(updating, 'CloudHsmClusterNotFoundException')
        texts.add(message.replace(CloudHsmClusterId, 'ID'))
      }
      expect(texts.size).to.equal(1)
    })

    it('takes another cluster id of the same token only', async () => {
      await refused(update({ CloudHsmClusterId: 'cluster-abcdefg2345' }), 'CloudHsmClusterNotFoundException')
      await refused(update({ CloudHsmClusterId: clusterIdOf('two') }), 'CloudHsmClusterNotRelatedException')
      await update({ CloudHsmClusterId: clusterIdOf('one') })
      const [row] = await open.opened.store.customKeyStores.all()
      await open.opened.store.customKeyStores.update({ ...row as NonNullable<typeof row>, clusterId: 'cluster-abcdefg2345' })
      await open.services.customKeyStores.load()
      await update({ CloudHsmClusterId: clusterIdOf('one') })
      expect((await described(open.services, id)).CloudHsmClusterId).to.equal(clusterIdOf('one'))
      await connected(open.services, id)
      await refused(update({ CloudHsmClusterId: clusterIdOf('one') }), 'CustomKeyStoreInvalidStateException')
    })

    it('has something to change, and nothing of an external key store', async () => {
      await refused(update({}), 'ValidationException')
      await refused(update({ NewCustomKeyStoreName: 'a', XksProxyUriPath: '/kms/xks/v1' }), 'ValidationException')
      await refused(update({ CustomKeyStoreId: 'cks-0', NewCustomKeyStoreName: 'a' }), 'CustomKeyStoreNotFoundException')
    })
  })

  describe('DeleteCustomKeyStore', () => {
    it('gives the token back', async () => {
      await connected(open.services, id)
      await refused(remove(), 'CustomKeyStoreInvalidStateException')
      await disconnected(open.services, id)
      expect(await remove()).to.deep.equal({})
      await refused(remove(), 'CustomKeyStoreNotFoundException')
      await open.keyStores.tried()
      expect(await open.keyStores.get('one').random(1)).to.have.length(1)
      await claim(open.services, 'one')
    })

    it('needs a store without keys, also such as wait to be deleted', async () => {
      await connected(open.services, id)
      const KeyId = await keyIn(open.services, id)
      await call(open.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      await disconnected(open.services, id)
      await refused(remove(), 'CustomKeyStoreHasCMKsException')
      await connected(open.services, id)
      open.clock.advance(7 * dayMs)
      expect(await deleteExpiredKeys(open.services, 'this')).to.equal(1)
      await disconnected(open.services, id)
      await remove()
    })
  })

  describe('what is due while a store is disconnected', () => {
    const complaints = () => open.log.entries.filter(({ level }) => level === 'error' || level === 'warn')

    it('waits quietly, and is done when it is connected', async () => {
      await connected(open.services, id)
      const KeyId = await keyIn(open.services, id)
      await call(open.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      await disconnected(open.services, id)
      const { KeyMetadata: other } = await call(open.services, createKey, {})
      await call(open.services, enableKeyRotation, { KeyId: other?.KeyId ?? '', RotationPeriodInDays: 90 })
      open.clock.advance(90 * dayMs)
      expect(await deleteExpiredKeys(open.services, 'this')).to.equal(0)
      expect(await rotateDueKeys(open.services, 'this')).to.equal(1)
      expect(complaints()).to.deep.equal([])
      expect((await storedKey(open.opened.store, KeyId)).key.state).to.equal('PendingDeletion')
      expect((await call(open.services, describeKey, { KeyId })).KeyMetadata?.KeyState).to.equal('PendingDeletion')
      await connected(open.services, id)
      expect(await deleteExpiredKeys(open.services, 'this')).to.equal(1)
      expect((await storedKey(open.opened.store, KeyId)).key.state).to.equal('Destroyed')
    })

    it('can be called off', async () => {
      await connected(open.services, id)
      const KeyId = await keyIn(open.services, id)
      await disconnected(open.services, id)
      await call(open.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      await call(open.services, cancelKeyDeletion, { KeyId })
      expect((await call(open.services, describeKey, { KeyId })).KeyMetadata?.KeyState).to.equal('Unavailable')
      await connected(open.services, id)
      expect((await call(open.services, describeKey, { KeyId })).KeyMetadata?.KeyState).to.equal('Disabled')
    })

    it('is left half-made, and taken back when it is connected', async () => {
      await connected(open.services, id)
      const keyId = await keyIn(open.services, id)
      const view = await storedKey(open.opened.store, keyId)
      const half = { ...view.versions.get(1) as NonNullable<ReturnType<typeof view.versions.get>>, version: 2, state: 'creating' as const }
      await open.opened.store.keys.update(view.key, [half])
      await disconnected(open.services, id)
      expect(await reconcile(open.services, 'this', true)).to.deep.equal({ undone: 0 })
      expect(complaints()).to.deep.equal([])
      await connected(open.services, id)
      expect(await reconcile(open.services, 'this', true)).to.deep.equal({ undone: 1 })
    })

    it('leaves the service ready, and says which store is disconnected', async () => {
      const { ok, checks } = await readiness(open.services)
      expect({ ok, one: checks['keyStore:one'], two: checks['keyStore:two'] }).to.deep.equal({ ok: true, one: 'disconnected', two: 'ok' })
      expect(complaints()).to.deep.equal([])
      await call(open.services, connectCustomKeyStore, { CustomKeyStoreId: id })
      await reaches(open.services, id, 'CONNECTED')
      expect((await readiness(open.services)).checks).to.include({ 'keyStore:one': 'ok' })
    })
  })
})
