import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import { search } from '../../../src/adapters/pkcs11/driver/objects.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import { rootMaterial, type Material, type MaterialKind } from '../../../src/domain/material.js'
import type { Sealed } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { expectRefused, openBench, recordingLog, silentLog, slotOf, throwing, whileReplaced, type Bench } from './support.js'

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

  function keyOf(of: Material): Handle {
    return bench.connection.handles(of)[0] as Handle
  }

  function roundTrip(): void {
    const sealed = bench.driver.seal(material, plaintext, additionalData)
    expect(Buffer.from(bench.driver.open(material, sealed, additionalData)).equals(plaintext)).to.equal(true)
  }

  describe('what the token itself refuses', () => {
    const attempt = (use: (session: Handle, key: Handle) => unknown) => () =>
      use(bench.connection.session(), keyOf(material))

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

    it('is believed the second time only: what passes is nobody\'s fault', () => {
      const { sealed } = sealAndTamper()
      let calls = 0
      const once = (run: () => unknown) => { calls += 1; return calls === 1 ? generalError(run) : run() }
      expect(whileReplaced(bench.lib, 'C_Decrypt', once, () => bench.driver.open(material, sealed, additionalData))).to.have.length(32)
      // And once more, because what is opened is opened twice.
      expect(calls).to.equal(3)
    })

    it('is judged with a token object where keys cannot live in a session: made once, counted, and in no listing', async () => {
      bench.driver.destroyMaterial(material)
      bench.driver.close()
      for (let time = 0; time < 2; time++) {
        bench = await openBench(log, true, { profile: { ...softhsm, sessionKeys: false } })
        if (time === 0) bench.driver.createMaterial(material)
        const { used } = bench.driver.capacity()
        const { bad } = sealAndTamper()
        expectRefused(() => bench.driver.open(material, bad, additionalData), 'ciphertext-invalid')
        expect(bench.driver.capacity().used).to.equal(time === 0 ? used + 1 : used)
        expect(bench.driver.list().map(({ label }) => label)).not.to.include('claviger-canary')
        if (time === 0) bench.driver.close()
      }
      const [canary] = search(bench.lib, bench.connection.session(), { label: 'claviger-canary' })
      bench.lib.C_DestroyObject(bench.connection.session(), canary as Handle)
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
    expectRefused(() => bench.driver.createMaterial({ ...newMaterial(), kind: 'rsa' as MaterialKind }), 'configuration')
  })
})

describe('a token that takes little for one MAC', () => {
  it('does not support more, and makes as long ones as it takes', async () => {
    const macBytesMax = 1_900
    const { driver } = await openBench(silentLog, true, { profile: { ...softhsm, macBytesMax } })
    const mac = rootMaterial('mac', 999_999_997)
    driver.createMaterial(mac)
    try {
      expect(driver.mac(mac, Buffer.alloc(macBytesMax))).to.have.length(32)
      expectRefused(() => driver.mac(mac, Buffer.alloc(macBytesMax + 1)), 'unsupported')
    } finally {
      driver.destroyMaterial(mac)
      driver.close()
    }
  })
})
