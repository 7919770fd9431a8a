import type { Hsm } from '../../src/ports/hsm.js'
import type { Store } from '../../src/ports/store.js'
import type { Services } from '../../src/service/services.js'
import { MovedClock } from './clock.js'
import { RecordedAudit, RecordedLog } from './recorded.js'
import { openTestHsm, openTestStore, servicesOver, type ServicesOptions, type TestStore } from './services.js'

/** The service below its fronts for the tests of one `describe`. The token is opened before the first and closed after the last. */
export interface ServiceSuite {
  readonly hsm: Hsm
  readonly store: Store
  /** Another connection to the same database, as another process would have. */
  second(): Promise<Store>
  readonly clock: MovedClock
  readonly audit: RecordedAudit
  readonly log: RecordedLog
  /** Over all of these. */
  readonly services: Services
  /** Others over the same, but for what the options say. */
  newServices(options?: Partial<ServicesOptions>): Services
  /** Such others in place of `services`: they have nothing in memory. */
  restart(options?: Partial<ServicesOptions>): void
}

/** Each test has a database, a clock and logs of its own. */
export function serviceSuite(): ServiceSuite {
  return suiteMade(beforeEach, afterEach)
}

/** All tests share what there is: for keys that are made once because that takes long. */
export function sharedServiceSuite(): ServiceSuite {
  return suiteMade(before, after)
}

interface Parts { readonly opened: TestStore, readonly clock: MovedClock, readonly audit: RecordedAudit, readonly log: RecordedLog }

function suiteMade(begin: Mocha.HookFunction, end: Mocha.HookFunction): ServiceSuite {
  let hsm: Hsm | undefined
  let parts: Parts | undefined
  let services: Services | undefined
  const there = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('there is a service only while tests run')
    return part
  }

  before(async () => { hsm = await openTestHsm() })
  begin(async () => {
    const opened = await openTestStore(there(hsm))
    parts = { opened, clock: new MovedClock(), audit: new RecordedAudit(), log: new RecordedLog() }
    services = newServices()
  })
  end(() => parts?.opened.close())
  // After the store, whose rows it signs: hooks run in the order in which they stand.
  after(() => hsm?.close())

  function newServices(options: Partial<ServicesOptions> = {}): Services {
    const { opened: { store }, clock, audit, log } = there(parts)
    return servicesOver({ hsm: there(hsm), store, clock, audit, log, ...options })
  }
  return {
    get hsm() { return there(hsm) },
    get store() { return there(parts).opened.store },
    second: () => there(parts).opened.second(),
    get clock() { return there(parts).clock },
    get audit() { return there(parts).audit },
    get log() { return there(parts).log },
    get services() { return there(services) },
    newServices,
    restart: options => { services = newServices(options) },
  }
}
