import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { newKeyId } from '../../../src/domain/key-id.js'
import { backingKey, type MaterialKind } from '../../../src/domain/material.js'
import { newMaterial, refused, testRoot } from '../../contract/hsm-samples.js'
import { readTrace, type FaultRule } from '../../support/fault-module/control.js'
import type { FaultToken } from '../../support/fault-module/token.js'
import { faultTokenHere } from './fault-bench.js'
import { expectRefused, openBench, silentLog, throwing, whileReplaced } from './support.js'

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
    await refused(during({ on: 'C_Sign', action: 'flip' }, () => hsm.sign(audit, 'ECDSA_SHA_256', Buffer.alloc(32, 1))), 'lost')
  })

  it('never gives a public key out that has a wrong bit', async () => {
    await refused(during({ on: 'C_GetAttributeValue', action: 'flip', bit: 200, total: 1 }, () => hsm.publicKey(audit)), 'lost')
  })

  it('never gives a signature of any kind out that does not verify', async () => {
    for (const [kind, algorithm] of [['ecdsa-p384', 'ECDSA_SHA_384'], ['ed25519', 'ED25519_SHA_512']] as const) {
      await withPair(kind, pair => refused(
        during({ on: 'C_Sign', action: 'flip' }, () => hsm.sign(pair, algorithm, Buffer.alloc(48, 1))), 'lost'))
    }
  })

  it('never takes one answer for the truth about a signature', async () => {
    const digest = Buffer.alloc(32, 1)
    const signature = await hsm.sign(audit, 'ECDSA_SHA_256', digest)
    const bench = await openBench(silentLog, true, { config: token.config })
    let answers = 0
    const lying = (run: () => unknown): unknown => answers++ === 0 ? run() && throwing(0xc0)() : run()
    const verify = (): boolean => bench.driver.verify(audit, 'ECDSA_SHA_256', digest, signature)
    try {
      whileReplaced(bench.lib, 'C_Verify', lying, () => { expectRefused(verify, 'lost') })
      expect(verify()).to.equal(true)
    } finally {
      bench.driver.close()
    }
  })

  it('is lost, and the signature is not to blame, when it fails to verify its own', async () => {
    const signature = await hsm.sign(audit, 'ECDSA_SHA_256', Buffer.alloc(32, 1))
    const failing = { on: 'C_Verify', action: 'rv', code: 0x30 } as const
    await refused(during(failing, () => hsm.verify(audit, 'ECDSA_SHA_256', Buffer.alloc(32, 1), signature)), 'lost')
  })

  it('never gives a shared secret out that came out as two, and leaves none behind', async () => {
    await withPair('ecdh-p256', async pair => {
      const before = await hsm.capacity()
      const point = Buffer.from(await hsm.publicKey(audit)).subarray(-65)
      const secret = await hsm.deriveSharedSecret(pair, point)
      const fails = { on: 'C_GetAttributeValue', action: 'rv', code: 0x30 } as const
      await refused(during(fails, () => hsm.deriveSharedSecret(pair, point)), 'lost')
      expect(Buffer.compare(await hsm.deriveSharedSecret(pair, point), secret)).to.equal(0)
      expect((await hsm.capacity()).used).to.equal(before.used)
    })
  })

  async function withPair(kind: MaterialKind, use: (pair: ReturnType<typeof newMaterial>) => Promise<unknown>): Promise<void> {
    const pair = backingKey(newKeyId(randomBytes(16)), 1, kind)
    await hsm.createMaterial(pair)
    try {
      await use(pair)
    } finally {
      token.control.clear()
      await hsm.destroyMaterial(pair)
    }
  }

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
