import { join } from 'node:path'
import { expect } from 'chai'
import { openHsm } from '../../src/adapters/pkcs11/hsm.js'
import { openSqlite } from '../../src/adapters/sql/sqlite.js'
import { backingKey, rootMaterial, type RootName } from '../../src/domain/material.js'
import { HsmError, type Hsm } from '../../src/ports/hsm.js'
import type { Installation, Store } from '../../src/ports/store.js'
import { AccessKeys } from '../../src/service/credentials.js'
import { IdentityDirectory } from '../../src/service/identities/directory.js'
import { InstallationError, installation, type Administrator, type FirstStartOptions } from '../../src/service/first-start.js'
import { firstRoots, makeMissingRoots, rowAuthenticator } from '../../src/service/roots.js'
import { MovedClock } from '../support/clock.js'
import { Interruption, replacing } from '../support/interruption.js'
import { RecordedLog } from '../support/recorded.js'
import { rejected } from '../support/refusal.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'
import { keyStoresOf } from '../support/services.js'
import { freshToken } from '../support/softhsm.js'

const rootNames: readonly RootName[] = ['seal', 'mac', 'audit']
/** Far more than a first start has. */
const stepsMax = 100

describe('first start', () => {
  let hsm: Hsm
  let store: Store
  let directory: string
  let handedOver: Administrator[]

  // A token of its own: its roots are destroyed again and again.
  before(async () => { hsm = await openHsm(await freshToken(), new RecordedLog()) })
  after(() => hsm.close())
  beforeEach(() => empty())
  afterEach(() => clear())

  /** An empty token and an empty database. */
  async function empty(): Promise<void> {
    for (const root of rootNames) await hsm.destroyMaterial(rootMaterial(root, 1))
    directory = temporaryDirectory()
    store = await openSqlite({ file: join(directory, 'claviger.db'), authenticator: rowAuthenticator(hsm, firstRoots.mac) })
    handedOver = []
  }

  async function clear(): Promise<void> {
    await store.close()
    removeDirectory(directory)
  }

  function start(options: Partial<FirstStartOptions> = {}): Promise<Installation> {
    return installation({
      keyStores: keyStoresOf({ default: hsm }), store, clock: new MovedClock(), accountId: undefined,
      handOver: administrator => void handedOver.push(administrator), ...options,
    })
  }

  async function expectComplete(installed: Installation): Promise<void> {
    for (const root of rootNames) expect(await hsm.find(rootMaterial(root, 1)), root).to.not.equal(undefined)
    expect(await store.instance.get()).to.deep.equal(installed)
    const administrator = handedOver.at(-1)
    if (!administrator) throw new Error('no administrator was handed over')
    expect(administrator.accountId).to.equal(installed.accountId)
    const credential = await new AccessKeys(store, hsm, new IdentityDirectory(store)).lookup(administrator.accessKeyId)
    expect(credential?.caller).to.deep.include({
      type: 'User', arn: `arn:aws:iam::${installed.accountId}:user/administrator`, accountId: installed.accountId,
    })
    expect(credential?.caller.policies.map(({ name }) => name)).to.deep.equal(['arn:aws:iam::aws:policy/AdministratorAccess'])
    expect(Buffer.from(credential?.secret ?? []).toString()).to.equal(administrator.secret)
  }

  it('makes roots, an account of 12 digits and an administrator', async () => {
    const installed = await start()
    expect(installed.accountId).to.match(/^[0-9]{12}$/)
    expect(installed.roots).to.deep.equal({ seal: 1, mac: 1, audit: 1 })
    await expectComplete(installed)
  })

  it('is refused on a token that holds keys: the database is missing, or the token is another installation\'s', async () => {
    const key = backingKey('11111111-2222-4333-8444-555555555555', 1, 'gcm')
    await makeMissingRoots(hsm, firstRoots)
    await hsm.createMaterial(key)
    try {
      await rejected(start(), InstallationError)
      expect(handedOver).to.have.length(0)
      expect(await store.instance.get()).to.equal(undefined)
    } finally {
      await hsm.destroyMaterial(key)
    }
  })

  it('takes the account id that it is given', async () => {
    expect((await start({ accountId: '000000000001' })).accountId).to.equal('000000000001')
  })

  it('happens once: a second start uses what is there', async () => {
    const installed = await start()
    expect(await start()).to.deep.equal(installed)
    expect(await start({ accountId: installed.accountId })).to.deep.equal(installed)
    expect(handedOver).to.have.length(1)
  })

  it('uses roots that are already in the token', async () => {
    await makeMissingRoots(hsm, firstRoots)
    const publicKey = await hsm.publicKey(rootMaterial('audit', 1))
    await start()
    expect(await hsm.publicKey(rootMaterial('audit', 1))).to.deep.equal(publicKey)
  })

  it('is complete after another attempt when it was killed at any step', async () => {
    for (let steps = 0; ; steps++) {
      const interruption = new Interruption(steps)
      const file = interruption.over({ handOver: async () => {} }, 'file')
      await start({
        keyStores: keyStoresOf({ default: interruption.over(hsm, 'hsm') }),
        store: {
          ...store,
          credentials: interruption.over(store.credentials, 'credentials'), instance: interruption.over(store.instance, 'instance'),
        },
        handOver(administrator) {
          // Asynchronous as all steps are; a kill shows at the next one.
          file.handOver().then(() => handedOver.push(administrator), () => {})
        },
      }).catch((error: unknown) => {
        if (!interruption.hit) throw error
      })
      await expectComplete(await start())
      if (!interruption.hit) break
      if (steps > stepsMax) throw new Error('it never ends')
      await clear()
      await empty()
    }
  })

  describe('of a server with another key store', () => {
    const beside = (other: Hsm) => ({ keyStores: keyStoresOf({ default: hsm, other }) })
    const holding = (label: string): Hsm => replacing(hsm, { list: async () => [{ label, objectClass: 'secret' as const }] })
    const away = (): Hsm => replacing(hsm, { list: async () => Promise.reject(new HsmError('lost', 'gone')) })

    it('is refused when that one holds keys of an installation that the database does not know', async () => {
      const { name } = backingKey('3b1c8a52-7d55-4f3e-9d3e-0f6f6f1a2b3c', 1, 'gcm')
      expect((await rejected(start(beside(holding(name))), InstallationError)).message).to.contain('key store other holds keys')
      expect(await hsm.list()).to.deep.equal([])
    })

    it('does not need it, nor minds what others keep in it', async () => {
      await expectComplete(await start(beside(away())))
      await clear()
      await empty()
      await expectComplete(await start(beside(holding('of somebody else'))))
    })

    it('needs it when the roots say that there was an installation: it may hold keys', async () => {
      await makeMissingRoots(hsm, firstRoots)
      expect((await rejected(start(beside(away())), InstallationError)).message).to.contain('key store other cannot be asked')
      expect(handedOver).to.deep.equal([])
      await expectComplete(await start(beside(holding(''))))
    })
  })

  it('cannot change the account id later', async () => {
    await start({ accountId: '111122223333' })
    const { message } = await rejected(start({ accountId: '444455556666' }), InstallationError)
    expect(message).to.contain('111122223333').and.to.contain('444455556666')
  })

  describe('of a database with', () => {
    beforeEach(() => start())

    for (const root of ['seal', 'audit'] as const) {
      it(`a token without root/${root} is refused by name, and nothing is made`, async () => {
        await hsm.destroyMaterial(rootMaterial(root, 1))
        const { message } = await rejected(start(), InstallationError)
        expect(message).to.contain(`cvg-root-${root}-1`)
        expect(await hsm.find(rootMaterial(root, 1))).to.equal(undefined)
      })
    }

    it('an empty token is refused, and nothing is made', async () => {
      for (const root of rootNames) await hsm.destroyMaterial(rootMaterial(root, 1))
      await rejected(start(), InstallationError)
      expect(await hsm.list()).to.deep.equal([])
      expect(handedOver).to.have.length(1)
    })

    it('the token of another installation is refused', async () => {
      for (const root of rootNames) await hsm.destroyMaterial(rootMaterial(root, 1))
      await makeMissingRoots(hsm, firstRoots)
      await rejected(start(), InstallationError)
      expect(handedOver).to.have.length(1)
    })
  })
})
