import { createAccessKey, listAccessKeys, updateAccessKey } from '../../api/iam/access-keys.js'
import type { Output } from '../../api/shape.js'
import { adminCredentials, replaceAdminCredentials } from '../../inspect.js'
import type { Connection } from '../connection.js'
import { print, type OutputOptions } from '../output.js'
import { IamClient, RefusedCall } from './client.js'

interface RotateOptions extends OutputOptions {
  readonly userName?: string
  readonly accountId?: string
  readonly deactivateOld?: boolean
}

/**
 * Makes the new access key first, so that a failure leaves at worst one too many. An access key does not end itself: that is done with the
 * new one. Where the old one is in the administrator's credentials file, the new one takes its place there.
 */
export async function rotateAccessKey(options: RotateOptions): Promise<void> {
  const { userName, accountId, deactivateOld } = options
  const client = new IamClient()
  const of = { ...accountId !== undefined && { AccountId: accountId }, ...userName !== undefined && { UserName: userName } }
  const { AccessKeyMetadata: before = [] } = await client.call(listAccessKeys, { ...of, MaxItems: 100 })
  const { AccessKey: made = {} } = await client.call(createAccessKey, of).catch((error: unknown) => {
    throw error instanceof RefusedCall && error.name === 'LimitExceededException' ? tooMany(error, before, accountId) : error
  })
  const credentials = { accessKeyId: made.AccessKeyId ?? '', secretAccessKey: made.SecretAccessKey ?? '' }
  const old = before.filter(({ Status }) => Status === 'Active').map(({ AccessKeyId }) => AccessKeyId ?? '')
  const replaced = old.includes(client.connection.credentials.accessKeyId) ? replaceInFile(client.connection, credentials) : undefined
  print(options, { AccessKey: made, Old: old, ...replaced !== undefined && { File: replaced } }, () => [
    `AccessKeyId      ${credentials.accessKeyId}`,
    `SecretAccessKey  ${credentials.secretAccessKey}`,
    '', 'This is the only time that the secret is shown.',
    ...replaced === undefined ? [] : [`${replaced} has it now.`],
    ...deactivateOld ? [] : old.flatMap(id => endings(id, made.UserName ?? '', accountId)),
  ])
  if (!deactivateOld) return
  const own = old.includes(client.connection.credentials.accessKeyId)
  const next = own ? new IamClient({ ...client.connection, credentials }) : client
  for (const AccessKeyId of old) {
    await next.call(updateAccessKey, { ...of, AccessKeyId, Status: 'Inactive' })
    if (!options.json) process.stdout.write(`${AccessKeyId} is inactive.\n`)
  }
}

type Listed = NonNullable<Output<typeof listAccessKeys>['AccessKeyMetadata']>[number]

/** With what makes room for another. */
function tooMany({ name, message }: RefusedCall, before: readonly Listed[], accountId: string | undefined): RefusedCall {
  return new RefusedCall(name, [message, ...before.flatMap(({ AccessKeyId: id = '', UserName: userName = '', Status: status }) => {
    const ending = `  claviger iam delete-access-key ${optionsOf(id, userName, accountId)}`
    if (status === 'Inactive') return [`${id} is inactive, and can be deleted:`, ending]
    return [`${id} is active. Only when nothing uses it any more (iam list-access-keys shows it):`, ending]
  })].join('\n'))
}

function optionsOf(id: string, userName: string, accountId: string | undefined): string {
  return `--user-name ${userName} --access-key-id ${id}${accountId === undefined ? '' : ` --account-id ${accountId}`}`
}

function endings(id: string, userName: string, accountId: string | undefined): readonly string[] {
  const of = optionsOf(id, userName, accountId)
  return [
    `${id} is still active. When nothing uses it any more (iam list-access-keys shows it):`,
    `  claviger iam update-access-key ${of} --status Inactive`,
    `  claviger iam delete-access-key ${of}`,
  ]
}

/** The file, if the command had its credentials from there. */
function replaceInFile({ file }: Connection, { accessKeyId, secretAccessKey }: Connection['credentials']): string | undefined {
  const current = file === undefined ? undefined : adminCredentials(file)
  if (file === undefined || !current) return undefined
  replaceAdminCredentials(file, { ...current, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey })
  return file
}
