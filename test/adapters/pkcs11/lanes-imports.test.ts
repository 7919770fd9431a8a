import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { newKeyId } from '../../../src/domain/key-id.js'
import { backingKey, wrappingKey, type Material, type MaterialKind } from '../../../src/domain/material.js'
import type { Hsm, WrappedMaterial } from '../../../src/ports/hsm.js'
import { refused } from '../../contract/hsm-samples.js'
import { faultToken, type FaultToken } from '../../support/fault-module/token.js'
import { isRunning, openLanes, pidsOf, silent, until } from '../../support/lanes.js'
import { wrappedFor } from '../../support/wrapped.js'

const outer = wrappingKey(2048, 20_002)
const newMaterial = (kind: MaterialKind): Material => backingKey(newKeyId(randomBytes(16)), 1, kind)

describe('lanes and a device that fails while it imports', function suite() {
  this.timeout(60_000)
  let token: FaultToken
  let hsm: Hsm
  let key: Buffer
  let wrapped: WrappedMaterial
  let material: Material

  beforeEach(async () => {
    token = await faultToken({ trace: true })
    hsm = await openLanes(token.config, { count: 2, callDeadlineMs: 1_000, slowCallDeadlineMs: 2_000 })
    await hsm.createMaterial(outer)
    key = randomBytes(32)
    wrapped = wrappedFor(outer, await hsm.publicKey(outer), 'RSAES_OAEP_SHA_256', key)
    material = { ...newMaterial('gcm'), imported: true }
  })
  afterEach(async () => {
    token.control.clear()
    const pids = pidsOf(hsm)
    await hsm.close()
    await until(() => !pids.some(isRunning), 'no lane process is left')
  })

  it('never take for imported what nobody has tried: the lane dies when the object is made and not yet used', async () => {
    token.control.set({ on: 'C_EncryptInit', action: 'kill', total: 1 })
    await refused(hsm.importMaterial(material, wrapped), 'lost')
    token.control.clear()
    // It is there, and for the caller to take back.
    expect(await hsm.destroyMaterial(material)).to.equal(1)
    expect(await hsm.importMaterial(material, wrapped)).to.have.length(1)
  })

  it('are told of nothing wrong with good material, and leave nothing, when the device fails in between', async () => {
    for (const rule of [
      { on: 'C_CreateObject', action: 'hang', forEver: true, total: 1 }, { on: 'C_CreateObject', action: 'kill', total: 1 },
      { on: 'C_CreateObject', action: 'rv', code: 0x30 }, { on: 'C_Encrypt', action: 'flip' },
      { on: 'C_DecryptInit', action: 'rv', code: 5 },
    ] as const) {
      token.control.set(rule)
      await refused(hsm.importMaterial(material, wrapped), 'lost')
      token.control.clear()
      await until(() => hsm.status().circuit === 'closed', 'the device is back')
      await hsm.destroyMaterial(material)
      expect(await hsm.find(material)).to.equal(undefined)
    }
    expect(await hsm.importMaterial(material, wrapped)).to.have.length(1)
  })
})

describe('an inline store', function suite() {
  this.timeout(60_000)

  it('signs with RSA keys while it makes one', async () => {
    const token = await faultToken()
    const hsm = await openHsm({ ...token.config, profile: 'softhsm' }, silent)
    const pids: number[] = []
    try {
      const signing = newMaterial('rsa-2048-sign')
      await hsm.createMaterial(signing)
      token.control.set({ on: 'C_GenerateKeyPair', action: 'delay', ms: 2_000 })
      const ended: string[] = []
      const making = hsm.createMaterial(newMaterial('rsa-2048-encrypt')).then(() => { ended.push('made') })
      await Promise.all(Array.from({ length: 5 }, () => hsm.sign(signing, 'RSASSA_PSS_SHA_256', Buffer.alloc(32))))
      ended.push('signed')
      await making
      expect(ended).to.deep.equal(['signed', 'made'])
      pids.push(...pidsOf(hsm))
      expect(pids).to.have.length(2)
      expect(hsm.status().lanes.map(({ lane }) => lane)).to.deep.equal([1, 2])
    } finally {
      token.control.clear()
      await hsm.close()
      await until(() => !pids.some(isRunning), 'no lane process is left')
    }
  })
})
