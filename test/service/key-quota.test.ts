import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { createKey } from '../../src/api/keys.js'
import { replicateKey } from '../../src/api/multi-region.js'
import { keysPerAccountMax } from '../../src/domain/key.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { checkKeyQuota } from '../../src/service/key-quota.js'
import type { Services } from '../../src/service/services.js'
import { MovedClock } from '../support/clock.js'
import { RecordedAudit, RecordedLog } from '../support/recorded.js'
import { refused } from '../support/refusal.js'
import { accountId, call, newKey, openTestHsm, openTestStore, region, servicesOver, type TestStore } from '../support/services.js'

const elsewhere = 'us-east-1'
/** A count from the index alone takes some; what an account can have a server do must not take a second. */
const countMsMax = 500

describe('the number of keys of an account', () => {
  let hsm: Hsm
  let opened: TestStore
  let services: Services

  before(async () => { hsm = await openTestHsm() })
  after(() => hsm.close())
  beforeEach(async () => {
    opened = await openTestStore(hsm)
    services = servicesOver({ hsm, store: opened.store, clock: new MovedClock(), audit: new RecordedAudit(), log: new RecordedLog() })
  })
  afterEach(() => opened.close())

  /** Rows of a real key under other ids: nobody reads more of them than is counted. */
  function multiply(times: number, inRegion: string, state = 'Enabled'): void {
    const db = new BetterSqlite3(opened.file)
    const columns = (db.pragma('table_info(keys)') as readonly { readonly name: string }[]).map(({ name }) => name)
    const values: Readonly<Record<string, string>> = {
      key_id: `printf('%s-%s-%08d', '${inRegion}', '${state}', number)`, region: `'${inRegion}'`, state: `'${state}'`,
    }
    db.exec(`with recursive numbers(number) as (select 1 union all select number + 1 from numbers where number < ${times})
      insert into keys (${columns.join(', ')}) select ${columns.map(column => values[column] ?? column).join(', ')}
      from (select * from keys limit 1), numbers`)
    db.close()
  }

  it(`is ${keysPerAccountMax} in a Region at most, destroyed ones left out`, async () => {
    await newKey(services)
    multiply(keysPerAccountMax - 2, region)
    multiply(1_000, region, 'Destroyed')
    multiply(1_000, elsewhere)
    await call(services, createKey, {})
    const { message } = await refused(call(services, createKey, {}), 'LimitExceededException')
    expect(message).to.match(/^The account has 100000 KMS keys in /)
    expect(await opened.store.keys.countOf(accountId, region)).to.equal(keysPerAccountMax)
    // Neither of another account nor of another Region.
    await checkKeyQuota({ accountId: '444455556666', region }, services)
    await checkKeyQuota({ accountId, region: elsewhere }, services)
    const began = performance.now()
    await opened.store.keys.countOf(accountId, region)
    expect(performance.now() - began).to.be.below(countMsMax)
  })

  it('counts replicas where they are', async () => {
    const { KeyMetadata } = await call(services, createKey, { MultiRegion: true })
    const KeyId = KeyMetadata?.KeyId ?? ''
    multiply(keysPerAccountMax, elsewhere)
    await refused(call(services, replicateKey, { KeyId, ReplicaRegion: elsewhere }), 'LimitExceededException')
    expect(await opened.store.keys.regionsOf(KeyId, 'everywhere')).to.deep.equal([region])
  })

  it('is counted from an index alone', () => {
    const db = new BetterSqlite3(opened.file)
    const plan = db.prepare(`explain query plan select count(*) from keys
      where region = 'a' and account_id = 'b' and state in ('Enabled', 'Disabled')`).all() as readonly { readonly detail: string }[]
    db.close()
    expect(plan.map(({ detail }) => detail).join()).to.match(/COVERING INDEX keys_by_account_and_state/)
  })
})
