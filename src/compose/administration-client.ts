import { join } from 'node:path'
import { readCredentialsFile } from '../adapters/credentials-file.js'
import type { Config } from '../config.js'
import { administrationPrefix } from '../http/front-door.js'
import { jsonContentType } from '../http/json/endpoint.js'
import { signedHeaders, type SigningCredentials } from '../http/sign.js'

const answerMsMax = 60_000

interface Connection { readonly url: string, readonly region: string, readonly credentials: SigningCredentials }

/** The service has refused; the name is that of the error. */
export class AdministrationError extends Error {
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

/**
 * Calls an operation of the administration API of a running server, like any other client: with the AWS_ variables of the environment if
 * they name an endpoint, or else with the administrator's credentials file of the data directory.
 */
export async function callAdministration(config: Pick<Config, 'dataDir'>, operation: string, input: object): Promise<unknown> {
  const { url, region, credentials } = connection(config)
  const body = Buffer.from(JSON.stringify(input))
  const headers = { 'content-type': jsonContentType, 'x-amz-target': `${administrationPrefix}${operation}` }
  const signed = signedHeaders({ host: new URL(url).host, region, service: 'iam', headers, body, now: Date.now() }, credentials)
  const answer = await fetch(new URL('/', url), {
    method: 'POST', headers: signed, body, redirect: 'error', signal: AbortSignal.timeout(answerMsMax),
  })
  const text = await answer.text()
  const json = parsed(text)
  if (answer.ok) return json
  const { __type: name = `HTTP status ${answer.status}`, message, Message } = json as Readonly<Record<string, string | undefined>>
  throw new AdministrationError(name, message ?? Message ?? '')
}

function parsed(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    throw new Error('what answers there does not speak the administration API')
  }
}

function connection({ dataDir }: Pick<Config, 'dataDir'>): Connection {
  const ofEnvironment = connectionOf(process.env)
  if (ofEnvironment) return ofEnvironment
  const file = join(dataDir, 'admin.env')
  const ofFile = connectionOf(readCredentialsFile(file) ?? {})
  if (ofFile) return ofFile
  throw new Error(`the environment has no access key with an AWS_ENDPOINT_URL_IAM or AWS_ENDPOINT_URL_KMS, and there is no ${file}`)
}

/** Without an endpoint the credentials may be for AWS itself. */
function connectionOf(variables: Readonly<Record<string, string | undefined>>): Connection | undefined {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey = '', AWS_SESSION_TOKEN: sessionToken,
    AWS_REGION: region, AWS_DEFAULT_REGION: otherwise = '',
  } = variables
  const url = [variables.AWS_ENDPOINT_URL_IAM, variables.AWS_ENDPOINT_URL_KMS, variables.AWS_ENDPOINT_URL].find(each => each)
  if (!accessKeyId || !url) return undefined
  return { url, region: region ?? otherwise, credentials: { accessKeyId, secretAccessKey, ...sessionToken && { sessionToken } } }
}
