import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import type { Material } from '../../../src/domain/material.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { expectRefused, openBench, recordingLog, throwing, whileReplaced, type Bench } from './support.js'

const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')

describe('patience of the PKCS#11 driver on SoftHSM', () => {
  let bench: Bench
  let material: Material
  const log = recordingLog()

  beforeEach(() => open({}))
  afterEach(() => {
    bench.driver.destroyMaterial(material)
    bench.driver.close()
  })

  async function open(changes: Partial<Profile>): Promise<void> {
    log.entries.length = 0
    bench = await openBench(log, true, { profile: { ...softhsm, ...changes } })
    material = newMaterial()
    bench.driver.createMaterial(material)
  }

  async function openAnew(changes: Partial<Profile>): Promise<void> {
    bench.driver.destroyMaterial(material)
    bench.driver.close()
    await open(changes)
  }

  const seal = () => bench.driver.seal(material, plaintext, additionalData)

  function roundTrip(): void {
    const sealed = bench.driver.seal(material, plaintext, additionalData)
    expect(Buffer.from(bench.driver.open(material, sealed, additionalData)).equals(plaintext)).to.equal(true)
  }

  describe('a device that is busy', () => {
    const busy = { returnValues: { ...softhsm.returnValues, busy: [pkcs11.CKR_FUNCTION_FAILED] } }

    it('is asked again on the same session, and the caller learns nothing of it', async () => {
      await openAnew(busy)
      const session = bench.connection.session()
      let calls = 0
      const thrice = (run: () => unknown) => { calls += 1; return calls <= 3 ? throwing(pkcs11.CKR_FUNCTION_FAILED)() : run() }
      whileReplaced(bench.lib, 'C_EncryptInit', thrice, roundTrip)
      expect(bench.connection.session().equals(session)).to.equal(true)
      expect(log.entries.filter(({ level }) => level === 'warn')).to.be.empty
    })

    it('that stays so is busy to the caller after a few tries', async () => {
      await openAnew(busy)
      let calls = 0
      const session = bench.connection.session()
      whileReplaced(bench.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_FUNCTION_FAILED)() }, () => {
        expectRefused(seal, 'busy')
      })
      expect(calls).to.equal(5)
      expect(bench.connection.session().equals(session)).to.equal(true)
      roundTrip()
    })
  })

  describe('material that is not known everywhere at once', () => {
    const settling = { lanes: { ...softhsm.lanes, settleMs: 400 } }
    const unknown = (times: number) => {
      let calls = 0
      return (run: () => unknown) => { calls += 1; return calls <= times ? throwing(pkcs11.CKR_KEY_HANDLE_INVALID)() : run() }
    }

    it('is asked for again, then busy; and when it is old enough, it is the device that fails', async () => {
      await openAnew(settling)
      whileReplaced(bench.lib, 'C_EncryptInit', unknown(3), roundTrip)
      whileReplaced(bench.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'busy') })
      await new Promise(resolve => setTimeout(resolve, settling.lanes.settleMs))
      whileReplaced(bench.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'lost') })
      roundTrip()
    })

    it('is busy while a search does not find it', async () => {
      await openAnew(settling)
      bench.connection.handles(material)
      whileReplaced(bench.lib, 'C_FindObjects', () => [], () => {
        whileReplaced(bench.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'busy') })
      })
      await new Promise(resolve => setTimeout(resolve, settling.lanes.settleMs))
      whileReplaced(bench.lib, 'C_FindObjects', () => [], () => {
        whileReplaced(bench.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'missing') })
      })
    })

    it('is read back when it has arrived', async () => {
      await openAnew(settling)
      const other = newMaterial()
      let calls = 0
      const late = (run: () => unknown) => { calls += 1; return calls <= 3 ? throwing(pkcs11.CKR_OBJECT_HANDLE_INVALID)() : run() }
      whileReplaced(bench.lib, 'C_GetAttributeValue', late, () => { expect(bench.driver.createMaterial(other)).to.have.length(1) })
      bench.driver.destroyMaterial(other)
    })
  })
})
