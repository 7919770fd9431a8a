import { setImmediate as nextTurn } from 'node:timers/promises'
import { KmsError } from '../../../src/domain/errors.js'
import { keyArn } from '../../../src/domain/key-ref.js'
import { decideByPolicies, type Reason } from '../../../src/domain/policy/decide.js'
import { PolicyRequest } from '../../../src/domain/policy/request.js'
import { allOperations } from '../../../src/service/all-operations.js'
import { Access } from '../../../src/service/authorization/access.js'
import type { DecisionRecord } from '../../../src/service/call-record.js'
import type { Services } from '../../../src/service/services.js'
import type { Context, Situation } from './world.js'

/**
 * What of a decision is measured. `policies`: the pure function. `whole`: keys, policies and grants as the request path asks for them, of
 * which everything is in memory; `cold`: the same when nothing is known of the grants of the key.
 */
export const depths = ['policies', 'whole', 'cold'] as const
export type Depth = typeof depths[number]

type Decide = (context: Context) => Promise<Reason> | Reason

/** Timed at most, of one situation in one round. */
const timedMax = 200_000

/**
 * Microseconds of one decision, the median: a few fall into the time of another process or of the collector, and would be most of an
 * average. Throws when one of them is another than it must be.
 */
export async function timeDecisions(services: Services, region: string, situation: Situation, depth: Depth, ms: number): Promise<number> {
  const decide = depth === 'policies' ? await byPolicies(services, region, situation) : whole(services, region, situation)
  const { contexts, keyId, expected } = situation
  // Of grants the policies by themselves know nothing.
  const wanted = depth === 'policies' && expected.by === 'grant' ? { verdict: 'no', by: 'identity policy' } as const : expected
  if (depth === 'whole') for (const context of contexts) await decide(context)
  const until = performance.now() + ms
  const times = new Float64Array(timedMax)
  let count = 0
  while (count < timedMax && performance.now() < until) {
    const context = contexts[count % contexts.length] ?? {}
    if (depth === 'cold') services.grantIndex.forget({ region, keyId })
    // Each in a turn of its own, as requests come.
    await nextTurn()
    const before = performance.now()
    const decided = decide(context)
    const reason = decided instanceof Promise ? await decided : decided
    times[count] = performance.now() - before
    requireSame(situation.name, reason, wanted)
    count += 1
  }
  return (times.subarray(0, count).sort()[count >> 1] ?? 0) * 1000
}

async function byPolicies(services: Services, region: string, situation: Situation): Promise<Decide> {
  const { access, needs } = asking(services, region, situation, situation.contexts[0] ?? {}, () => {})
  const [need] = needs
  if (!need) throw new Error('the operation needs no key')
  const question = await access.questionOn(need)
  const { action, resource, facts } = question.request
  // What one request has worked out, the next has to work out again.
  return encryptionContext =>
    decideByPolicies({ ...question, request: new PolicyRequest(action, resource, { ...facts, encryptionContext }) }).reason
}

function whole(services: Services, region: string, situation: Situation): Decide {
  return async context => {
    let reason: Reason | undefined
    const { access, needs } = asking(services, region, situation, context, decision => { reason = decision.reason })
    try {
      await access.requireKeys(needs)
    } catch (error) {
      if (!(error instanceof KmsError && error.code === 'AccessDeniedException')) throw error
    }
    if (!reason) throw new Error('nothing was decided')
    return reason
  }
}

function asking(
  services: Services, region: string, { caller, operation: name, keyId }: Situation, EncryptionContext: Context,
  decided: (decision: DecisionRecord) => void,
) {
  const operation = allOperations.get(name)
  if (!operation) throw new Error(`there is no operation ${name}`)
  const KeyId = keyArn({ region, accountId: caller.accountId }, keyId)
  const input = { KeyId, Plaintext: new Uint8Array(32), KeySpec: 'AES_256', EncryptionAlgorithm: 'SYMMETRIC_DEFAULT', EncryptionContext }
  const origin = { requestId: 'bench', sourceIp: '127.0.0.1', userAgent: 'bench', secureTransport: false }
  const asked = { caller, region, origin, operation, input, time: Date.now(), dryRun: false, measurements: undefined }
  return { access: new Access(asked, services, { resource: () => {}, decided }), needs: operation.needs(input) }
}

function requireSame(name: string, { verdict, by, statement }: Reason, expected: Situation['expected']): void {
  if (verdict === expected.verdict && by === expected.by && statement === expected.statement) return
  throw new Error(`wrong answer: ${name}: ${JSON.stringify({ verdict, by, statement })} instead of ${JSON.stringify(expected)}`)
}
