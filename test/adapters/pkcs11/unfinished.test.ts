import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import { template, type AttributeValues } from '../../../src/adapters/pkcs11/driver/attributes.js'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { removeUnfinished } from '../../../src/adapters/pkcs11/driver/unfinished.js'
import { freshToken, pinFileOf } from '../../support/softhsm.js'
import { openBench, recordingLog, type Bench } from './support.js'

/** SoftHSM 2.6 shows an object that a crash cut short as one without CKA_TOKEN and label: to us, like a session object. */
describe('unfinished objects in the token', () => {
  const log = recordingLog()
  let bench: Bench

  beforeEach(async () => {
    log.entries.length = 0
    bench = await openBench(log)
  })
  afterEach(() => { bench.driver.close() })

  function make(attributes: AttributeValues): Handle {
    const aes = { class: pkcs11.CKO_SECRET_KEY, key_type: pkcs11.CKK_AES, private: true, sensitive: true, extractable: false }
    const value = { type: pkcs11.CKA_VALUE, value: randomBytes(32) }
    return bench.lib.C_CreateObject(bench.connection.session(), [...template({ ...aes, ...attributes }), value])
  }

  function exists(object: Handle): boolean {
    try {
      bench.lib.C_GetAttributeValue(bench.connection.session(), object, [{ type: pkcs11.CKA_CLASS }])
      return true
    } catch {
      return false
    }
  }

  it('are removed, and the log says how many', () => {
    const objects = [make({ token: false }), make({ token: false, label: '' })]
    removeUnfinished(bench.connection)
    expect(objects.map(exists)).to.deep.equal([false, false])
    expect(log.entries.filter(({ level }) => level === 'info').at(-1)?.fields).to.deep.equal({ removed: 2 })
  })

  it('are not those that have a name, or are token objects', () => {
    const objects = [make({ token: false, label: 'somebody' }), make({ token: true }), make({ token: true, label: 'somebody' })]
    try {
      removeUnfinished(bench.connection)
      expect(objects.map(exists)).to.deep.equal([true, true, true])
    } finally {
      for (const object of objects) bench.lib.C_DestroyObject(bench.connection.session(), object)
    }
  })

  it('are removed when the server of an embedded token starts, even if they have no class', async () => {
    bench.driver.close()
    const config = await freshToken()
    const tokens = join(dirname(pinFileOf(config)), 'tokens')
    const [token = ''] = readdirSync(tokens)
    // What SoftHSM writes first: the generation of the object and no attribute.
    const file = join(tokens, token, '01234567-89ab-cdef-0123-456789abcdef.object')
    writeFileSync(file, Buffer.alloc(8))
    for (const [alone, left] of [[false, true], [true, false]] as const) {
      const hsm = await openHsm({ ...config, alone }, log)
      expect((await hsm.list()).map(({ label, objectClass }) => `${label} ${objectClass}`)).to.deep.equal(left ? [' other'] : [])
      await hsm.close()
      expect(existsSync(file)).to.equal(left)
    }
    bench = await openBench(log)
  })
})
