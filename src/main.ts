import { logOf, serve, type Server } from './compose.js'
import { readConfig } from './config.js'

/** Starts the service and lets it run until SIGINT or SIGTERM. Rejects when it cannot start. */
export async function main(): Promise<void> {
  const config = readConfig()
  const log = logOf(config)
  const server = await serve(config, { log })
  log.info('listening', { url: server.url, credentialsFile: server.credentialsFile })
  greet(server)
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

/** For a person: on the terminal, or beside the JSON log where stdout is not one. */
function greet({ url, credentialsFile }: Server): void {
  const lines = [
    '',
    `Claviger listens on ${url}`,
    `Administrator's credentials: ${credentialsFile}`,
    'Try, in another terminal:',
    `  set -a; . ${credentialsFile}; set +a`,
    '  aws kms create-key --description "my first key" --endpoint-url "$AWS_ENDPOINT_URL_KMS" --region "$AWS_REGION"',
    '  npx claviger key list',
    '',
  ]
  const stream = process.stdout.isTTY ? process.stdout : process.stderr
  stream.write(`${lines.join('\n')}\n`)
}
