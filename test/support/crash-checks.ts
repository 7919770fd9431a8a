import { expect } from 'chai'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyState, Sealed, Told } from './crash-load.js'
import { errorOf, RawClient, type RawAnswer } from './raw-client.js'
import { spawnProgram, type ServerAddress } from './server.js'
import { query, readyBackingKeys, tokenObjects } from './token.js'

const connections = 24
/** Ciphertexts that are opened after each crash: all newer ones up to this number, and as many of the older ones. */
export const openedMax = 200

const rootLabels = ['cvg-root-audit-1', 'cvg-root-audit-1', 'cvg-root-mac-1', 'cvg-root-seal-1']

/**
 * What must be true of a server that came back. What was not answered before the crash may have happened or not: where `told` left that
 * open, it is settled here by what is found.
 */
export async function checkKeys(server: ServerAddress, told: Told): Promise<void> {
  const listed = await listKeys(server)
  expect(listed, 'every key that a client was told of is listed').to.include.members([...told.keys.keys()])
  told.touch(listed.filter(keyId => !told.keys.has(keyId)))
  const states = await inParallel(server, listed, async (client, keyId) => stateOf(await client.call('DescribeKey', { KeyId: keyId })))
  listed.forEach((keyId, at) => {
    const state = states[at] as KeyState
    expect(told.keys.get(keyId) ?? ['Enabled'], `state of ${keyId}`).to.include(state)
    told.keys.set(keyId, [state])
  })
  const enabled = [...told.touched].filter(keyId => told.keys.get(keyId)?.[0] === 'Enabled')
  const sealed = await inParallel(server, enabled, (client, keyId) => client.call('Encrypt', { KeyId: keyId, Plaintext: 'AAAA' }))
  expect(sealed.filter(({ status }) => status !== 200).map(({ body }) => body), 'every listed key encrypts').to.be.empty
  told.touched.clear()
  keepRequests(told, sealed)
}

export async function checkAliases(server: ServerAddress, told: Told): Promise<void> {
  const names = [...told.aliases.keys()]
  const answers = await inParallel(server, names, (client, name) => client.call('DescribeKey', { KeyId: name }))
  names.forEach((name, at) => {
    const answer = answers[at] as RawAnswer
    const target = errorOf(answer) === 'NotFoundException' ? undefined : metadataOf(answer).KeyId
    expect(told.aliases.get(name), name).to.include(target)
    told.aliases.set(name, [target])
  })
  keepRequests(told, answers)
}

export async function checkCiphertexts(server: ServerAddress, told: Told, sealed: readonly Sealed[]): Promise<void> {
  const answers = await inParallel(server, sealed, (client, { blob, context }) =>
    client.call('Decrypt', { CiphertextBlob: blob, EncryptionContext: context }))
  const opened = answers.map(({ body }) => (JSON.parse(body) as { Plaintext?: string }).Plaintext ?? body)
  expect(opened, 'every answered ciphertext opens to what was sealed').to.deep.equal(sealed.map(({ plaintext }) => plaintext))
  keepRequests(told, answers)
}

/** While nobody makes a call, token and database know exactly the same objects, and nothing is half-made. */
export function checkToken(dataDir: string): void {
  const labels = tokenObjects(dataDir).map(({ label }) => label)
  expect(labels.toSorted(), 'objects in the token').to.deep.equal([...rootLabels, ...readyBackingKeys(dataDir)].toSorted())
  const halfMade = query(dataDir, `select key_id, version, state from key_versions where state in ('creating', 'destroying')
    union all select key_id, 0, state from keys where state in ('Creating', 'Destroying')`)
  expect(halfMade, 'rows that are half-made').to.be.empty
}

/** `claviger audit verify` on the files of all processes, and a record of every call that was answered. */
export async function checkAudit(dataDir: string, told: Told): Promise<void> {
  const { code, output } = await spawnProgram(['audit', 'verify', '--json'], { dataDir }).exited
  expect(code, output).to.equal(0)
  const directory = join(dataDir, 'audit')
  const recorded = new Set<string>()
  for (const file of readdirSync(directory).filter(name => name.endsWith('.jsonl'))) {
    for (const [, id = ''] of readFileSync(join(directory, file), 'utf8').matchAll(/"requestID":"([\w-]+)"/g)) recorded.add(id)
  }
  expect(told.requestIds.filter(id => !recorded.has(id)), 'answered calls without a record').to.be.empty
}

export async function listKeys(server: ServerAddress): Promise<readonly string[]> {
  const client = await RawClient.open(server)
  const keys: string[] = []
  for (let marker: object | undefined = {}; marker;) {
    const { body } = await client.call('ListKeys', { Limit: 1_000, ...marker })
    const page = JSON.parse(body) as { Keys: readonly { KeyId: string }[], NextMarker?: string }
    keys.push(...page.Keys.map(({ KeyId }) => KeyId))
    marker = page.NextMarker === undefined ? undefined : { Marker: page.NextMarker }
  }
  client.close()
  return keys
}

function stateOf(answer: RawAnswer): KeyState {
  return metadataOf(answer).KeyState
}

function metadataOf({ status, body }: RawAnswer): { readonly KeyId: string, readonly KeyState: KeyState } {
  expect(status, body).to.equal(200)
  return (JSON.parse(body) as { KeyMetadata: { KeyId: string, KeyState: KeyState } }).KeyMetadata
}

function keepRequests(told: Told, answers: readonly RawAnswer[]): void {
  told.requestIds.push(...answers.map(({ requestId }) => requestId))
}

async function inParallel<T, R>(
  server: ServerAddress, items: readonly T[], call: (client: RawClient, item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  await Promise.all(Array.from({ length: Math.min(connections, items.length) }, async () => {
    const client = await RawClient.open(server)
    for (let at = next++; at < items.length; at = next++) results[at] = await call(client, items[at] as T)
    client.close()
  }))
  return results
}
