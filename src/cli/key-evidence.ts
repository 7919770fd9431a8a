import { logOf } from '../compose.js'
import { readConfig, type Config } from '../config.js'
import type { Evidence, Import, KeyVersion } from '../domain/key.js'
import { versionMaterial } from '../domain/material.js'
import { parseKeyRef, type KeyRef } from '../domain/key-ref.js'
import { attributeValueName, evidenceNow, openForReading, UnusableInput } from '../inspect.js'
import type { Hsm } from '../ports/hsm.js'
import type { Store } from '../ports/store.js'
import { exitCodes, print, type OutputOptions } from './output.js'

interface VersionEvidence {
  readonly version: number
  readonly state: string
  readonly keyMaterialId: string
  /** Of material that came from outside: where it was unwrapped. */
  readonly imported?: Import['way']
  readonly recorded: readonly Evidence[]
  /** undefined: no such object in the HSM now. */
  readonly now: readonly Evidence[] | undefined
  /** Attributes that are not now what was recorded; undefined when there is nothing to compare. */
  readonly differences: readonly string[] | undefined
  /** Why the object is none that a key may have; undefined when it is as it should be. */
  readonly fault?: string
}

/**
 * The recorded evidence of every version beside what the HSM says at this moment. Exit code 1 when a usable version has no
 * object, or one that differs from what was recorded.
 */
export async function keyEvidence(name: string, options: OutputOptions & { region?: string }): Promise<void> {
  const config = readConfig()
  const region = regionOf(name, options.region, config)
  const reading = await openForReading(config, logOf({ ...config, log: { ...config.log, level: 'error' } }))
  try {
    const keyId = await keyIdOf(name, region, reading.store)
    const view = keyId === undefined ? undefined : await reading.store.keys.get(region, keyId)
    const account = accountOf(name)
    if (!view || (account !== undefined && view.key.accountId !== account)) throw new Error(`there is no key ${name} in ${region}`)
    const hsm = await reading.keyStore(view.key.keyStore)
    const versions: VersionEvidence[] = []
    for (const version of [...view.versions.values()].sort((a, b) => a.version - b.version)) versions.push(await read(version, hsm))
    const { keyId: id, arn, keyStore } = view.key
    print(options, { keyId: id, region, arn, keyStore, versions }, () => [`${arn}, key store ${keyStore}`, ...versions.flatMap(lines)])
    if (versions.some(isBad)) process.exitCode = exitCodes.bad
  } finally {
    await reading.close()
  }
}

function regionOf(name: string, asked: string | undefined, config: Config): string {
  const named = /^arn:aws:kms:([^:]+):/.exec(name)?.[1]
  if (asked !== undefined && named !== undefined && asked !== named) {
    throw new UnusableInput(`--region ${asked} is not the region of ${name}`)
  }
  return asked ?? named ?? config.regions[0] ?? ''
}

/** Of an ARN. */
function accountOf(name: string): string | undefined {
  return /^arn:aws:kms:[^:]+:([0-9]{12}):/.exec(name)?.[1]
}

/** The id of the key that a text names, whether or not there is such a key; undefined for an alias or an account that is not there. */
async function keyIdOf(name: string, region: string, { instance, aliases }: Store): Promise<string | undefined> {
  const accountId = accountOf(name) ?? (await instance.get())?.accountId ?? ''
  const ref = keyRef(name, region, accountId)
  return ref.kind === 'key' ? ref.keyId : (await aliases.get(accountId, region, ref.name))?.targetKeyId
}

function keyRef(name: string, region: string, accountId: string): KeyRef {
  try {
    return parseKeyRef(name, { region, accountId })
  } catch (error) {
    throw new UnusableInput(`"${name}" is no key id, key ARN, alias name or alias ARN`, { cause: error })
  }
}

async function read(row: KeyVersion, hsm: Hsm): Promise<VersionEvidence> {
  const { version, state, keyMaterialId, evidence, import: imported } = row
  const { now, fault } = await evidenceNow(hsm, versionMaterial(row))
  return {
    version, state, keyMaterialId, ...imported && { imported: imported.way }, recorded: evidence, now,
    differences: now && differences(evidence, now), ...fault !== undefined && { fault },
  }
}

function isBad({ state, fault, differences }: VersionEvidence): boolean {
  return fault !== undefined || (state === 'ready' && (differences === undefined || differences.length > 0))
}

/**
 * The names of recorded attributes that are others now, object by object in the order of their making. An attribute that is only read
 * now is none: a later version of the service may read more.
 */
export function differences(recorded: readonly Evidence[], now: readonly Evidence[]): readonly string[] {
  const changed = recorded.flatMap(({ object, attributes }, at) => {
    const other = now[at]
    if (other?.object !== object) return [object]
    return Object.entries(attributes).filter(([name, value]) => other.attributes[name] !== value).map(([name]) => name)
  })
  return [...new Set([...changed, ...now.slice(recorded.length).map(({ object }) => object)])]
}

const importWays: Readonly<Record<Import['way'], string>> = {
  hsm: 'unwrapped inside the HSM', process: 'unwrapped in the server, bytes overwritten at once',
}

function lines({ version, state, keyMaterialId, imported, recorded, now, ...compared }: VersionEvidence): readonly string[] {
  const { differences: changed, fault } = compared
  return [
    `version ${version} (${state}), key material ${keyMaterialId}`,
    ...imported ? [`  imported: ${importWays[imported]}`] : [],
    ...recorded.map(evidence => `  recorded ${new Date(evidence.readAt).toISOString()}: ${attributes(evidence)}`),
    ...(now ?? []).map(evidence => `  now: ${attributes(evidence)}`),
    ...now ? [] : [fault === undefined ? '  now: no such object in the HSM' : `  DIFFERS: ${fault}`],
    ...changed ? [changed.length > 0 ? `  DIFFERS: ${changed.join(', ')}` : '  same as recorded'] : [],
  ]
}

function attributes({ object, attributes: values }: Evidence): string {
  return `${object} ${Object.entries(values).map(([name, value]) => `${name}=${attributeValueName(name, value) ?? value}`).join(' ')}`
}
