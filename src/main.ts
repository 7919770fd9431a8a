import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { logOf, serve, type Server } from './compose.js'
import { readConfig, type Config } from './config.js'
import type { Log } from './ports/log.js'

/** Of the checkout, where npx finds the command: this file is dist/src/main.js. */
const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Starts the service and lets it run until SIGINT or SIGTERM. Rejects when it cannot start. */
export async function main(): Promise<void> {
  const config = readConfig(process.env, 'server')
  const log = logOf(config)
  const server = await start(config, log)
  log.info('listening', { url: server.url, credentialsFile: server.credentialsFile })
  greet(server, config)
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // Ctrl-C under npm arrives twice: from the terminal and from npm.
      if (stopping) return
      stopping = true
      log.info('stopping', { signal })
      server.close().then(
        () => log.info('stopped'),
        (error: unknown) => {
          log.error('could not stop cleanly', { error })
          process.exitCode = 1
        },
      )
    })
  }
}

async function start(config: Config, log: Log): Promise<Server> {
  try {
    return await serve(config, { log })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    const { host, port } = config.listen
    const advice = 'stop what listens there, or set CLAVIGER_LISTEN to another host:port'
    throw new Error(`address already in use ${host}:${port}: ${advice}`, { cause: error })
  }
}

/** For a person: on the terminal, or beside the JSON log where stdout is not one. */
function greet(server: Server, config: Config): void {
  const stream = process.stdout.isTTY ? process.stdout : process.stderr
  stream.write(`${greeting(server, config.tls).join('\n')}\n`)
}

/** What to try first. It must work as pasted, wherever the data and the checkout are. */
export function greeting({ url, credentialsFile }: Pick<Server, 'url' | 'credentialsFile'>, tls: Config['tls']): readonly string[] {
  const credentials = existsSync(credentialsFile)
  const certificate = tls && quoted(tls.certificate)
  return [
    '',
    `Claviger listens on ${url}`,
    ...credentials ? [`Administrator's credentials: ${credentialsFile}`] : [],
    'Try, in another terminal:',
    `  cd ${quoted(checkout)}`,
    credentials ? `  set -a; . ${quoted(credentialsFile)}; set +a` : '  # set AWS_ variables: access key, region, AWS_ENDPOINT_URL_KMS',
    ...certificate ? [`  export AWS_CA_BUNDLE=${certificate} NODE_EXTRA_CA_CERTS=${certificate}`] : [],
    '  aws kms create-key --description "my first key" --endpoint-url "$AWS_ENDPOINT_URL_KMS" --region "$AWS_REGION"',
    '  npx claviger key list',
    '',
  ]
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
