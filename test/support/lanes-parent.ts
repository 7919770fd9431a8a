import { openLanes, pidsOf } from './lanes.js'
import { newMaterial } from '../contract/hsm-samples.js'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/config.js'

/** A server process, as far as lanes are concerned, that a test can kill. Asked to, it makes a call and does not wait for it. */
process.once('message', (config: Pkcs11Config) => {
  void serve(config)
})

async function serve(config: Pkcs11Config): Promise<void> {
  const hsm = await openLanes(config, { count: 3, callDeadlineMs: 60_000 })
  const key = newMaterial(hsm)
  await hsm.createMaterial(key)
  process.on('message', () => { void hsm.seal(key, Buffer.alloc(16), Buffer.alloc(32)).catch(() => undefined) })
  process.send?.(pidsOf(hsm))
}
