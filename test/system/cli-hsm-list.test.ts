import type { KMS } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { backingKey } from '../../src/domain/material.js'
import { kmsClient } from '../support/clients.js'
import { killLeftovers, spawnForOneTest } from '../support/one-test.js'
import { temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { pkcs11Tool } from '../support/token.js'
import { claviger, json } from './claviger.js'
import { newKey } from './suite.js'

interface ListedObject {
  readonly label: string
  readonly standing: string
  readonly owner?: { readonly kind: string, readonly keyId?: string, readonly version: number, readonly role: string }
  readonly key?: { readonly region: string, readonly keyStore: string, readonly keyState: string, readonly versionState: string }
}

interface ListedStore {
  readonly keyStore: string
  readonly token: { readonly label: string }
  readonly capacity: { readonly used: number }
  readonly objects: readonly ListedObject[]
  readonly missing: readonly { readonly label: string, readonly keyId: string, readonly version: number }[]
}

const roots = ['cvg-root-seal-1', 'cvg-root-mac-1', 'cvg-root-audit-1', 'cvg-root-audit-1']

describe('claviger hsm list', function suiteOfList() {
  this.timeout(120_000)
  let server: SpawnedServer
  let kms: KMS

  before(async () => {
    server = await spawnForOneTest({ dataDir: temporaryDirectory() })
    kms = kmsClient(server)
  })
  after(async () => {
    kms.destroy()
    await killLeftovers()
  })

  const list = async (...more: string[]) => (await json(['hsm', 'list', ...more], server.dataDir) as readonly ListedStore[])[0]
  const standingOf = (store: ListedStore | undefined, label: string) => store?.objects.find(object => object.label === label)?.standing
  const make = (label: string) => pkcs11Tool(server.dataDir, '--keygen', '--key-type', 'aes:32', '--label', label)

  it('shows roots and the versions of keys beside a running server', async () => {
    const { id } = await newKey(kms)
    await kms.rotateKeyOnDemand({ KeyId: id })
    const store = await list()
    expect(store).to.deep.include({ keyStore: 'default', missing: [] })
    expect(store?.token.label).to.equal('claviger')
    expect(store?.capacity.used).to.equal(store?.objects.length)
    expect(store?.objects.filter(({ owner }) => owner?.kind === 'root').map(({ label }) => label)).to.have.members(roots)
    const versions = store?.objects.filter(({ owner }) => owner?.keyId === id) ?? []
    expect(versions.map(({ owner }) => owner?.version)).to.have.members([1, 2])
    for (const { standing, key } of versions) {
      expect({ standing, key }).to.deep.equal({
        standing: 'known', key: { region: 'us-east-1', keyStore: 'default', keyState: 'Enabled', versionState: 'ready' },
      })
    }
    const { code, stdout } = await claviger(['hsm', 'list', '--store', 'default'], server.dataDir)
    expect(code).to.equal(0)
    const { name } = backingKey(id, 2, 'gcm')
    expect(stdout).to.match(new RegExp(`^ +${name} +secret +key ${id}, version 2 \\(ready\\), Enabled in us-east-1$`, 'm'))
  })

  it('tells orphans from strangers, and is content with both', async () => {
    const { id } = await newKey(kms)
    const [orphan, stranger] = [backingKey(id, 2, 'gcm').name, 'of another programme']
    make(orphan)
    make(stranger)
    const store = await list()
    expect([standingOf(store, orphan), standingOf(store, stranger)]).to.deep.equal(['orphan', 'stranger'])
    const { stdout } = await claviger(['hsm', 'list'], server.dataDir)
    expect(stdout).to.contain(`ORPHAN: key ${id}, version 2: no row knows it`).and.to.contain('stranger: not made by this service')
  })

  it('names what the database has and the token has not, with exit code 1', async () => {
    const { id } = await newKey(kms)
    const label = backingKey(id, 1, 'gcm').name
    pkcs11Tool(server.dataDir, '--delete-object', '--type', 'secrkey', '--label', label)
    const { code, stdout } = await claviger(['hsm', 'list'], server.dataDir)
    expect(code).to.equal(1)
    expect(stdout).to.contain(`MISSING ${label}: version 1 of key ${id} in us-east-1`)
  })

  it('refuses a key store that there is not with exit code 2', async () => {
    const { code, stderr } = await claviger(['hsm', 'list', '--store', 'other'], server.dataDir)
    expect(code).to.equal(2)
    expect(stderr).to.equal('claviger: there is no key store other; there are: default\n')
  })
})
