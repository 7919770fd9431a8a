import { expect } from 'chai'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/hsm.js'
import { encrypt, decrypt } from '../../src/api/encryption.js'
import {
  connectCustomKeyStore, createCustomKeyStore, deleteCustomKeyStore, describeCustomKeyStores, disconnectCustomKeyStore,
} from '../../src/api/key-stores.js'
import { describeKey } from '../../src/api/keys.js'
import { generateRandom } from '../../src/api/random.js'
import { clusterIdOf } from '../../src/domain/custom-key-store.js'
import type { KmsError } from '../../src/domain/errors.js'
import { HsmError } from '../../src/ports/hsm.js'
import type { KeyStores } from '../../src/ports/key-stores.js'
import { selfSigned } from '../http/self-signed.js'
import {
  certificate, claim, connected, described, disconnected, keyIn, openClaimable, password, reaches, type ClaimableStores, type Tokens,
} from '../support/custom-key-stores.js'
import { replacing } from '../support/interruption.js'
import { refused, rejected } from '../support/refusal.js'
import { secondToken } from '../support/second-token.js'
import { accountId, call, newKey, operationOf, region } from '../support/services.js'
import { freshToken } from '../support/softhsm.js'

const plaintext = 'a data key of thirty-two bytes..'

describe('custom key stores', function suiteOfCustomKeyStores() {
  this.timeout(60_000)
  let tokens: Tokens & { readonly one: Pkcs11Config, readonly two: Pkcs11Config }
  let open: ClaimableStores

  before(async () => {
    const first = await freshToken()
    tokens = { default: first, one: secondToken(first, 'one'), two: secondToken(first, 'two') }
  })
  beforeEach(async () => { open = await openClaimable(tokens) })
  afterEach(() => open.close())

  const asked = {
    CustomKeyStoreName: 'one', CloudHsmClusterId: clusterIdOf('one'), TrustAnchorCertificate: certificate, KeyStorePassword: password,
  }
  const create = (input: object, { services }: Pick<ClaimableStores, 'services'> = open) =>
    call(services, createCustomKeyStore, { ...asked, ...input })
  const seal = async (KeyId: string) => (await call(open.services, encrypt, { KeyId, Plaintext: Buffer.from(plaintext) })).CiphertextBlob
  const unseal = async (CiphertextBlob: Uint8Array = new Uint8Array()) =>
    Buffer.from((await call(open.services, decrypt, { CiphertextBlob })).Plaintext ?? []).toString()

  describe('CreateCustomKeyStore', () => {
    it('claims a token, and logs out of it', async () => {
      expect(await open.keyStores.get('one').random(1)).to.have.length(1)
      const { CustomKeyStoreId: id = '' } = await create({})
      expect(id).to.match(/^cks-[0-9a-f]{17}$/)
      expect(await described(open.services, id)).to.deep.equal({
        CustomKeyStoreId: id, CustomKeyStoreName: 'one', CustomKeyStoreType: 'AWS_CLOUDHSM', CloudHsmClusterId: clusterIdOf('one'),
        TrustAnchorCertificate: certificate, ConnectionState: 'DISCONNECTED', CreationDate: new Date(open.clock.now()),
      })
      expect((await rejected(open.keyStores.get('one').random(1), HsmError)).kind).to.equal('lost')
      expect(await open.keyStores.get('two').random(1)).to.have.length(1)
    })

    it('keeps the password nowhere, and tries it on no token', async () => {
      await create({})
      const [event] = open.audit.events.slice(-1)
      expect(event?.requestParameters).to.include({ customKeyStoreName: 'one' }).and.to.not.have.property('keyStorePassword')
      expect(JSON.stringify([open.audit.events, open.log.entries])).to.not.contain(password)
      expect(JSON.stringify(await open.opened.store.customKeyStores.all())).to.not.contain(password)
    })

    for (const member of ['CloudHsmClusterId', 'TrustAnchorCertificate', 'KeyStorePassword'] as const) {
      it(`needs ${member}`, async () => {
        const { message } = await refused(create({ [member]: undefined }), 'ValidationException')
        expect(message).to.contain(member)
      })
    }

    it('makes no external key store', async () => {
      await refused(create({ CustomKeyStoreType: 'EXTERNAL_KEY_STORE' }), 'UnsupportedOperationException')
      await refused(create({ XksProxyUriPath: '/kms/xks/v1' }), 'ValidationException')
    })

    it('claims nothing that the configuration does not have, and not where other keys are made', async () => {
      await refused(create({ CloudHsmClusterId: 'cluster-abcdefg2345' }), 'CloudHsmClusterNotFoundException')
      const keyStores = replacing<KeyStores>(open.keyStores, { forNewKeys: 'one' })
      await refused(create({}, { services: { ...open.services, keyStores } }), 'CloudHsmClusterNotFoundException')
    })

    it('claims a token once', async () => {
      await create({})
      await refused(create({ CustomKeyStoreName: 'again' }), 'CloudHsmClusterInUseException')
      await refused(create({ CloudHsmClusterId: clusterIdOf('two') }), 'CustomKeyStoreNameInUseException')
      const both = await Promise.allSettled([1, 2].map(number => create({
        CustomKeyStoreName: `name ${number}`, CloudHsmClusterId: clusterIdOf('two'),
      })))
      expect(both.map(({ status }) => status)).to.have.members(['fulfilled', 'rejected'])
    })

    it('claims no token that holds keys which are in no custom key store', async () => {
      const { key } = await newKey(open.services)
      const { store } = open.opened
      await store.keys.update({ ...key, keyStore: 'one' })
      await refused(create({}), 'CloudHsmClusterInUseException')
    })

    it('wants a certificate, and that of the configuration if it has one', async () => {
      await refused(create({ TrustAnchorCertificate: 'a certificate' }), 'IncorrectTrustAnchorException')
      await open.close()
      const trustAnchor = selfSigned().certificate
      open = await openClaimable(tokens, [{ keyStore: 'one', clusterId: clusterIdOf('one'), trustAnchor }])
      await refused(create({}), 'IncorrectTrustAnchorException')
      await create({ TrustAnchorCertificate: trustAnchor.replaceAll('\n', '\r\n') })
    })

    async function insert(stores: number, of: string): Promise<void> {
      for (let number = 0; number < stores; number++) {
        await open.opened.store.customKeyStores.insert({
          accountId, region: of, id: `cks-${String(number).padStart(17, '0')}`, name: `${number}`, keyStore: `gone-${number}`, createdAt: 0,
          connected: false, clusterId: clusterIdOf(`gone-${number}`), trustAnchorCertificate: certificate,
        })
      }
      await open.services.customKeyStores.load()
    }

    it('makes at most ten in a region', async () => {
      await insert(10, region)
      await refused(create({}), 'LimitExceededException')
    })

    it('knows nothing of other regions, but that a token is claimed in one of them', async () => {
      await insert(10, 'us-east-1')
      const name = '0'
      await create({ CustomKeyStoreName: name })
      const CustomKeyStoreId = `cks-${name.padStart(17, '0')}`
      await refused(call(open.services, connectCustomKeyStore, { CustomKeyStoreId }), 'CustomKeyStoreNotFoundException')
      expect((await call(open.services, describeCustomKeyStores, {})).CustomKeyStores).to.have.length(1)
    })

    it('answers a retry with the store that it made', async () => {
      const { retry } = operationOf(createCustomKeyStore)
      const output = await create({})
      expect(await retry?.answer(retry.outcome(output), undefined as never, open.services)).to.deep.equal(output)
    })
  })

  describe('DescribeCustomKeyStores', () => {
    it('pages', async () => {
      const ids = [await claim(open.services, 'one'), await claim(open.services, 'two')].sort()
      const first = await call(open.services, describeCustomKeyStores, { Limit: 1 })
      expect(first.CustomKeyStores?.map(store => store.CustomKeyStoreId)).to.deep.equal(ids.slice(0, 1))
      expect(first.Truncated).to.equal(true)
      const { NextMarker: Marker = '' } = first
      const rest = await call(open.services, describeCustomKeyStores, { Marker })
      expect(rest.CustomKeyStores?.map(store => store.CustomKeyStoreId)).to.deep.equal(ids.slice(1))
      expect(rest.Truncated).to.equal(false)
      await refused(call(open.services, describeCustomKeyStores, { Marker: `${Marker}a` }), 'InvalidMarkerException')
    })

    it('finds one by its name or its id, and not by both', async () => {
      const CustomKeyStoreId = await claim(open.services, 'one', 'a name')
      await claim(open.services, 'two')
      const { CustomKeyStores: found } = await call(open.services, describeCustomKeyStores, { CustomKeyStoreName: 'a name' })
      expect(found?.map(store => store.CustomKeyStoreId)).to.deep.equal([CustomKeyStoreId])
      await refused(call(open.services, describeCustomKeyStores, { CustomKeyStoreName: 'a name', CustomKeyStoreId }), 'ValidationException')
      for (const input of [{ CustomKeyStoreName: 'b' }, { CustomKeyStoreId: 'cks-0' }]) {
        await refused(call(open.services, describeCustomKeyStores, input), 'CustomKeyStoreNotFoundException')
      }
    })
  })

  describe('a key', () => {
    it('lives in the token, and says so', async () => {
      const id = await claim(open.services, 'one')
      await refused(keyIn(open.services, id), 'CustomKeyStoreInvalidStateException')
      await refused(keyIn(open.services, 'cks-0'), 'CustomKeyStoreNotFoundException')
      await connected(open.services, id)
      const KeyId = await keyIn(open.services, id)
      expect((await open.keyStores.get('one').list()).filter(({ label }) => label.startsWith('cvg-'))).to.not.deep.equal([])
      expect((await call(open.services, describeKey, { KeyId })).KeyMetadata).to.include({
        CustomKeyStoreId: id, CloudHsmClusterId: clusterIdOf('one'), Origin: 'AWS_CLOUDHSM', KeyState: 'Enabled',
      })
      expect(await unseal(await seal(KeyId))).to.equal(plaintext)
    })

    it('is unavailable while its store is disconnected, and as before afterwards', async () => {
      const [one, two] = [await claim(open.services, 'one'), await claim(open.services, 'two')]
      for (const id of [one, two]) await connected(open.services, id)
      const [away, there] = [await keyIn(open.services, one), await keyIn(open.services, two)]
      const blobs = [await seal(away), await seal(there)]
      await call(open.services, disconnectCustomKeyStore, { CustomKeyStoreId: one })
      // At once, however long it takes to log out.
      expect((await refused(seal(away), 'KMSInvalidStateException')).message).to.match(/ is unavailable\.$/)
      await refused(unseal(blobs[0]), 'KMSInvalidStateException')
      const { KeyMetadata } = await call(open.services, describeKey, { KeyId: away })
      expect(KeyMetadata).to.include({ KeyState: 'Unavailable', Enabled: false, CustomKeyStoreId: one })
      await reaches(open.services, one, 'DISCONNECTED')
      // The login to another token of the same library has not ended.
      expect(await unseal(blobs[1])).to.equal(plaintext)
      expect(await unseal(await seal(there))).to.equal(plaintext)
      await newKey(open.services)
      await connected(open.services, one)
      expect(await unseal(blobs[0])).to.equal(plaintext)
      expect((await call(open.services, describeKey, { KeyId: away })).KeyMetadata?.KeyState).to.equal('Enabled')
    })

    for (const host of ['inline', 'process'] as const) {
      it(`has calls under way that end well, or are refused, when its store is disconnected (${host})`, async () => {
        await open.close()
        open = await openClaimable({ ...tokens, one: { ...tokens.one, host, lanes: { count: 2 } } })
        const id = await claim(open.services, 'one')
        await connected(open.services, id)
        const KeyId = await keyIn(open.services, id)
        const calls = Array.from({ length: 40 }, () => seal(KeyId))
        const ended = call(open.services, disconnectCustomKeyStore, { CustomKeyStoreId: id })
        const late = Array.from({ length: 40 }, () => seal(KeyId))
        await ended
        const outcomeOf = (each: Promise<unknown>) => each.then(() => 'done', (error: KmsError) => error.code)
        const outcomes = new Set(await Promise.all([...calls, ...late].map(outcomeOf)))
        for (const outcome of outcomes) expect(outcome).to.be.oneOf(['done', 'KMSInvalidStateException', 'KeyUnavailableException'])
        await reaches(open.services, id, 'DISCONNECTED')
        await connected(open.services, id)
        expect(await unseal(await seal(KeyId))).to.equal(plaintext)
      })
    }
  })

  it('give random bytes of their own', async () => {
    const CustomKeyStoreId = await claim(open.services, 'one')
    const random = () => call(open.services, generateRandom, { NumberOfBytes: 24, CustomKeyStoreId })
    await refused(random(), 'CustomKeyStoreInvalidStateException')
    await connected(open.services, CustomKeyStoreId)
    const before = open.keyStores.get('one').status().calls.done
    expect((await random()).Plaintext).to.have.length(24)
    expect(open.keyStores.get('one').status().calls.done).to.equal(before + 1)
    await refused(call(open.services, generateRandom, { NumberOfBytes: 1, CustomKeyStoreId: 'cks-0' }), 'CustomKeyStoreNotFoundException')
  })

  describe('states', () => {
    it('are what connecting and disconnecting make of them', async () => {
      const CustomKeyStoreId = await claim(open.services, 'one')
      await refused(call(open.services, disconnectCustomKeyStore, { CustomKeyStoreId }), 'CustomKeyStoreInvalidStateException')
      expect(await call(open.services, connectCustomKeyStore, { CustomKeyStoreId })).to.deep.equal({})
      expect(await call(open.services, connectCustomKeyStore, { CustomKeyStoreId })).to.deep.equal({})
      await reaches(open.services, CustomKeyStoreId, 'CONNECTED')
      await call(open.services, connectCustomKeyStore, { CustomKeyStoreId })
      expect(await call(open.services, disconnectCustomKeyStore, { CustomKeyStoreId })).to.deep.equal({})
      await reaches(open.services, CustomKeyStoreId, 'DISCONNECTED')
    })

    it('tell of a refused PIN, which is not tried again before it is another one', async () => {
      const right = tokens.one.pin
      const file = join(tokens.one.durableDirectory ?? '', '..', 'wrong-pin')
      writeFileSync(file, 'not the right PIN', { mode: 0o600 })
      await open.close()
      const changing = { ...tokens.one, pin: { file } }
      open = await openClaimable({ ...tokens, one: changing })
      const CustomKeyStoreId = await claim(open.services, 'one')
      await call(open.services, connectCustomKeyStore, { CustomKeyStoreId })
      await reaches(open.services, CustomKeyStoreId, 'FAILED')
      expect((await described(open.services, CustomKeyStoreId)).ConnectionErrorCode).to.equal('INVALID_CREDENTIALS')
      await refused(call(open.services, connectCustomKeyStore, { CustomKeyStoreId }), 'CustomKeyStoreInvalidStateException')
      await refused(keyIn(open.services, CustomKeyStoreId), 'CustomKeyStoreInvalidStateException')
      await disconnected(open.services, CustomKeyStoreId)
      Object.assign(changing, { pin: right })
      await connected(open.services, CustomKeyStoreId)
    })

    it('tell of a token that is not there, and find it when it is', async () => {
      await open.close()
      const changing = { ...tokens.one, tokenLabel: 'another' }
      open = await openClaimable({ ...tokens, one: changing })
      const CustomKeyStoreId = await claim(open.services, 'one')
      await call(open.services, connectCustomKeyStore, { CustomKeyStoreId })
      await reaches(open.services, CustomKeyStoreId, 'FAILED')
      expect((await described(open.services, CustomKeyStoreId)).ConnectionErrorCode).to.equal('CLUSTER_NOT_FOUND')
      Object.assign(changing, { tokenLabel: 'one' })
      await reaches(open.services, CustomKeyStoreId, 'CONNECTED')
      expect(await described(open.services, CustomKeyStoreId)).to.not.have.property('ConnectionErrorCode')
    })

    it('tell of a token that the configuration does not have any more', async () => {
      const id = await claim(open.services, 'one')
      await connected(open.services, id)
      const [row] = await open.opened.store.customKeyStores.all()
      await open.opened.store.customKeyStores.update({ ...row as NonNullable<typeof row>, keyStore: 'gone' })
      await open.services.customKeyStores.load()
      expect(await described(open.services, id)).to.include({ ConnectionState: 'FAILED', ConnectionErrorCode: 'CLUSTER_NOT_FOUND' })
      await disconnected(open.services, id)
      await call(open.services, deleteCustomKeyStore, { CustomKeyStoreId: id })
    })
  })
})
