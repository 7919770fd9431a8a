import { lookMs, type TlsFiles } from '../adapters/tls-files/tls-files.js'
import type { Config } from '../config.js'
import { deleteExpiredKeys, rotateDueKeys } from '../jobs/due-keys.js'
import { every, type Repeated } from '../jobs/every.js'
import { expireImportedMaterial, removeWrappingKeys } from '../jobs/expire-material.js'
import { flushUsages } from '../service/access-key-usage.js'
import { settleApprovals } from '../service/approvals/settle.js'
import { reconcile } from '../service/reconcile.js'
import type { StoreHead } from '../service/rollback.js'
import type { Services } from '../service/services.js'
import type { FailingSources } from '../service/throttle/failing-sources.js'
import type { Opened } from './opened.js'

/** How far the last usages of keys and access keys may be behind after a crash. */
const lastUsageLagMsMax = 60_000

/** The work that otherwise runs by the clock. */
export type Jobs = Readonly<Record<
  'rotateDueKeys' | 'deleteExpiredKeys' | 'expireMaterial' | 'reconcile' | 'advanceHead' | 'lookAtCapacity' |
  'flushLastUsage' | 'forgetInvocations' | 'settleApprovals' | 'reportFailures' | 'lookAtTls',
  Repeated
>>

interface Scheduled {
  readonly services: Services, readonly config: Config, readonly owner: string, readonly opened: Opened, readonly head: StoreHead
  readonly sources: FailingSources, readonly tls: TlsFiles | undefined
}

/** What a crash left behind is cleared, and what is due is done, before the first call is served. */
export async function startJobs({ services, config, owner, opened, head, sources, tls }: Scheduled): Promise<Jobs> {
  const { jobs: { intervalMs } } = config
  const { log } = services
  const removeOldWrappingKeys = removeWrappingKeys(services)
  const jobs = {
    reconcile: every(intervalMs, 'reconcile', async () => {
      // One batch after the other, until one finds nothing that it can take back.
      while ((await reconcile(services, owner, true)).undone > 0);
    }, log),
    rotateDueKeys: every(intervalMs, 'rotate due keys', async () => void await rotateDueKeys(services, owner), log),
    advanceHead: every(intervalMs, 'advance the head of the store', () => head.advance(), log),
    lookAtCapacity: every(intervalMs, 'look at the capacity of the key stores', () => services.capacity.look(), log),
    deleteExpiredKeys: every(intervalMs, 'delete expired keys', async () => void await deleteExpiredKeys(services, owner), log),
    expireMaterial: every(intervalMs, 'expire imported material', async () => {
      await expireImportedMaterial(services, owner)
      await removeOldWrappingKeys()
    }, log),
    flushLastUsage: every(Math.min(intervalMs, lastUsageLagMsMax), 'write the last usages', () => flushUsages(services), log),
    forgetInvocations: every(intervalMs, 'forget old invocations', async () => void await services.invocations.forgetOld(), log),
    settleApprovals: every(intervalMs, 'end approval requests', async () => void await settleApprovals(services, true), log),
    reportFailures: every(intervalMs, 'report sources that fail to authenticate', async () => sources.report(), log),
    lookAtTls: every(lookMs, 'look at the files of TLS', async () => tls?.look(), log),
  }
  opened.push(async () => sources.report())
  // What the last calls noted; the store is closed after that.
  opened.push(() => flushUsages(services).catch(error => log.error('the last usages could not be written', { error })))
  for (const job of Object.values(jobs)) opened.push(() => job.stop())
  await jobs.reconcile.now()
  await jobs.deleteExpiredKeys.now()
  await jobs.settleApprovals.now()
  return jobs
}
