import { once } from 'node:events'
import { EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { ask, program } from '../children.js'
import type { LoadOrder, LoadResult } from '../load.js'
import { cpuMsOf } from '../slow-device.js'
import { signedRequest, type Signing } from '../sign.js'
import type { Depth } from './decide.js'
import { reportDecisions, type Round } from './report.js'
import type { DecisionsOrder, Staged, Told } from './server.js'
import { constraintKinds, names, operationNames, type Context, type OperationName } from './world.js'

/** Of the issue that asked for it: 50,000 grants on a key. BENCH_GRANTS changes it. */
const manyGrants = Number(process.env.BENCH_GRANTS ?? 50_000)
const signedRequestsEach = 400

export interface DecisionsSettings { readonly rounds: number, readonly durationMs: number, readonly connections: number }

/**
 * What it costs to decide, beside whole requests to the same server: HTTP, SigV4, HSM and audit. Fails on a wrong answer, and never for a
 * time: whether the limits were kept is said in the report.
 */
export async function decisions(settings: DecisionsSettings): Promise<void> {
  const { rounds, durationMs, connections } = settings
  const [server, loader] = [program('decisions/server.js'), program('load.js')]
  await once(server, 'message')
  console.log(`making ${manyGrants} grants on a key`)
  const staged = await ask<Staged>(server, { manyGrants } satisfies DecisionsOrder)
  const port = Number(staged.host.split(':')[1])
  const find = (id: string) => staged.situations.find(one => one.id === id) ?? never(`nothing was staged for ${id}`)
  const ciphertexts = new Map<Told, string>()
  for (const id of [names.first, names.grant]) ciphertexts.set(find(id), await ciphertextOf(find(id), staged))

  const figures: Round[] = []
  for (let round = 0; round <= rounds; round++) {
    // The first round warms everything up and is not counted.
    const ms = round === 0 ? Math.min(durationMs, 1_000) : durationMs
    const decide = (id: string, depth: Depth) => ask<number>(server, { situation: id, depth, ms: ms / 2 } satisfies DecisionsOrder)
    const request = async (id: string, operation: OperationName = find(id).operation) => {
      const requests = requestsOf(find(id), operation, staged, ciphertexts.get(find(id)))
      const order: LoadOrder = { port, requests, connections, durationMs: ms }
      const before = cpuMsOf([server.pid ?? 0])
      const result = await ask<LoadResult>(loader, order)
      return microseconds(id, find(id), result, cpuMsOf([server.pid ?? 0]) - before)
    }
    const measured: Round = { onKey: new Map(), operations: new Map(), grants: new Map() }
    for (const id of Object.values(names)) {
      measured.onKey.set(id, { policies: await decide(id, 'policies'), whole: await decide(id, 'whole'), request: await request(id) })
    }
    for (const id of [names.first, names.grant]) {
      for (const operation of operationNames.filter(name => name !== find(id).operation)) {
        measured.operations.set(`${operation}, ${id}`, { of: id, request: await request(id, operation) })
      }
    }
    for (const kind of constraintKinds) {
      // What comes second finds other caches: each comes first as often as the other.
      for (const amount of round % 2 === 0 ? ['few', 'many'] as const : ['many', 'few'] as const) {
        const id = `${amount}, ${kind}`
        // In this order: a decision that is measured warm leaves everything in memory for the requests.
        measured.grants.set(id, { cold: await decide(id, 'cold'), warm: await decide(id, 'whole'), request: await request(id) })
      }
    }
    if (round > 0) figures.push(measured)
  }
  reportDecisions(figures, { ...settings, manyGrants })
}

/** Time of the processors that the server took for each request: others may use them, too. */
function microseconds(id: string, { expected: { verdict } }: Told, { answers, failures }: LoadResult, cpuMs: number): number {
  const wanted = verdict === 'allow' ? 0 : answers
  if (failures !== wanted) throw new Error(`wrong answer: ${id}: ${failures} of ${answers} requests were refused, instead of ${wanted}`)
  return cpuMs * 1000 / answers
}

function requestsOf(situation: Told, operation: OperationName, staged: Staged, ciphertext = ''): readonly string[] {
  const signing = signingOf(situation, staged)
  return Array.from({ length: signedRequestsEach }, (_, at) => {
    const context = situation.contexts[at % situation.contexts.length] ?? {}
    return signedRequest(operation, inputOf(operation, situation, context, ciphertext), signing)
  })
}

function inputOf(operation: OperationName, { keyId: KeyId }: Told, EncryptionContext: Context, CiphertextBlob: string): object {
  switch (operation) {
    case 'Encrypt': return { KeyId, Plaintext: Buffer.alloc(32, 1).toString('base64'), EncryptionContext }
    case 'Decrypt': return { KeyId, CiphertextBlob, EncryptionContext }
    case 'GenerateDataKey': return { KeyId, KeySpec: 'AES_256', EncryptionContext }
  }
}

function signingOf({ signing }: Told, { host, region }: Staged): Signing {
  return { host, region, ...signing }
}

async function ciphertextOf(situation: Told, staged: Staged): Promise<string> {
  const { host, region, accessKeyId, secret, sessionToken } = signingOf(situation, staged)
  const credentials = { accessKeyId, secretAccessKey: secret, ...sessionToken !== undefined && { sessionToken } }
  const client = new KMSClient({ endpoint: `http://${host}`, region, credentials })
  const { contexts: [EncryptionContext = {}], keyId: KeyId } = situation
  const { CiphertextBlob = new Uint8Array() } = await client.send(
    new EncryptCommand({ KeyId, Plaintext: Buffer.alloc(32, 1), EncryptionContext }))
  client.destroy()
  return Buffer.from(CiphertextBlob).toString('base64')
}

function never(why: string): never {
  throw new Error(why)
}
