import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { template } from '../../src/adapters/pkcs11/driver/attributes.js'
import { Connection } from '../../src/adapters/pkcs11/driver/connection.js'
import { objectPlans } from '../../src/adapters/pkcs11/driver/evidence.js'
import { openHsm } from '../../src/adapters/pkcs11/hsm.js'
import { acquireToken } from '../../src/adapters/pkcs11/token/token.js'
import { backingKey, rootMaterial } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { firstRoots, makeMissingRoots } from '../../src/service/roots.js'
import { RecordedLog } from '../support/recorded.js'
import { freshToken } from '../support/softhsm.js'

const root = rootMaterial('seal', firstRoots.seal)

/** A process that dies while the token makes a root leaves an object that has its name and is not what it should be. */
describe('a root that a crash left half-made', () => {
  let hsm: Hsm
  let connection: Connection

  beforeEach(async () => {
    const config = await freshToken()
    hsm = await openHsm(config, new RecordedLog())
    connection = new Connection(acquireToken(config, new RecordedLog()), new RecordedLog())
    makeHalf()
  })

  afterEach(async () => {
    connection.close()
    await hsm.close()
  })

  /** Of the right name and attributes, but not made in the token. */
  function makeHalf(): void {
    const [plan] = objectPlans(root, connection.profile)
    const { value_len: _length, ...wanted } = plan?.wanted ?? {}
    connection.lib.C_CreateObject(connection.session(), [...template(wanted), { type: pkcs11.CKA_VALUE, value: randomBytes(32) }])
  }

  it('is made again by the next first start', async () => {
    await makeMissingRoots(hsm, firstRoots)
    const [evidence] = await hsm.find(root) ?? []
    expect(evidence?.attributes).to.include({ local: true })
    expect((await hsm.list()).filter(({ label }) => label === root.name)).to.have.length(1)
  })

  it('is left alone in a token that holds backing keys: somebody may need it', async () => {
    await hsm.createMaterial(backingKey('3b1c8a52-7d55-4f3e-9d3e-0f6f6f1a2b3c', 1, 'gcm'))
    const outcome = await makeMissingRoots(hsm, firstRoots).then(() => 'made', (error: { kind?: string }) => error.kind)
    expect(outcome).to.equal('evidence')
    expect((await hsm.list()).map(({ label }) => label)).to.include(root.name)
  })
})
