#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { ConfigError } from '../config.js'
import { keySpecs } from '../domain/key-spec.js'
import { UnusableInput } from '../inspect.js'
import { approveRequest, listApprovals, rejectRequest, showApproval } from './approvals.js'
import { auditList } from './audit-list.js'
import { auditVerify } from './audit-verify.js'
import { hsmList } from './hsm-list.js'
import { hsmProbe } from './hsm-probe.js'
import { hsmSelfTest } from './hsm-selftest.js'
import { hsmWatch } from './hsm-watch.js'
import { addIamCommands } from './iam/commands.js'
import { keyEvidence } from './key-evidence.js'
import { keyUsages } from './key-separation.js'
import { createKey, listKeys, rotateKey } from './keys.js'
import { listOperations } from './operations.js'
import { exitCodes } from './output.js'

const program = new Command('claviger')
  .description('A key service that speaks the AWS KMS API in front of your own HSM.')
  .version(version(), '--version', 'print the version')
  .showHelpAfterError('(claviger --help shows what there is)')
  .addHelpText('after', '\nSettings come from CLAVIGER_ variables and from the YAML file that CLAVIGER_CONFIG names.\n'
    + 'Exit codes: 0 done, 1 the answer is bad, 2 the command cannot run as given; of the server also 69 the HSM is not available,\n'
    + '78 its PIN was refused.')
  .exitOverride()

program.command('server')
  .description('start the service and run until it is told to stop')
  .option('--unsupervised', 'without the supervisor that starts it again when it dies or hangs')
  .action(async ({ unsupervised }: { unsupervised?: true }) => {
    const server = await import('../main.js')
    if (unsupervised) await server.main()
    else process.exitCode = await server.supervisedServer()
  })

const hsm = program.command('hsm').description('look at an HSM')
target(hsm.command('probe')
  .description('what a module and its token are, which operations and key specs the token could carry, whether its profile is right, and '
    + 'a timed self-test (with a PIN)'))
  .action(hsmProbe)
target(hsm.command('selftest').description('try and time what symmetric keys, roots and RSA-OAEP need; leaves nothing in the token'))
  .action(hsmSelfTest)
hsm.command('list')
  .description('the objects in the tokens and whose they are: keys, orphans that no row knows, and strangers')
  .option('--store <name>', 'a key store of the configuration; without it, all of them')
  .option('--config <file>', 'a configuration file, instead of the one that CLAVIGER_CONFIG names')
  .option('--json', 'print JSON')
  .action(hsmList)
hsm.command('watch')
  .description('lanes, queue and latency of a running server, again and again')
  .option('--store <name>', 'one key store; without it, all of them')
  .option('--seconds <number>', 'between one look and the next (2)')
  .option('--once', 'look once')
  .option('--config <file>', 'a configuration file, instead of the one that CLAVIGER_CONFIG names')
  .option('--json', 'print JSON, a line for each look')
  .action(hsmWatch)

const audit = program.command('audit').description('look at the audit log')
audit.command('verify')
  .description('find changed, removed, reordered or cut records. A cut at the very end shows only against the checkpoints in the database: '
    + 'not with --directory, and not where claviger.db is missing')
  .option('--directory <path>', 'where the log is; without it, that of the configuration')
  .option('--public-key <file>', 'PEM of the key that signed the checkpoints; without it, the one kept beside the log')
  .option('--json', 'print JSON')
  .action(auditVerify)

audit.command('list')
  .description('events that you may see, the newest first, from a running server')
  .option('--since <time>', 'not before this time (2026-01-31T12:00:00Z), or not longer ago than that (90s, 15m, 2h, 7d)')
  .option('--until <time>', 'not after this time, written likewise')
  .option('--event-name <name>', 'only of this operation')
  .option('--key <arn>', 'only about this key: its ARN or id')
  .option('--user <name>', 'only of this user or session: its name or ARN')
  .option('--limit <number>', 'so many at most (100)')
  .option('--json', 'print JSON')
  .action(auditList)

const key = program.command('key').description('look at keys, or manage them through the API')
key.command('evidence')
  .description('what the HSM says of the objects behind a key, as recorded when they were made and as read now')
  .argument('<key id>', 'key id, key ARN, alias name or alias ARN')
  .option('--region <name>', 'the region of the key; without it, that of the ARN or the home region')
  .option('--json', 'print JSON')
  .action(keyEvidence)
key.command('list').description('list keys').option('--json', 'print JSON').action(listKeys)
key.command('create')
  .description('create a key')
  .option('--description <text>', 'what the key is for')
  .option('--alias <name>', 'a name beginning with alias/')
  .option('--administrators <names>', 'who looks after the key and does not use it: users and roles, by name or ARN, with commas between')
  .option('--users <names>', 'who uses the key and does not look after it; with either option the account\'s policies cannot use it')
  .addOption(new Option('--key-spec <spec>', 'SYMMETRIC_DEFAULT if left out').choices([...keySpecs.keys()]))
  .addOption(new Option('--key-usage <usage>', 'needed where the spec has several').choices(keyUsages))
  .addOption(new Option('--origin <origin>', 'EXTERNAL for material that is imported').choices(['AWS_KMS', 'EXTERNAL']))
  .option('--multi-region', 'a primary key that can be replicated')
  .option('--json', 'print JSON')
  .action(createKey)
key.command('rotate').description('rotate a key now').argument('<key id>').option('--json', 'print JSON').action(rotateKey)

addIamCommands(program)

const approvals = program.command('approvals').description('calls that wait for the approval of others (dual control)')
approvals.command('list')
  .description('requests of your account, and those that you may decide about')
  .option('--status <status>', 'pending (the default), executing, done, failed, interrupted, rejected, expired or all')
  .option('--json', 'print JSON')
  .action(listApprovals)
approvals.command('show').description('all that there is to know about a request').argument('<id>')
  .option('--json', 'print JSON').action(showApproval)
approvals.command('approve').description('approve a request: with the last approval that it needs it is done').argument('<id>')
  .option('--json', 'print JSON').action(approveRequest)
approvals.command('reject').description('end a request without effect').argument('<id>')
  .option('--reason <text>', 'why, for the requester and the audit log')
  .option('--json', 'print JSON').action(rejectRequest)

program.command('operations')
  .description('the operations of the API and the key specs: what works, what of the HSM it needs, how it differs from AWS KMS; Markdown')
  .option('--json', 'print JSON')
  .action(listOperations)

// Whoever reads our output may stop in the middle (`| head`).
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}

/** The options of cli/hsm-target.ts. */
function target(command: Command): Command {
  return command
    .option('--module <path>', 'the PKCS#11 library; without it, the HSM of the configuration')
    .option('--token <label>', 'the label of the token, with --module')
    .option('--pin-file <path>', 'a file that holds the PIN, with --module; without it nothing that needs a login is tried')
    .option('--profile <name>', 'the profile to use, with --module; without it, the one that matches')
    .option('--config <file>', 'a configuration file that names the HSM, instead of --module')
    .option('--store <name>', 'a key store of the configuration; without it, the one under hsm')
    .option('--json', 'print JSON')
}

/** Of the package that this file is in, as dist/src/cli/main.js. */
function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  return text
}

function exitCodeOf(error: unknown): number {
  // Commander has said what was wrong already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.unusable
  process.stderr.write(`claviger: ${error instanceof Error ? messageOf(error) : String(error)}\n`)
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') return error.exitCode
  return error instanceof ConfigError || error instanceof UnusableInput ? exitCodes.unusable : exitCodes.bad
}

/** The name tells an AWS error; a failed connection has its reason inside. */
function messageOf(error: Error): string {
  const message = error.message || (error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0].message : '')
  return error.name.endsWith('Exception') ? `${error.name}: ${message}` : message
}
