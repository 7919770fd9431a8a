import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import type { Material } from '../../../src/domain/material.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { additionalData, driverSuite } from './driver-suite.js'
import { expectRefused, openBench, slotOf, throwing, whileReplaced } from './support.js'

describe('recovery of the PKCS#11 driver on SoftHSM', () => {
  const on = driverSuite()
  const { log, open, openAnew, roundTrip, seal } = on
  const keyOf = (of: Material): Handle => on.connection.handles(of)[0] as Handle

  /** What the driver does to the library meanwhile, in order. */
  function stepsOf(use: () => void): readonly string[] {
    const steps: string[] = []
    const noting = (name: 'C_OpenSession' | 'C_Logout' | 'C_Finalize', inner: () => void) => () => {
      whileReplaced(on.lib, name, run => { steps.push(name); return run() }, inner)
    }
    noting('C_OpenSession', noting('C_Logout', noting('C_Finalize', use)))()
    return steps
  }

  describe('a session that went wrong', () => {
    it('is replaced when an operation was left active in it', () => {
      const session = on.connection.session()
      const parameter = { type: pkcs11.CK_PARAMS_AES_GCM_v240, iv: Buffer.alloc(12), aad: Buffer.alloc(32), ivBits: 96, tagBits: 128 }
      on.lib.C_EncryptInit(session, { mechanism: pkcs11.CKM_AES_GCM, parameter }, keyOf(on.material))
      // A null pointer for the empty plaintext: ARGUMENTS_BAD, and SoftHSM 2.6 keeps the operation.
      expect(() => on.lib.C_Encrypt(session, Buffer.alloc(0), Buffer.alloc(64))).to.throw(/CKR_ARGUMENTS_BAD/)
      roundTrip()
      expect(on.connection.session().equals(session)).to.equal(false)
      expect(log.entries.filter(entry => entry.fields?.returnValue === pkcs11.CKR_OPERATION_ACTIVE)).to.have.length(1)
    })

    it('is replaced when it was closed', () => {
      on.lib.C_CloseSession(on.connection.session())
      roundTrip()
    })

    it('is not replaced for a ciphertext that does not verify', () => {
      const session = on.connection.session()
      const sealed = seal()
      for (let call = 0; call < 20; call++) {
        expectRefused(() => on.driver.open(on.material, sealed, Buffer.alloc(32, call + 10)), 'ciphertext-invalid')
      }
      expect(on.connection.session().equals(session)).to.equal(true)
      expect(log.entries.filter(entry => entry.level === 'warn')).to.be.empty
    })

    it('is not replaced for an empty plaintext', () => {
      const session = on.connection.session()
      const sealed = on.driver.seal(on.material, Buffer.alloc(0), additionalData)
      expect(on.driver.open(on.material, sealed, additionalData)).to.have.length(0)
      expect(on.connection.session().equals(session)).to.equal(true)
    })

    it('is replaced after a failure nobody expected, and the call repeated once', () => {
      let calls = 0
      const once = (run: () => unknown) => { calls += 1; return calls === 1 ? throwing(pkcs11.CKR_FUNCTION_FAILED)() : run() }
      whileReplaced(on.lib, 'C_EncryptInit', once, roundTrip)
      expect(calls).to.equal(2)
    })

    it('is not tried again when nothing is left that may help', () => {
      let calls = 0
      whileReplaced(on.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_ERROR)() }, () => {
        expectRefused(seal, 'lost')
      })
      expect(calls).to.equal(4)
      roundTrip()
    })
  })

  describe('a login that is gone', () => {
    it('is made again when all sessions were closed', async () => {
      on.lib.C_CloseAllSessions(await slotOf(on))
      roundTrip()
      expect(on.token.loginCount).to.be.greaterThan(1)
    })

    it('is made again after a logout', () => {
      on.lib.C_Logout(on.connection.session())
      roundTrip()
      expect(on.token.loginCount).to.be.greaterThan(1)
    })

    it('does not make material look missing', () => {
      on.lib.C_Logout(on.connection.session())
      expect(on.driver.find(on.material)).to.have.length(1)
      on.lib.C_Logout(on.connection.session())
      expect(on.driver.list().map(each => each.label)).to.include(on.material.name)
      on.lib.C_Logout(on.connection.session())
      expectRefused(() => on.driver.createMaterial(on.material), 'exists')
    })

    it('leaves no handle of before: each name still has its own key', async () => {
      const others = [newMaterial(), newMaterial(), newMaterial()]
      const sealed = others.map(each => {
        on.driver.createMaterial(each)
        return on.driver.seal(each, Buffer.from(each.name), additionalData)
      })
      on.driver.destroyMaterial(others[0] as Material)
      on.lib.C_CloseAllSessions(await slotOf(on))
      for (const at of [2, 1]) {
        const [each, its] = [others[at], sealed[at]] as [Material, (typeof sealed)[number]]
        expect(Buffer.from(on.driver.open(each, its, additionalData)).toString()).to.equal(each.name)
        on.driver.destroyMaterial(each)
      }
    })
  })

  describe('steps', () => {
    /** The device fails until the library was called so. */
    function failsUntil(name: 'C_OpenSession' | 'C_Logout' | 'C_Finalize', code: number, use: () => void): void {
      let cured = false
      whileReplaced(on.lib, name, run => { cured = true; return run() }, () => {
        whileReplaced(on.lib, 'C_EncryptInit', run => cured ? run() : throwing(code)(), use)
      })
    }

    for (const [cure, steps] of [
      ['C_OpenSession', ['C_OpenSession']],
      ['C_Logout', ['C_OpenSession', 'C_Logout']],
      ['C_Finalize', ['C_OpenSession', 'C_Logout', 'C_Finalize']],
    ] as const) {
      it(`are taken as far as ${cure} when nothing before it helps`, () => {
        const taken = stepsOf(() => { failsUntil(cure, pkcs11.CKR_DEVICE_ERROR, roundTrip) })
        expect(taken.filter((step, at) => step !== taken[at - 1]).slice(0, steps.length)).to.deep.equal(steps)
        expect(taken.includes('C_Finalize')).to.equal(cure === 'C_Finalize')
        expect(taken.includes('C_Logout')).to.equal(cure !== 'C_OpenSession')
        roundTrip()
      })
    }

    it('log in again where the library believes in a login that the device forgot', () => {
      failsUntil('C_Logout', pkcs11.CKR_USER_NOT_LOGGED_IN, roundTrip)
      expect(on.token.loginCount).to.be.greaterThan(1)
    })

    it('log in again when even a search finds nothing any more: material is not missing for that', () => {
      let cured = false
      whileReplaced(on.lib, 'C_Logout', run => { cured = true; return run() }, () => {
        whileReplaced(on.lib, 'C_FindObjects', run => cured ? run() : [], () => {
          whileReplaced(on.lib, 'C_EncryptInit', run => cured ? run() : throwing(pkcs11.CKR_KEY_HANDLE_INVALID)(), roundTrip)
        })
      })
    })

    it('are those of the profile, and one pass of them for one call', async () => {
      await openAnew({ recover: ['new-session', 'new-process'] })
      let calls = 0
      const taken = stepsOf(() => {
        whileReplaced(on.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_REMOVED)() }, () => {
          expectRefused(seal, 'lost')
        })
      })
      expect(calls).to.equal(2)
      expect(taken).to.deep.equal(['C_OpenSession'])
    })

    it('initialise the library at most once a second', () => {
      let calls = 0
      const taken = stepsOf(() => {
        whileReplaced(on.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_ERROR)() }, () => {
          for (let call = 0; call < 10; call++) expectRefused(seal, 'lost')
        })
      })
      expect(calls).to.be.at.least(20)
      expect(taken.filter(step => step === 'C_Finalize')).to.have.length.at.most(1)
      roundTrip()
    })

    it('find a device that was away altogether, as soon as it is back', () => {
      const away = (use: () => void) => (['C_EncryptInit', 'C_OpenSession', 'C_GetSessionInfo', 'C_Login', 'C_Initialize'] as const)
        .reduce((inner, name) => () => { whileReplaced(on.lib, name, throwing(pkcs11.CKR_DEVICE_REMOVED), inner) }, use)()
      away(() => {
        for (let call = 0; call < 5; call++) expectRefused(seal, 'lost')
      })
      // Not a second has passed, and the library may not be initialised again: but then nobody is kept waiting, either.
      const until = performance.now() + 5000
      for (;;) {
        try {
          roundTrip()
          break
        } catch (error) {
          if (performance.now() > until) throw error
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
        }
      }
    })

    it('leave another driver on the token working, with handles and session of its own', async () => {
      const other = await openBench(log, true, { profile: on.token.profile })
      const its = newMaterial()
      try {
        other.driver.createMaterial(its)
        const sealed = other.driver.seal(its, Buffer.from(its.name), additionalData)
        failsUntil('C_Finalize', pkcs11.CKR_DEVICE_ERROR, roundTrip)
        expect(Buffer.from(other.driver.open(its, sealed, additionalData)).toString()).to.equal(its.name)
        roundTrip()
        expect(other.connection.session().equals(on.connection.session())).to.equal(false)
        other.driver.destroyMaterial(its)
      } finally {
        other.driver.close()
      }
    })

    it('end with a refused PIN', async () => {
      whileReplaced(on.lib, 'C_Login', throwing(pkcs11.CKR_PIN_INCORRECT), () => {
        failsUntil('C_Finalize', pkcs11.CKR_USER_NOT_LOGGED_IN, () => {
          expectRefused(seal, 'login')
          // And is not sent again.
          whileReplaced(on.lib, 'C_Login', () => { throw new Error('sent again') }, () => { expectRefused(seal, 'login') })
        })
      })
      const left = on.material
      on.driver.close()
      await open({})
      on.driver.destroyMaterial(left)
    })

    it('are never taken for ciphertexts that do not verify', () => {
      const sealed = seal()
      const taken = stepsOf(() => {
        for (let call = 0; call < 100; call++) {
          expectRefused(() => on.driver.open(on.material, { ...sealed, iv: Buffer.alloc(12, call) }, additionalData), 'ciphertext-invalid')
        }
        for (const code of [pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, 0x42]) {
          whileReplaced(on.lib, 'C_Decrypt', run => { run(); throwing(code)() }, () => {
            expectRefused(() => on.driver.open(on.material, sealed, additionalData), 'ciphertext-invalid')
          })
        }
      })
      expect(taken).to.be.empty
    })
  })
})
