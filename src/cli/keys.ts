import type * as Sdk from '@aws-sdk/client-kms'
import { UnusableInput } from '../inspect.js'
import { certificateHint, withClientCertificate } from './client-certificate.js'
import { connectionTo } from './connection.js'
import { policyOf, type SeparationOptions } from './key-separation.js'
import { print, table, type OutputOptions } from './output.js'

/** The shortest that ScheduleKeyDeletion takes. */
const deletionDaysMin = 7

/**
 * Key commands that go through the public API like any other client: with the AWS_ variables of the environment if they name an
 * endpoint, or else with the administrator's credentials file of the data directory.
 */
export async function listKeys(options: OutputOptions): Promise<void> {
  const { client, sdk } = await connect()
  const keys: Sdk.KeyMetadata[] = []
  for await (const page of sdk.paginateListKeys({ client }, {})) {
    for (const { KeyId } of page.Keys ?? []) {
      const { KeyMetadata: key } = await client.send(new sdk.DescribeKeyCommand({ KeyId }))
      if (key) keys.push(key)
    }
  }
  print(options, keys, () => table([
    ['KEY ID', 'STATE', 'CREATED', 'DESCRIPTION'],
    ...keys.map(key => [key.KeyId ?? '', key.KeyState ?? '', key.CreationDate?.toISOString() ?? '', key.Description ?? '']),
  ]))
}

interface CreateOptions extends OutputOptions, SeparationOptions {
  readonly description?: string
  readonly alias?: string
}

export async function createKey(options: CreateOptions): Promise<void> {
  const { alias, description = '', keySpec, keyUsage, origin, multiRegion } = options
  if (alias !== undefined && !alias.startsWith('alias/')) throw new UnusableInput(`an alias begins with alias/, so not "${alias}"`)
  // Before the key is made: whoever is named must be there.
  const policy = await policyOf(options)
  const connection = await connect()
  const { KeyMetadata } = await connection.client.send(new connection.sdk.CreateKeyCommand({
    Description: description,
    ...policy !== undefined && { Policy: policy },
    ...keySpec !== undefined && { KeySpec: keySpec },
    ...keyUsage !== undefined && { KeyUsage: keyUsage },
    ...origin !== undefined && { Origin: origin },
    ...multiRegion !== undefined && { MultiRegion: multiRegion },
  }))
  if (alias !== undefined) await nameOrDelete(connection, KeyMetadata?.Arn ?? '', alias)
  print(options, KeyMetadata, () => [KeyMetadata?.Arn ?? ''])
}

/** A key that cannot get its name would be left behind unnoticed. Throws, with what became of it. */
async function nameOrDelete({ client, sdk }: Connected, arn: string, alias: string): Promise<void> {
  try {
    await client.send(new sdk.CreateAliasCommand({ AliasName: alias, TargetKeyId: arn }))
  } catch (error) {
    const days = deletionDaysMin
    const outcome = await client.send(new sdk.ScheduleKeyDeletionCommand({ KeyId: arn, PendingWindowInDays: days })).then(
      () => `is scheduled for deletion in ${days} days`, (why: unknown) => `is left without a name: ${reason(why)}`)
    throw new Error(`${reason(error)}\nthe new key ${arn} ${outcome}`, { cause: error })
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

export async function rotateKey(keyId: string, options: OutputOptions): Promise<void> {
  const { client, sdk } = await connect()
  const { KeyMetadata: before } = await client.send(new sdk.DescribeKeyCommand({ KeyId: keyId }))
  await client.send(new sdk.RotateKeyOnDemandCommand({ KeyId: before?.KeyId }))
  const { KeyMetadata: after } = await client.send(new sdk.DescribeKeyCommand({ KeyId: keyId }))
  print(options, after, () => [`${after?.Arn ?? ''}: current key material is now ${after?.CurrentKeyMaterialId ?? ''}`])
}

interface Connected { readonly client: Sdk.KMSClient, readonly sdk: typeof Sdk }

/** The SDK is loaded only here: it would double the start-up time of every other command. */
async function connect(): Promise<Connected> {
  // On Node 20 the SDK would tell our user to upgrade ours; the lock file pins a version that supports it.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const sdk = await import('@aws-sdk/client-kms')
  const { endpoint, region, credentials } = connectionTo('kms')
  const client = new sdk.KMSClient({ endpoint, credentials, ...region !== undefined && { region }, ...withClientCertificate() })
  client.middlewareStack.add(next => async args => {
    try {
      return await next(args)
    } catch (error) {
      const hint = certificateHint(endpoint, error)
      throw hint === undefined ? error : new Error(`no answer came from ${endpoint}: ${reason(error)}\n${hint}`, { cause: error })
    }
  }, { step: 'initialize' })
  return { client, sdk }
}
