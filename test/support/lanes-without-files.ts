import { closeSync, openSync } from 'node:fs'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/config.js'
import { allUp, openLanes, pidsOf, replacedOf, until } from './lanes.js'

/** A server process that runs out of file descriptors and then loses its lanes; started with few descriptors to have. */
process.once('message', (config: Pkcs11Config) => { void serve(config) })

async function serve(config: Pkcs11Config): Promise<void> {
  const hsm = await openLanes(config, { count: 2 })
  const files = all()
  for (const pid of pidsOf(hsm)) process.kill(pid, 'SIGKILL')
  await until(() => hsm.status().circuit === 'open', 'no lane is up')
  for (const file of files) closeSync(file)
  await until(() => allUp(hsm) && replacedOf(hsm) >= 2, 'all lanes are up again')
  await hsm.close()
  process.send?.('survived')
}

function all(): readonly number[] {
  const files: number[] = []
  for (;;) {
    try {
      files.push(openSync('/dev/null', 'r'))
    } catch {
      return files
    }
  }
}
