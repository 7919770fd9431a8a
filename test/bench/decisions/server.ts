import { startServer } from '../../support/server.js'
import { timeDecisions, type Depth } from './decide.js'
import { stage, type Situation, type Stage } from './world.js'

/**
 * A child process with a whole server in it, whose decisions can also be asked for by themselves: both are measured on the same caches and
 * the same compiled code.
 */
export type DecisionsOrder = { readonly manyGrants: number } | { readonly situation: string, readonly depth: Depth, readonly ms: number }

/** A situation as it can be sent to another process. */
export type Told = Omit<Situation, 'caller'> & { readonly id: string, readonly expected: Situation['expected'] }
export interface Staged { readonly host: string, readonly region: string, readonly situations: readonly Told[] }

const server = await startServer({ settings: { accountId: '111122223333' } })
const situations = new Map<string, Situation>()

async function staged(manyGrants: number): Promise<Staged> {
  for (const [id, situation] of named(await stage(server, manyGrants))) situations.set(id, situation)
  return {
    host: new URL(server.url).host, region: server.admin.region,
    situations: [...situations].map(([id, { caller: _, ...told }]) => ({ id, ...told })),
  }
}

function named({ onKey, few, many }: Stage): readonly (readonly [string, Situation])[] {
  return [
    ...onKey.map(situation => [situation.name, situation] as const),
    ...[...few].map(([kind, situation]) => [`few, ${kind}`, situation] as const),
    ...[...many].map(([kind, situation]) => [`many, ${kind}`, situation] as const),
  ]
}

function answer(order: DecisionsOrder): Promise<Staged | number> {
  if ('manyGrants' in order) return staged(order.manyGrants)
  const situation = situations.get(order.situation)
  if (!situation) throw new Error(`there is no ${order.situation}`)
  return timeDecisions(server.services, server.admin.region, situation, order.depth, order.ms)
}

process.on('message', (order: DecisionsOrder) => {
  answer(order).then(result => process.send?.({ result }), (error: Error) => process.send?.({ error: error.message }))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
