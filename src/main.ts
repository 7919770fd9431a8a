import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { logOf, serve, type Server } from './compose.js'
import { readConfig, type Config } from './config.js'
import { HsmError } from './ports/hsm.js'
import type { Log } from './ports/log.js'
import { exitCodes, reportToSupervisor, Supervisor } from './supervisor.js'

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** After the end of everything, for what holds the process all the same. */
const lingerMs = 1_000

/** Of the checkout, where npx finds the command: this file is dist/src/main.js. */
const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** The service cannot start; the exit code says what another start would help. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly exitCode: number

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** The service under its supervisor. Answers the exit code when it has ended for good. */
export async function supervisedServer(): Promise<number> {
  const config = readConfig(process.env, 'server')
  const supervisor = new Supervisor(config, logOf(config))
  for (const signal of stopSignals) process.on(signal, () => supervisor.stop(signal))
  return supervisor.run()
}

/** Starts the service and lets it run until it is told to stop. Rejects when it cannot start. */
export async function main(): Promise<void> {
  const config = readConfig(process.env, 'server')
  const log = logOf(config)
  let server: Server | undefined = undefined
  let stopping = false
  const stop = (why: string): void => {
    // Ctrl-C under npm arrives twice: from the terminal and from npm.
    if (stopping) return
    // There is nothing to finish yet, and whatever is half-made the next start takes back.
    if (!server) process.exit(1)
    stopping = true
    log.info('stopping', { why })
    server.close().then(
      () => {
        log.info('stopped')
        // A lane that was being opened may hang in its library; without us it ends by itself.
        setTimeout(() => process.exit(), lingerMs).unref()
      },
      (error: unknown) => {
        log.error('could not stop cleanly', { error })
        process.exitCode = 1
      },
    )
  }
  const beat = reportToSupervisor(() => stop('the supervisor is gone'))
  server = await start(config, log)
  // Whoever reads that it listens may stop it at once.
  for (const signal of stopSignals) process.on(signal, () => stop(signal))
  beat('listening')
  log.info('listening', { url: server.url, credentialsFile: server.credentialsFile })
  greet(server, config)
}

async function start(config: Config, log: Log): Promise<Server> {
  try {
    return await serve(config, { log })
  } catch (error) {
    if (error instanceof HsmError && error.kind === 'login') throw new StartError(error.message, exitCodes.refused, { cause: error })
    if (error instanceof HsmError && (error.kind === 'lost' || error.kind === 'busy')) {
      throw new StartError(`the HSM is not available: ${error.message}`, exitCodes.unavailable, { cause: error })
    }
    if (error instanceof HsmError && error.kind === 'configuration') {
      throw new StartError(error.message, exitCodes.unusable, { cause: error })
    }
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
  const trusted = tls && (isOwnIssuer(tls.certificate) ? quoted(tls.certificate) : '<the certificate of its CA>')
  return [
    '',
    `Claviger listens on ${url}`,
    ...credentials ? [`Administrator's credentials: ${credentialsFile}`] : [],
    'Try, in another terminal:',
    `  cd ${quoted(checkout)}`,
    credentials ? `  set -a; . ${quoted(credentialsFile)}; set +a` : '  # set AWS_ variables: access key, region, AWS_ENDPOINT_URL_KMS',
    ...trusted ? [`  export AWS_CA_BUNDLE=${trusted} NODE_EXTRA_CA_CERTS=${trusted}`] : [],
    '  aws kms create-key --description "my first key" --endpoint-url "$AWS_ENDPOINT_URL_KMS" --region "$AWS_REGION"',
    '  npx claviger key list',
    '',
  ]
}

/** Whether clients that trust the certificate itself can follow it to the end. */
function isOwnIssuer(file: string): boolean {
  const { issuer, subject } = new X509Certificate(readFileSync(file))
  return issuer === subject
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
