import { expect } from 'chai'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import type { Material } from '../../../src/domain/material.js'
import type { Sealed } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { openBench, recordingLog, type Bench } from './support.js'

export const additionalData = Buffer.alloc(32, 3)
const plaintext = Buffer.from('thirty-two bytes of a data key..')

/** A driver on SoftHSM, and a key in it, for each test of one `describe`. */
export interface DriverSuite extends Bench {
  readonly material: Material
  readonly log: ReturnType<typeof recordingLog>
  /** Another driver in place of one that is closed, with another key. */
  readonly open: (changes: Partial<Profile>) => Promise<void>
  /** The same, where the driver is open still. */
  readonly openAnew: (changes: Partial<Profile>) => Promise<void>
  readonly seal: () => Sealed
  readonly roundTrip: () => void
}

export function driverSuite(): DriverSuite {
  let bench: Bench
  let material: Material
  const log = recordingLog()

  beforeEach(() => open({}))
  afterEach(close)

  async function open(changes: Partial<Profile>): Promise<void> {
    log.entries.length = 0
    bench = await openBench(log, true, { profile: { ...softhsm, ...changes } })
    material = newMaterial()
    bench.driver.createMaterial(material)
  }

  function close(): void {
    bench.driver.destroyMaterial(material)
    bench.driver.close()
  }

  async function openAnew(changes: Partial<Profile>): Promise<void> {
    close()
    await open(changes)
  }

  const seal = () => bench.driver.seal(material, plaintext, additionalData)

  function roundTrip(): void {
    const sealed = seal()
    expect(Buffer.from(bench.driver.open(material, sealed, additionalData)).equals(plaintext)).to.equal(true)
  }

  return {
    get token() { return bench.token },
    get connection() { return bench.connection },
    get driver() { return bench.driver },
    get lib() { return bench.lib },
    get material() { return material },
    log, open, openAnew, seal, roundTrip,
  }
}
