import { expect } from 'chai'
import { CreateKeyCommand, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, spawnServer, type SpawnedServer } from '../support/server.js'
import { pkcs11Tool, readyBackingKeys, tokenObjects, type TokenObject } from '../support/token.js'

/** What an independent PKCS#11 program (OpenSC's pkcs11-tool) says of the objects that the service made. */
describe('the objects in the token, as pkcs11-tool sees them', () => {
  let server: SpawnedServer
  let objects: readonly TokenObject[]

  before(async () => {
    server = await spawnServer()
    const client = kmsClient(server)
    for (let keys = 0; keys < 2; keys++) {
      const { KeyMetadata: key } = await client.send(new CreateKeyCommand({}))
      await client.send(new RotateKeyOnDemandCommand({ KeyId: key?.KeyId }))
    }
    client.destroy()
    objects = tokenObjects(server.dataDir)
  })

  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  it('are one for each version of each key, and the roots, and nothing else', () => {
    const names = readyBackingKeys(server.dataDir)
    expect(names).to.have.length(4)
    expect(objects.map(({ label }) => label)).to.have.members([
      ...names, 'cvg-root-seal-1', 'cvg-root-mac-1', 'cvg-root-audit-1', 'cvg-root-audit-1',
    ])
  })

  it('are sensitive, always were, never were extractable, and were made in the token', () => {
    const secret = objects.filter(({ kind }) => kind !== 'Public Key')
    expect(secret.map(({ kind }) => kind)).to.include.members(['Secret Key', 'Private Key'])
    for (const { label, access } of secret) {
      expect(access.split(', '), label).to.have.members(['sensitive', 'always sensitive', 'never extractable', 'local'])
    }
  })

  it('have no usage but their own', () => {
    const usages = new Map(objects.filter(({ kind }) => kind !== 'Public Key').map(({ label, usage }) => [label, usage]))
    for (const name of [...readyBackingKeys(server.dataDir), 'cvg-root-seal-1']) expect(usages.get(name), name).to.equal('encrypt, decrypt')
    // pkcs11-tool does not show that a secret key may sign.
    expect(usages.get('cvg-root-mac-1')).to.equal('verify')
    expect(usages.get('cvg-root-audit-1')).to.equal('sign')
  })

  it('do not give away their value', () => {
    // Of private keys pkcs11-tool does not even ask the token for a value.
    const secretKeys = objects.filter(({ kind }) => kind === 'Secret Key')
    expect(secretKeys).to.have.length(6)
    for (const { label } of secretKeys) {
      const read = () => pkcs11Tool(server.dataDir, '--read-object', '--type', 'secrkey', '--label', label)
      expect(read, label).to.throw('CKR_ATTRIBUTE_SENSITIVE')
    }
  })

  it('cannot be changed afterwards', () => {
    const [name = ''] = readyBackingKeys(server.dataDir)
    // The one change that pkcs11-tool offers. 0x1b is CKR_ACTION_PROHIBITED: MODIFIABLE is false, and so for every attribute.
    expect(() => pkcs11Tool(server.dataDir, '--type', 'secrkey', '--label', name, '--set-id', '00')).to.throw('(0x1b)')
    expect(tokenObjects(server.dataDir)).to.deep.equal(objects)
  })
})
