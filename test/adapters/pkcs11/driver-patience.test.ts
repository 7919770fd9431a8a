import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { driverSuite } from './driver-suite.js'
import { expectRefused, throwing, whileReplaced } from './support.js'

describe('patience of the PKCS#11 driver on SoftHSM', () => {
  const on = driverSuite()
  const { log, openAnew, roundTrip, seal } = on

  describe('a device that is busy', () => {
    const busy = { returnValues: { ...softhsm.returnValues, busy: [pkcs11.CKR_FUNCTION_FAILED] } }

    it('is asked again on the same session, and the caller learns nothing of it', async () => {
      await openAnew(busy)
      const session = on.connection.session()
      let calls = 0
      const thrice = (run: () => unknown) => { calls += 1; return calls <= 3 ? throwing(pkcs11.CKR_FUNCTION_FAILED)() : run() }
      whileReplaced(on.lib, 'C_EncryptInit', thrice, roundTrip)
      expect(on.connection.session().equals(session)).to.equal(true)
      expect(log.entries.filter(({ level }) => level === 'warn')).to.be.empty
    })

    it('that stays so is busy to the caller after a few tries', async () => {
      await openAnew(busy)
      let calls = 0
      const session = on.connection.session()
      whileReplaced(on.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_FUNCTION_FAILED)() }, () => {
        expectRefused(seal, 'busy')
      })
      expect(calls).to.equal(5)
      expect(on.connection.session().equals(session)).to.equal(true)
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
      whileReplaced(on.lib, 'C_EncryptInit', unknown(3), roundTrip)
      whileReplaced(on.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'busy') })
      await new Promise(resolve => setTimeout(resolve, settling.lanes.settleMs))
      whileReplaced(on.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'lost') })
      roundTrip()
    })

    it('is busy while a search does not find it', async () => {
      await openAnew(settling)
      on.connection.handles(on.material)
      whileReplaced(on.lib, 'C_FindObjects', () => [], () => {
        whileReplaced(on.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'busy') })
      })
      await new Promise(resolve => setTimeout(resolve, settling.lanes.settleMs))
      whileReplaced(on.lib, 'C_FindObjects', () => [], () => {
        whileReplaced(on.lib, 'C_EncryptInit', unknown(Infinity), () => { expectRefused(seal, 'missing') })
      })
    })

    it('is read back when it has arrived', async () => {
      await openAnew(settling)
      const other = newMaterial()
      let calls = 0
      const late = (run: () => unknown) => { calls += 1; return calls <= 3 ? throwing(pkcs11.CKR_OBJECT_HANDLE_INVALID)() : run() }
      whileReplaced(on.lib, 'C_GetAttributeValue', late, () => { expect(on.driver.createMaterial(other)).to.have.length(1) })
      on.driver.destroyMaterial(other)
    })
  })
})
