import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { newMaterial, refused } from '../../contract/hsm-samples.js'
import { hsmContract } from '../../contract/hsm.js'
import { testToken } from '../../support/softhsm.js'
import { recordingLog, silentLog } from './support.js'

hsmContract('SoftHSM, inline', async () => openHsm(await testToken(), silentLog), { rsaBits: [2048, 3072, 4096] })
hsmContract('SoftHSM, inline, without trial opening', async () => openHsm({ ...await testToken(), verifySeals: false }, silentLog))

describe('openHsm', () => {
  it('opens one token several times, and closing one leaves the others logged in', async () => {
    const config = await testToken()
    const [first, second] = [await openHsm(config, silentLog), await openHsm(config, silentLog)]
    const material = newMaterial()
    try {
      await first.createMaterial(material)
      await first.close()
      const sealed = await second.seal(material, randomBytes(32), Buffer.alloc(32))
      expect(await second.open(material, sealed, Buffer.alloc(32))).to.have.length(32)
    } finally {
      await second.destroyMaterial(material)
      await second.close()
    }
  })

  it('opens again after all were closed', async () => {
    for (let time = 0; time < 3; time++) {
      const hsm = await openHsm(await testToken(), silentLog)
      await hsm.probe()
      await hsm.close()
    }
  })

  it('sees what another one made and destroyed', async () => {
    const config = await testToken()
    const [first, second] = [await openHsm(config, silentLog), await openHsm(config, silentLog)]
    const material = newMaterial()
    try {
      await first.createMaterial(material)
      await second.seal(material, randomBytes(32), Buffer.alloc(32))
      await first.destroyMaterial(material)
      await refused(second.seal(material, randomBytes(32), Buffer.alloc(32)), 'missing')
      await first.createMaterial(material)
      await second.seal(material, randomBytes(32), Buffer.alloc(32))
    } finally {
      await first.destroyMaterial(material)
      await first.close()
      await second.close()
    }
  })

  it('chooses by serial as well as by label', async () => {
    const { tokenLabel, ...config } = await testToken()
    const log = recordingLog()
    await (await openHsm({ ...config, tokenLabel: tokenLabel ?? '' }, log)).close()
    const serial = log.entries.find(entry => entry.fields?.serial !== undefined)?.fields?.serial as string
    await (await openHsm({ ...config, tokenSerial: serial }, silentLog)).close()
    await refused(openHsm({ ...config, tokenSerial: `${serial}0` }, silentLog), 'configuration')
  })

  it('refuses a token, a module or a profile that is not there', async () => {
    const config = await testToken()
    await refused(openHsm({ ...config, tokenLabel: 'no such token' }, silentLog), 'configuration')
    await refused(openHsm({ ...config, module: '/no/such/module.so' }, silentLog), 'configuration')
    await refused(openHsm({ ...config, module: '/etc/hostname' }, silentLog), 'configuration')
    await refused(openHsm({ ...config, profile: 'no-such-vendor' }, silentLog), 'configuration')
  })

  it('refuses another environment while the library is in use, and only then', async () => {
    const config = await testToken()
    const other = { ...config, environment: { ...config.environment, CLAVIGER_TEST_ENVIRONMENT: 'other' } }
    const hsm = await openHsm(config, silentLog)
    try {
      await refused(openHsm(other, silentLog), 'configuration')
      await hsm.probe()
    } finally {
      await hsm.close()
    }
    await (await openHsm(other, silentLog)).close()
    delete process.env.CLAVIGER_TEST_ENVIRONMENT
  })

  it('answers nothing after it was closed', async () => {
    const hsm = await openHsm(await testToken(), silentLog)
    await hsm.close()
    await hsm.close()
    await refused(hsm.random(16), 'lost')
    await refused(hsm.probe(), 'lost')
    await refused(hsm.seal(newMaterial(), Buffer.alloc(8), Buffer.alloc(32)), 'lost')
  })

  it('keeps plaintexts and PINs out of its log', async () => {
    const log = recordingLog()
    const config = await testToken()
    const hsm = await openHsm(config, log)
    const material = newMaterial()
    await hsm.createMaterial(material)
    const secret = 'a secret that nobody else has'
    await hsm.seal(material, Buffer.from(secret), Buffer.alloc(32))
    await hsm.destroyMaterial(material)
    await hsm.close()
    expect(log.entries).not.to.be.empty
    expect(JSON.stringify(log.entries)).not.to.include(secret)
  })
})
