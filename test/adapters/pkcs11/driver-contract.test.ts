import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import type { Imitation } from '../../support/fault-module/control.js'
import type { FaultToken } from '../../support/fault-module/token.js'
import { hsmContract } from '../../contract/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { testToken } from '../../support/softhsm.js'
import { faultTokenHere, sealingProfile } from './fault-bench.js'
import { expectRefused, openBench, silentLog } from './support.js'

/** One driver, every way of sealing. What is an imitation by the fault module proves nothing of a device. */

hsmContract('SoftHSM, suite cbc-hmac', async () =>
  openHsm({ ...await testToken(), profile: sealingProfile({ mode: 'cbc-hmac' }) }, silentLog))

const modes: readonly (readonly [string, Imitation['imitate'], Profile])[] = [
  ['the HSM writes its IV at Init', 'iv-writeback-init', sealingProfile({ mode: 'gcm-hsm-iv-writeback' })],
  ['the HSM writes its IV at Encrypt', 'iv-writeback-encrypt', sealingProfile({ mode: 'gcm-hsm-iv-writeback' })],
  ['the IV stands in front', 'iv-prefix', sealingProfile(
    { mode: 'gcm-hsm-iv-prefix', gcmMechanism: 0x80001087, ivBits: 0 }, { allowedMechanisms: false },
  )],
  ['16 bytes of IV stand behind', 'iv-suffix', sealingProfile({ mode: 'gcm-hsm-iv-suffix', ivBytes: 16, ivBits: 128 })],
]

describe('imitations by the fault module', () => {
  let token: FaultToken
  before(async () => { token = await faultTokenHere() })

  for (const [name, imitate, profile] of modes) {
    hsmContract(`imitation: ${name}`, async () => {
      token.control.set({ imitate } as Imitation)
      return openHsm({ ...token.config, profile }, silentLog)
    })
  }

  const returnValues = { ...sealingProfile({}).returnValues, busy: [pkcs11.CKR_FUNCTION_FAILED] }
  const busy = ['C_EncryptInit', 'C_Decrypt', 'C_SignInit', 'C_GenerateRandom', 'C_FindObjectsInit', 'C_GetAttributeValue'] as const
  hsmContract('imitation: a device that is often too busy', async () => {
    token.control.set(...busy.map(on => ({ on, action: 'rv', code: pkcs11.CKR_FUNCTION_FAILED, every: 7 }) as const))
    return openHsm({ ...token.config, profile: sealingProfile({}, { returnValues }) }, silentLog)
  })

  const logins = ['C_EncryptInit', 'C_DecryptInit', 'C_SignInit', 'C_FindObjectsInit', 'C_GenerateRandom'] as const
  // One call survives one such loss or two, not more: they are rare enough, and these are of different calls.
  const sessions = ['C_EncryptInit', 'C_DecryptInit'] as const
  for (const suite of ['gcm', 'cbc-hmac'] as const) {
    for (const [name, action, functions] of [['logins', 'logout', logins], ['sessions', 'drop-sessions', sessions]] as const) {
      hsmContract(`imitation: a device that forgets ${name}, suite ${suite}`, async () => {
        token.control.set(...functions.map((on, at) => ({ on, action, every: 29 + 2 * at }) as const))
        return openHsm({ ...token.config, profile: sealingProfile({ mode: suite === 'gcm' ? 'gcm-caller-iv' : suite }) }, silentLog)
      })
    }
  }
})

describe('a device that was removed (imitation)', () => {
  const additionalData = Buffer.alloc(32, 3)

  for (const suite of ['gcm', 'cbc-hmac'] as const) {
    it(`is lost to every call, and works again by itself when it is back: suite ${suite}`, async () => {
      const token = await faultTokenHere()
      const { driver } = await openBench(silentLog, true, {
        config: token.config, profile: sealingProfile({ mode: suite === 'gcm' ? 'gcm-caller-iv' : suite }),
      })
      try {
        const material = newMaterial({ suite })
        driver.createMaterial(material)
        const sealed = driver.seal(material, Buffer.from('a secret'), additionalData)
        token.control.set({ on: '*', action: 'removed' })
        for (let call = 0; call < 3; call++) {
          for (const use of [
            () => driver.seal(material, Buffer.alloc(8), additionalData), () => driver.open(material, sealed, additionalData),
            () => driver.find(material), () => driver.list(), () => driver.capacity(), () => driver.createMaterial(newMaterial({ suite })),
            () => { driver.probe() },
          ]) expectRefused(use, 'lost')
        }
        token.control.clear()
        expect(Buffer.from(await within(5000, () => driver.open(material, sealed, additionalData))).toString()).to.equal('a secret')
        expect(driver.destroyMaterial(material)).to.equal(suite === 'gcm' ? 1 : 2)
      } finally {
        driver.close()
      }
    })
  }

  /** The first answer that is none of "lost". */
  async function within<T>(milliseconds: number, call: () => T): Promise<T> {
    for (const until = performance.now() + milliseconds; ;) {
      try {
        return call()
      } catch (error) {
        if (performance.now() > until) throw error
        expect(error).to.have.property('kind', 'lost')
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
  }
})
