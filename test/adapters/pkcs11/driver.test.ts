import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import { rootMaterial, type Material } from '../../../src/domain/material.js'
import type { Sealed } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { testToken } from '../../support/softhsm.js'
import { expectRefused, openBench, recordingLog, silentLog, throwing, whileReplaced, type Bench } from './support.js'

const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')

describe('the PKCS#11 driver on SoftHSM', () => {
  let bench: Bench
  let material: Material
  const log = recordingLog()

  beforeEach(async () => {
    log.entries.length = 0
    bench = await openBench(log)
    material = newMaterial()
    bench.driver.createMaterial(material)
  })
  afterEach(() => {
    bench.driver.destroyMaterial(material)
    bench.driver.close()
  })

  function roundTrip(): void {
    const sealed = bench.driver.seal(material, plaintext, additionalData)
    expect(Buffer.from(bench.driver.open(material, sealed, additionalData)).equals(plaintext)).to.equal(true)
  }

  describe('what the token itself refuses', () => {
    const attempt = (use: (session: Handle, key: Handle) => unknown) => () =>
      use(bench.connection.session(), bench.connection.handle(material))

    it('reading CKA_VALUE', () => {
      expect(attempt((session, key) => bench.lib.C_GetAttributeValue(session, key, [{ type: pkcs11.CKA_VALUE }])))
        .to.throw().with.property('code', pkcs11.CKR_ATTRIBUTE_SENSITIVE)
    })

    it('another mechanism than AES-GCM', () => {
      for (const mechanism of [pkcs11.CKM_AES_ECB, pkcs11.CKM_AES_CTR, pkcs11.CKM_AES_CMAC]) {
        expect(attempt((session, key) => { bench.lib.C_EncryptInit(session, { mechanism }, key) })).to.throw(/CKR_/)
      }
    })

    it('changing or copying the object', () => {
      const label = [{ type: pkcs11.CKA_LABEL, value: 'other' }]
      expect(attempt((session, key) => { bench.lib.C_SetAttributeValue(session, key, label) })).to.throw(/CKR_/)
      expect(attempt((session, key) => bench.lib.C_CopyObject(session, key, label))).to.throw(/CKR_/)
    })
  })

  describe('a session that went wrong', () => {
    it('is replaced when an operation was left active in it', () => {
      const session = bench.connection.session()
      const parameter = { type: pkcs11.CK_PARAMS_AES_GCM_v240, iv: Buffer.alloc(12), aad: Buffer.alloc(32), ivBits: 96, tagBits: 128 }
      bench.lib.C_EncryptInit(session, { mechanism: pkcs11.CKM_AES_GCM, parameter }, bench.connection.handle(material))
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

    it('is not tried a third time', () => {
      let calls = 0
      whileReplaced(bench.lib, 'C_EncryptInit', () => { calls += 1; throwing(pkcs11.CKR_DEVICE_ERROR)() }, () => {
        expectRefused(() => bench.driver.seal(material, plaintext, additionalData), 'lost')
      })
      expect(calls).to.equal(2)
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

  describe('trial opening', () => {
    const flip = (run: () => unknown) => {
      const out = run() as Buffer
      out[0] = (out[0] ?? 0) ^ 1
      return out
    }

    it('keeps a ciphertext in which a bit was flipped', () => {
      whileReplaced(bench.lib, 'C_Encrypt', flip, () => {
        expectRefused(() => bench.driver.seal(material, plaintext, additionalData), 'lost')
      })
      expect(log.entries.filter(entry => entry.level === 'error')).to.have.length(1)
      roundTrip()
    })

    it('is repeated alone after a lost session: one seal, one encryption', () => {
      expect(callsOf('C_Encrypt', () => whileReplaced(bench.lib, 'C_DecryptInit', failingOnce(pkcs11.CKR_SESSION_HANDLE_INVALID), () => {
        expect(bench.driver.seal(material, plaintext, additionalData).ciphertext).to.have.length(plaintext.length + 16)
      }))).to.equal(1)
      roundTrip()
    })

    it('that fails twice refuses the seal, and encrypts no other', () => {
      expect(callsOf('C_Encrypt', () => whileReplaced(bench.lib, 'C_DecryptInit', throwing(pkcs11.CKR_SESSION_HANDLE_INVALID), () => {
        expectRefused(() => bench.driver.seal(material, plaintext, additionalData), 'lost')
      }))).to.equal(1)
      roundTrip()
    })

    function callsOf(name: 'C_Encrypt', use: () => void): number {
      let calls = 0
      whileReplaced(bench.lib, name, run => { calls += 1; return run() }, use)
      return calls
    }

    function failingOnce(code: number): (run: () => unknown) => unknown {
      let calls = 0
      return run => { calls += 1; return calls === 1 ? throwing(code)() : run() }
    }

    it('is a choice', async () => {
      const { driver } = await openBench(silentLog, false)
      try {
        const sealed = whileReplaced(bench.lib, 'C_Encrypt', flip, () => driver.seal(material, plaintext, additionalData))
        expectRefused(() => driver.open(material, sealed, additionalData), 'ciphertext-invalid')
      } finally {
        driver.close()
      }
    })
  })

  describe('a return value that does not tell a bad ciphertext from a bad device', () => {
    // The real function runs, and so ends its operation.
    const generalError = (run: () => unknown): never => { run(); return throwing(pkcs11.CKR_GENERAL_ERROR)() }

    function sealAndTamper(): { sealed: Sealed, bad: Sealed } {
      const sealed = bench.driver.seal(material, plaintext, additionalData)
      return { sealed, bad: { ...sealed, iv: Buffer.alloc(12) } }
    }

    it('is the ciphertext while the device opens another one: it costs no session, and few checks', () => {
      const { sealed } = sealAndTamper()
      const session = bench.connection.session()
      let calls = 0
      // Not the canary, which is shorter.
      const failing = (run: () => unknown, [, ciphertext]: readonly unknown[]) => {
        if ((ciphertext as Buffer).length === sealed.ciphertext.length) return generalError(run)
        calls += 1
        return run()
      }
      whileReplaced(bench.lib, 'C_Decrypt', failing, () => {
        for (let call = 0; call < 50; call++) {
          expectRefused(() => bench.driver.open(material, sealed, additionalData), 'ciphertext-invalid')
        }
      })
      expect(calls).to.be.within(1, 3)
      expect(bench.connection.session().equals(session)).to.equal(true)
      roundTrip()
    })

    it('is the device when that fails as well: lost, not the fault of the client, and good again later', async () => {
      const { sealed, bad } = sealAndTamper()
      const session = bench.connection.session()
      whileReplaced(bench.lib, 'C_Decrypt', generalError, () => {
        expectRefused(() => bench.driver.open(material, sealed, additionalData), 'lost')
      })
      const next = bench.connection.session()
      expect(next.equals(session)).to.equal(false)
      roundTrip()
      // The verdict of a moment ago still holds, and costs no session.
      expectRefused(() => bench.driver.open(material, bad, additionalData), 'lost')
      expect(bench.connection.session().equals(next)).to.equal(true)
      await new Promise(resolve => setTimeout(resolve, 250))
      expectRefused(() => bench.driver.open(material, bad, additionalData), 'ciphertext-invalid')
      expect(bench.connection.session().equals(next)).to.equal(true)
    })

    it('is judged anew after sessions and login were lost, and its key is in no listing', async () => {
      const { bad } = sealAndTamper()
      for (let time = 0; time < 2; time++) {
        expectRefused(() => bench.driver.open(material, bad, additionalData), 'ciphertext-invalid')
        expect(bench.driver.list().map(({ label }) => label)).not.to.include('claviger-canary')
        bench.lib.C_CloseAllSessions(await slotOf(bench))
        await new Promise(resolve => setTimeout(resolve, 250))
      }
      expectRefused(() => bench.driver.open(material, bad, additionalData), 'ciphertext-invalid')
    })
  })

  it('does not search on the request path', () => {
    const mac = rootMaterial('mac', 999_999_998)
    bench.driver.createMaterial(mac)
    const sealed = bench.driver.seal(material, plaintext, additionalData)
    whileReplaced(bench.lib, 'C_FindObjectsInit', () => { throw new Error('searched') }, () => {
      bench.driver.open(material, sealed, additionalData)
      bench.driver.mac(mac, plaintext)
      roundTrip()
    })
    bench.driver.destroyMaterial(mac)
  })

  it('does not build material of a kind it cannot make', () => {
    expectRefused(() => bench.driver.createMaterial({ ...newMaterial(), kind: 'cbc-hmac' }), 'configuration')
  })
})

async function slotOf({ lib }: Bench): Promise<Handle> {
  const { tokenLabel } = await testToken()
  return lib.C_GetSlotList(true).find(slot => lib.C_GetTokenInfo(slot).label.trimEnd() === tokenLabel) as Handle
}
