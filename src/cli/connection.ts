import { join } from 'node:path'
import { readConfig } from '../config.js'
import { adminCredentials, UnusableInput } from '../inspect.js'
import { printable } from './printable.js'

/** Where a command calls the service, and as whom. */
export interface Connection {
  readonly endpoint: string
  /** undefined where the environment does not say it. */
  readonly region: string | undefined
  readonly credentials: { readonly accessKeyId: string, readonly secretAccessKey: string, readonly sessionToken?: string }
  /** The administrator's credentials file of the data directory, if they are from there. */
  readonly file?: string
  /** As that file, or the environment, says. */
  readonly accountId?: string
}

/** The first that is set counts. One address serves all APIs, so that of KMS will do. */
const endpointVariables = {
  kms: ['AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL'],
  iam: ['AWS_ENDPOINT_URL_IAM', 'AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL'],
} as const

/**
 * The AWS_ variables of the environment if they have an access key and name an endpoint, or else the administrator's credentials file of
 * the data directory. Without an endpoint AWS itself would be called, with whatever account the shell happens to be set up for.
 */
export function connectionTo(service: keyof typeof endpointVariables): Connection {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = process.env
  const variables = endpointVariables[service]
  const endpoint = variables.map(name => process.env[name]).find(value => value)
  const { AWS_PROFILE: profile } = process.env
  // Whoever has chosen a profile does not mean to be the administrator.
  if (profile && !accessKeyId) {
    const file = join(readConfig().dataDir, 'admin.env')
    throw new UnusableInput(`AWS_PROFILE is set (${printable(profile)}), and profiles are not read here. Set AWS_ACCESS_KEY_ID, `
      + `AWS_SECRET_ACCESS_KEY, AWS_REGION and ${variables[0]}; or unset AWS_PROFILE to act with ${file}`)
  }
  if (!accessKeyId || !endpoint) return fromFile(join(readConfig().dataDir, 'admin.env'), variables)
  if (!secretAccessKey) throw new UnusableInput('AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not')
  const { AWS_REGION, AWS_DEFAULT_REGION, CLAVIGER_ACCOUNT_ID: accountId } = process.env
  return {
    endpoint, region: [AWS_REGION, AWS_DEFAULT_REGION].find(value => value),
    credentials: { accessKeyId, secretAccessKey, ...sessionToken && { sessionToken } },
    ...accountId && { accountId },
  }
}

function fromFile(file: string, variables: readonly string[]): Connection {
  const admin = adminCredentials(file)
  if (!admin) throw new Error(`the environment has no access key with an ${variables[0] ?? ''}, and there is no ${file}`)
  return {
    endpoint: admin.AWS_ENDPOINT_URL_KMS ?? '',
    region: admin.AWS_REGION ?? '',
    credentials: { accessKeyId: admin.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: admin.AWS_SECRET_ACCESS_KEY ?? '' },
    file,
    accountId: admin.CLAVIGER_ACCOUNT_ID ?? '',
  }
}
