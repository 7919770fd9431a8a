import { logOf } from '../compose.js'
import { readConfig } from '../config.js'
import type { Evidence, KeyVersion } from '../domain/key.js'
import { backingKey } from '../domain/material.js'
import { openForReading } from '../inspect.js'
import type { Hsm } from '../ports/hsm.js'
import { exitCodes, print, type OutputOptions } from './output.js'

interface VersionEvidence {
  readonly version: number
  readonly state: string
  readonly keyMaterialId: string
  readonly recorded: readonly Evidence[]
  /** undefined: no such object in the HSM now. */
  readonly now: readonly Evidence[] | undefined
}

/** The recorded evidence of every version beside what the HSM says at this moment. Exit code 1 when a usable version has no object. */
export async function keyEvidence(keyId: string, options: OutputOptions & { region?: string }): Promise<void> {
  const config = readConfig()
  const region = options.region ?? config.regions[0] ?? ''
  const reading = await openForReading(config, logOf({ ...config, log: { ...config.log, level: 'error' } }))
  try {
    const view = await reading.store.keys.get(region, keyId)
    if (!view) throw new Error(`there is no key ${keyId} in ${region}`)
    const versions: VersionEvidence[] = []
    for (const version of [...view.versions.values()].sort((a, b) => a.version - b.version)) versions.push(await read(version, reading.hsm))
    print(options, { keyId, region, arn: view.key.arn, versions }, () => [view.key.arn, ...versions.flatMap(lines)])
    if (versions.some(({ state, now }) => state === 'ready' && !now)) process.exitCode = exitCodes.bad
  } finally {
    await reading.close()
  }
}

async function read({ keyId, version, suite, state, keyMaterialId, evidence }: KeyVersion, hsm: Hsm): Promise<VersionEvidence> {
  return { version, state, keyMaterialId, recorded: evidence, now: await hsm.find(backingKey(keyId, version, suite)) }
}

function lines({ version, state, keyMaterialId, recorded, now }: VersionEvidence): readonly string[] {
  return [
    `version ${version} (${state}), key material ${keyMaterialId}`,
    ...recorded.map(evidence => `  recorded ${new Date(evidence.readAt).toISOString()}: ${attributes(evidence)}`),
    ...now ? now.map(evidence => `  now: ${attributes(evidence)}`) : ['  now: no such object in the HSM'],
  ]
}

function attributes({ object, attributes: values }: Evidence): string {
  return `${object} ${Object.entries(values).map(([name, value]) => `${name}=${value}`).join(' ')}`
}
