import { expect } from 'chai'
import { generateDataKeyPairWithoutPlaintext } from '../../../src/api/data-keys.js'
import { decrypt, encrypt } from '../../../src/api/encryption.js'
import { createKey } from '../../../src/api/keys.js'
import type { Caller } from '../../../src/domain/caller.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { firstRoots, makeMissingRoots } from '../../../src/service/roots.js'
import type { Services } from '../../../src/service/services.js'
import { administrator, otherAccountId, userCaller } from '../../support/callers.js'
import { faultToken, type FaultToken } from '../../support/fault-module/token.js'
import { openLanes } from '../../support/lanes.js'
import { call, openTestStore, servicesOver, type TestStore } from '../../support/services.js'

const encryptions = 120
const keyPairs = 8
const atWorkPerAccountMax = 6
/** A round is four calls to the HSM: Encrypt, its trial opening, and Decrypt twice. Before each wait no more than are at work. */
const overtakenMax = 4 * 6
const rounds = 10
/** For one call to the HSM, in each of its two lanes. */
const deviceMs = 8

/** A new one for each call, which overwrites it. */
const plaintext = () => Buffer.from('a plaintext')
const loud = administrator
const quiet: Caller = userCaller('administrator', administrator.policies, { accountId: otherAccountId })

describe('a tenant that floods a slow HSM', function () {
  this.timeout(60_000)
  let token: FaultToken
  let hsm: Hsm
  let opened: TestStore
  let services: Services

  beforeEach(async () => {
    token = await faultToken()
    hsm = await openLanes(token.config, { count: 2 })
    await makeMissingRoots(hsm, firstRoots)
    opened = await openTestStore(hsm)
    services = servicesOver({ hsm, store: opened.store, admission: { places: { atWorkPerAccountMax } } })
  })
  afterEach(async () => {
    token.control.clear()
    await opened.close()
    await hsm.close()
  })

  async function keyOf(caller: Caller): Promise<string> {
    return (await call(services, createKey, {}, caller)).KeyMetadata?.KeyId ?? ''
  }

  async function roundTrip(KeyId: string): Promise<void> {
    const { CiphertextBlob = new Uint8Array() } = await call(services, encrypt, { KeyId, Plaintext: plaintext() }, quiet)
    const { Plaintext = new Uint8Array() } = await call(services, decrypt, { CiphertextBlob }, quiet)
    expect(Buffer.from(Plaintext)).to.deep.equal(plaintext())
  }

  it('does not keep the calls of another waiting, with Encrypt and RSA key pairs by the hundred', async () => {
    const [loudKey, quietKey] = [await keyOf(loud), await keyOf(quiet)]
    await roundTrip(quietKey)
    token.control.set({ on: 'C_Encrypt', action: 'delay', ms: deviceMs }, { on: 'C_Decrypt', action: 'delay', ms: deviceMs })
    let loudDone = 0
    const count = async (one: Promise<unknown>) => {
      await one
      loudDone++
    }
    const flood = [
      ...Array.from({ length: keyPairs }, () =>
        call(services, generateDataKeyPairWithoutPlaintext, { KeyId: loudKey, KeyPairSpec: 'RSA_2048' }, loud)),
      ...Array.from({ length: encryptions }, () => call(services, encrypt, { KeyId: loudKey, Plaintext: plaintext() }, loud)),
    ].map(count)
    const between: number[] = []
    for (let round = 0; round < rounds; round++) {
      const before = loudDone
      await roundTrip(quietKey)
      between.push(loudDone - before)
    }
    expect(loudDone, 'of the flood, when the quiet one was done').to.be.below(encryptions + keyPairs)
    await Promise.all(flood)
    expect(loudDone).to.equal(encryptions + keyPairs)
    for (const done of between) expect(done).to.be.at.most(overtakenMax)
  })
})
