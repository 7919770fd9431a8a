import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { newMaterial, refused, testRoot } from '../../contract/hsm-samples.js'
import { readTrace, type FaultRule } from '../../support/fault-module/control.js'
import type { FaultToken } from '../../support/fault-module/token.js'
import { faultTokenHere } from './fault-bench.js'
import { silentLog } from './support.js'

const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')

describe('a device that answers wrongly (imitation)', () => {
  const [key, mac, audit] = [newMaterial(), testRoot('mac'), testRoot('audit')]
  let token: FaultToken
  let hsm: Hsm
  before(async () => {
    token = await faultTokenHere()
    hsm = await openHsm({ ...token.config, profile: 'softhsm' }, silentLog)
    for (const material of [key, mac, audit]) await hsm.createMaterial(material)
  })
  afterEach(() => { token.control.clear() })
  after(() => hsm.close())

  async function during<T>(rule: FaultRule, run: () => Promise<T>): Promise<T> {
    token.control.set(rule)
    try {
      return await run()
    } finally {
      token.control.clear()
    }
  }

  it('never gives a plaintext out that has a wrong bit', async () => {
    const sealed = await hsm.seal(key, plaintext, additionalData)
    await refused(during({ on: 'C_Decrypt', action: 'flip', every: 2 }, () => hsm.open(key, sealed, additionalData)), 'lost')
    expect(plaintext.equals(await hsm.open(key, sealed, additionalData))).to.equal(true)
  })

  it('never gives a ciphertext out that does not open', async () => {
    await refused(during({ on: 'C_Encrypt', action: 'flip' }, () => hsm.seal(key, plaintext, additionalData)), 'lost')
  })

  it('never gives a MAC out that has a wrong bit', async () => {
    await refused(during({ on: 'C_Sign', action: 'flip', every: 2 }, () => hsm.mac(mac, plaintext)), 'lost')
  })

  it('never gives a signature out that does not verify', async () => {
    await refused(during({ on: 'C_Sign', action: 'flip' }, () => hsm.sign(audit, Buffer.alloc(32, 1))), 'lost')
  })

  it('is asked again before a ciphertext is called invalid', async () => {
    const sealed = await hsm.seal(key, plaintext, additionalData)
    const opened = await during({ on: 'C_Decrypt', action: 'rv', code: 0x40, total: 1 }, () => hsm.open(key, sealed, additionalData))
    expect(plaintext.equals(opened)).to.equal(true)
  })

  it('is not asked twice where the configuration says so', async () => {
    const trusting = await openHsm({ ...token.config, profile: 'softhsm', verifyOpens: false }, silentLog)
    try {
      const sealed = await trusting.seal(key, plaintext, additionalData)
      const decrypts = () => readTrace(token.traceFile).filter(call => call.function === 'C_Decrypt').length
      const before = decrypts()
      await trusting.open(key, sealed, additionalData)
      expect(decrypts() - before).to.equal(1)
    } finally {
      await trusting.close()
    }
  })
})
