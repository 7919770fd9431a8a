import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServerAddress } from './server.js'

export interface Ended { readonly code: number, readonly stdout: string, readonly stderr: string }

const waitMsMax = 60_000
const outputBytesMax = 4 * 1024 * 1024

/** Environment of a client that knows this server and nothing else: no settings, caches or credentials of whoever runs the tests. */
export function clientEnvironment({ url, admin }: Pick<ServerAddress, 'url' | 'admin'>, home: string): Record<string, string> {
  return {
    PATH: '/usr/bin:/bin',
    HOME: home,
    LC_ALL: 'C.UTF-8',
    AWS_ACCESS_KEY_ID: admin.accessKeyId,
    AWS_SECRET_ACCESS_KEY: admin.secretAccessKey,
    AWS_DEFAULT_REGION: admin.region,
    AWS_ENDPOINT_URL_KMS: url,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PAGER: '',
    AWS_MAX_ATTEMPTS: '1',
  }
}

/** The distribution's own AWS CLI: versions before 2.13 do not know AWS_ENDPOINT_URL_KMS. */
export function aws(environment: Readonly<Record<string, string>>, ...operation: readonly string[]): Promise<Ended> {
  return awsOf('kms', environment, ...operation)
}

export function awsOf(
  service: 'kms' | 'sts', environment: Readonly<Record<string, string>>, ...operation: readonly string[]
): Promise<Ended> {
  const { AWS_ENDPOINT_URL_KMS: url = '' } = environment
  return run('/usr/bin/aws', ['--endpoint-url', url, '--output', 'json', service, ...operation], environment)
}

/**
 * A directory for AWS_DATA_PATH, from which every botocore takes its data first: rules by which both services are at this URL, for clients
 * that are too old for AWS_ENDPOINT_URL_STS (botocore before 1.31).
 */
export function endpointRules(home: string, url: string): string {
  const directory = join(home, 'data')
  const parameter = (builtIn: string) => ({ builtIn, required: false, type: 'String' })
  const flag = (builtIn: string) => ({ builtIn, required: true, default: false, type: 'Boolean' })
  const rules = {
    version: '1.0',
    parameters: {
      Region: parameter('AWS::Region'), Endpoint: parameter('SDK::Endpoint'), UseDualStack: flag('AWS::UseDualStack'),
      UseFIPS: flag('AWS::UseFIPS'), UseGlobalEndpoint: flag('AWS::STS::UseGlobalEndpoint'),
    },
    rules: [{ type: 'endpoint', conditions: [], endpoint: { url } }],
  }
  for (const version of ['kms/2014-11-01', 'sts/2011-06-15']) {
    mkdirSync(join(directory, version), { recursive: true })
    writeFileSync(join(directory, version, 'endpoint-rule-set-1.json'), JSON.stringify(rules))
  }
  return directory
}

/** A script that stands beside the compiled tests, run by the distribution's Python, which is the one that has boto3. */
export function python(environment: Readonly<Record<string, string>>, script: string): Promise<Ended> {
  // It leaves nothing compiled beside them.
  return run('/usr/bin/python3', ['-B', fileURLToPath(new URL(`../system/${script}`, import.meta.url))], environment)
}

/** Says nothing of its progress, and ends with 0 whatever the HTTP status. */
export function curl(url: string, ...line: readonly string[]): Promise<Ended> {
  return run('/usr/bin/curl', ['--silent', '--show-error', ...line, url], {})
}

function run(file: string, programArguments: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(file, programArguments, { env, timeout: waitMsMax, maxBuffer: outputBytesMax }, (error, stdout, stderr) => {
      const code = error ? error.code : 0
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(new Error(`${file} did not end by itself`, { cause: error }))
    })
  })
}
