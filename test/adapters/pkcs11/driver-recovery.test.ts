import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import type { Material } from '../../../src/domain/material.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { expectRefused, openBench, recordingLog, slotOf, throwing, whileReplaced, type Bench } from './support.js'

const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')

describe('recovery of the PKCS#11 driver on SoftHSM', () => {
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

  const keyOf = (of: Material): Handle => bench.connection.handles(of)[0] as Handle
  const seal = () => bench.driver.seal(material, plaintext, additionalData)

  function roundTrip(): void {
    const sealed = bench.driver.seal(material, plaintext, additionalData)
    expect(Buffer.from(bench.driver.open(material, sealed, additionalData)).equals(plaintext)).to.equal(true)
  }

  /** What the driver does to the library meanwhile, in order. */
  function stepsOf(use: () => void): readonly string[] {
    const steps: string[] = []
    const noting = (name: 'C_OpenSession' | 'C_Logout' | 'C_Finalize', inner: () => void) => () => {
      whileReplaced(bench.lib, name, run => { steps.push(name); return run() }, inner)
    }
    noting('C_OpenSession', noting('C_Logout', noting('C_Finalize', use)))()
    return steps
  }

  describe('a session that went wrong', () => {
    it('is replaced when an operation was left active in it', () => {
      const session = bench.connection.session()
      const parameter = { type: pkcs11.CK_PARAMS_AES_GCM_v240, iv: Buffer.alloc(12), aad: Buffer.alloc(32), ivBits: 96, tagBits: 128 }
      bench.lib.C_EncryptInit(session, { mechanism: pkcs11.CKM_AES_GCM, parameter }, keyOf(material))
      // A null pointer for the empty plaintext: ARGUMENTS_BAD, and SoftHSM 2.6 keeps the operation.
      expect(() => bench.lib.C_Encrypt(session, Buffer.alloc(0), Buffer.alloc(64))).to.throw(/CKR_ARGUMENTS_BAD/)
      roundTrip()
      expect(bench.connection.session().equals(session)).to.equal(false)
      expect(log.entries.filter(entry => entry.fields?.returnValue === pkcs11.CKR_OPERATION_ACTIVE)).to.have.length(1)
    })

    it('is replaced when it was closed', () => {
      bench.lib.C_CloseSession(bench.connection.session())
      roundTrip()
    })

    it('is not replaced for a ciphertext that does not verify', () => {
      const session = bench.connection.session()
      const sealed = bench.driver.seal(material, plaintext, additionalData)
      for (let call = 0; call < 20; call++) {
        expectRefused(() => bench.driver.open(material, sealed, Buffer.alloc(32, call + 10)), 'ciphertext-invalid')
      }
      expect(bench.connection.session().equals(session)).to.equal(true)
      expect(log.entries.filter(entry => entry.level === 'warn')).to.be.empty
    })

    it('is not replaced for an empty plaintext', () => {
      const session = bench.connection.session()
      const sealed = bench.driver.seal(material, Buffer.alloc(0), additionalData)
      expect(bench.driver.open(material, sealed, additionalData)).to.have.length(0)
      expect(bench.connection.session().equals(session)).to.equal(true)
    })

    it('is replaced after a failure nobody expected, and the call repeated once', () => {
      let calls = 0
      const once = (run: () => unknown) => { calls += 1; return calls === 1 ? throwing(pkcs11.CKR_FUNCTION_FAILED)() : run() }
      whileReplaced(bench.lib, 'C_EncryptInit', once, roundTrip)
      expect(calls).to.equal(2)
    })

    it('is not tried again when nothing is left that may help', () => {
      let calls = 0
      whileReplaced(bench.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_ERROR)() }, () => {
        expectRefused(() => bench.driver.seal(material, plaintext, additionalData), 'lost')
      })
      expect(calls).to.equal(4)
      roundTrip()
    })
  })

  describe('a login that is gone', () => {
    it('is made again when all sessions were closed', async () => {
      bench.lib.C_CloseAllSessions(await slotOf(bench))
      roundTrip()
      expect(bench.token.loginCount).to.be.greaterThan(1)
    })

    it('is made again after a logout', () => {
      bench.lib.C_Logout(bench.connection.session())
      roundTrip()
      expect(bench.token.loginCount).to.be.greaterThan(1)
    })

    it('does not make material look missing', () => {
      bench.lib.C_Logout(bench.connection.session())
      expect(bench.driver.find(material)).to.have.length(1)
      bench.lib.C_Logout(bench.connection.session())
      expect(bench.driver.list().map(each => each.label)).to.include(material.name)
      bench.lib.C_Logout(bench.connection.session())
      expectRefused(() => bench.driver.createMaterial(material), 'exists')
    })

    it('leaves no handle of before: each name still has its own key', async () => {
      const others = [newMaterial(), newMaterial(), newMaterial()]
      const sealed = others.map(each => {
        bench.driver.createMaterial(each)
        return bench.driver.seal(each, Buffer.from(each.name), additionalData)
      })
      bench.driver.destroyMaterial(others[0] as Material)
      bench.lib.C_CloseAllSessions(await slotOf(bench))
      for (const at of [2, 1]) {
        const [each, its] = [others[at], sealed[at]] as [Material, (typeof sealed)[number]]
        expect(Buffer.from(bench.driver.open(each, its, additionalData)).toString()).to.equal(each.name)
        bench.driver.destroyMaterial(each)
      }
    })
  })

  describe('steps', () => {
    /** The device fails until the library was called so. */
    function failsUntil(name: 'C_OpenSession' | 'C_Logout' | 'C_Finalize', code: number, use: () => void): void {
      let cured = false
      whileReplaced(bench.lib, name, run => { cured = true; return run() }, () => {
        whileReplaced(bench.lib, 'C_EncryptInit', run => cured ? run() : throwing(code)(), use)
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
      expect(bench.token.loginCount).to.be.greaterThan(1)
    })

    it('log in again when even a search finds nothing any more: material is not missing for that', () => {
      let cured = false
      whileReplaced(bench.lib, 'C_Logout', run => { cured = true; return run() }, () => {
        whileReplaced(bench.lib, 'C_FindObjects', run => cured ? run() : [], () => {
          whileReplaced(bench.lib, 'C_EncryptInit', run => cured ? run() : throwing(pkcs11.CKR_KEY_HANDLE_INVALID)(), roundTrip)
        })
      })
    })

    it('are those of the profile, and one pass of them for one call', async () => {
      await openAnew({ recover: ['new-session', 'new-process'] })
      let calls = 0
      const taken = stepsOf(() => {
        whileReplaced(bench.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_REMOVED)() }, () => {
          expectRefused(seal, 'lost')
        })
      })
      expect(calls).to.equal(2)
      expect(taken).to.deep.equal(['C_OpenSession'])
    })

    it('initialise the library at most once a second', () => {
      let calls = 0
      const taken = stepsOf(() => {
        whileReplaced(bench.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_ERROR)() }, () => {
          for (let call = 0; call < 10; call++) expectRefused(seal, 'lost')
        })
      })
      expect(calls).to.be.at.least(20)
      expect(taken.filter(step => step === 'C_Finalize')).to.have.length.at.most(1)
      roundTrip()
    })

    it('find a device that was away altogether, as soon as it is back', () => {
      const away = (use: () => void) => (['C_EncryptInit', 'C_OpenSession', 'C_GetSessionInfo', 'C_Login', 'C_Initialize'] as const)
        .reduce((inner, name) => () => { whileReplaced(bench.lib, name, throwing(pkcs11.CKR_DEVICE_REMOVED), inner) }, use)()
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
      const other = await openBench(log, true, { profile: bench.token.profile })
      const its = newMaterial()
      try {
        other.driver.createMaterial(its)
        const sealed = other.driver.seal(its, Buffer.from(its.name), additionalData)
        failsUntil('C_Finalize', pkcs11.CKR_DEVICE_ERROR, roundTrip)
        expect(Buffer.from(other.driver.open(its, sealed, additionalData)).toString()).to.equal(its.name)
        roundTrip()
        expect(other.connection.session().equals(bench.connection.session())).to.equal(false)
        other.driver.destroyMaterial(its)
      } finally {
        other.driver.close()
      }
    })

    it('end with a refused PIN', async () => {
      whileReplaced(bench.lib, 'C_Login', throwing(pkcs11.CKR_PIN_INCORRECT), () => {
        failsUntil('C_Finalize', pkcs11.CKR_USER_NOT_LOGGED_IN, () => {
          expectRefused(seal, 'login')
          // And is not sent again.
          whileReplaced(bench.lib, 'C_Login', () => { throw new Error('sent again') }, () => { expectRefused(seal, 'login') })
        })
      })
      const left = material
      bench.driver.close()
      await open({})
      bench.driver.destroyMaterial(left)
    })

    it('are never taken for ciphertexts that do not verify', () => {
      const sealed = seal()
      const taken = stepsOf(() => {
        for (let call = 0; call < 100; call++) {
          expectRefused(() => bench.driver.open(material, { ...sealed, iv: Buffer.alloc(12, call) }, additionalData), 'ciphertext-invalid')
        }
        for (const code of [pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, 0x42]) {
          whileReplaced(bench.lib, 'C_Decrypt', run => { run(); throwing(code)() }, () => {
            expectRefused(() => bench.driver.open(material, sealed, additionalData), 'ciphertext-invalid')
          })
        }
      })
      expect(taken).to.be.empty
    })
  })
})
