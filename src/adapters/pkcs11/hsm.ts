import type { Hsm } from '../../ports/hsm.js'
import type { Log } from '../../ports/log.js'
import type { Pkcs11Config } from './config.js'
import { Connection } from './driver/connection.js'
import { Driver } from './driver/driver.js'
import { offeredKinds } from './driver/kinds.js'
import { removeUnfinished } from './driver/unfinished.js'
import { Errands } from './lanes/errands.js'
import { InlineHsm } from './lanes/inline-hsm.js'
import { openFirstLane, ProcessHsm } from './lanes/process-hsm.js'
import { chooseProfile } from './profiles/choose.js'
import type { Host } from './profiles/profile.js'
import { acquireToken } from './token/token.js'

export type { Pkcs11Config } from './config.js'

/** One RSA key pair after the other is waited for longer than anything else. */
const makingWaitMs = 10_000

/**
 * Opens the token of a configuration and answers a key store: in this process, or in processes of its own, as configuration and profile
 * say. Several may be open on one token; closing one leaves the others logged in. Throws HsmError.
 */
export async function openHsm(config: Pkcs11Config, log: Log): Promise<Hsm> {
  const host = knownHost(config)
  if (host === 'inline') return openInline(config, log)
  // Whose token it is has still to be seen, and a library that is not known to be quick and sound is not loaded here.
  const first = await openFirstLane(config, log)
  if (host === 'process' || first.ready.profile.host === 'process') return new ProcessHsm(config, first, log)
  await first.lane.end()
  // Unfinished objects were removed by then.
  return openInline({ ...config, profile: first.ready.profile, alone: false }, log)
}

function knownHost({ host, profile }: Pkcs11Config): Host | undefined {
  if (host !== undefined || profile === undefined) return host
  if (typeof profile === 'object') return profile.host
  return chooseProfile({ manufacturer: '', model: '', libraryDescription: '' }, profile).host
}

function openInline(config: Pkcs11Config, log: Log): Hsm {
  const token = acquireToken(config, log)
  try {
    const connection = new Connection(token, log)
    if (config.alone && token.profile.leavesUnfinished) removeUnfinished(connection)
    const driver = new Driver(connection, config)
    return new InlineHsm({
      driver, token, kinds: offeredKinds(connection), durableDirectory: config.durableDirectory,
      errands: new Errands(() => openErrands(config, log)),
      makings: new Errands(() => openErrands({ ...config, lanes: { queueWaitMs: makingWaitMs, ...config.lanes } }, log)),
    })
  } catch (error) {
    token.release()
    throw error
  }
}

async function openErrands(config: Pkcs11Config, log: Log): Promise<Hsm> {
  const single = { ...config, alone: false, lanes: { ...config.lanes, count: 1 } }
  return new ProcessHsm(single, await openFirstLane(single, log), log)
}
