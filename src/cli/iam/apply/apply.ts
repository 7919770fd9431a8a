import { createInterface } from 'node:readline/promises'
import { listAccessKeys } from '../../../api/iam/access-keys.js'
import { getAccountAuthorizationDetails } from '../../../api/iam/accounts.js'
import { entityArn } from '../../../domain/principal.js'
import { UnusableInput } from '../../../inspect.js'
import { exitCodes, print, type OutputOptions } from '../../output.js'
import { allPages, IamClient, RefusedCall } from '../client.js'
import { textOf } from '../options.js'
import { indented } from '../show.js'
import type { Change } from './changes.js'
import { readIdentities, type Wanted } from './file.js'
import { plan, prunedUsers, type Plan } from './plan.js'
import { actualState, type AccountState } from './state.js'

interface ApplyOptions extends OutputOptions {
  readonly file: string
  readonly yes?: boolean
  readonly prune?: boolean
}

/** Shows what it would do, and does it when told to. The first failure ends it, and it says how far it came. */
export async function apply(options: ApplyOptions): Promise<void> {
  const wanted = readIdentities(textOf(`file://${options.file}`))
  const client = new IamClient()
  const planned = await planFor(wanted, options.prune ?? false, client)
  if (planned.faults.length > 0) {
    throw new UnusableInput(`the file cannot be applied:\n${planned.faults.map(fault => `  - ${fault}`).join('\n')}`)
  }
  if (!options.json) process.stdout.write(`${planLines(planned).join('\n')}\n`)
  const { changes } = planned
  if (changes.length > 0 && !await isAgreed(options, changes.length)) {
    if (options.json) print(options, report(planned, 0), () => [])
    process.stderr.write('claviger: nothing was changed: this is no terminal to ask at, or the answer was not yes (--yes does not ask)\n')
    process.exitCode = exitCodes.unusable
    return
  }
  await perform(planned, options, client)
}

async function planFor(wanted: Wanted, prune: boolean, client: IamClient): Promise<Plan> {
  const actual = new Map<string, AccountState>()
  let caller = ''
  for (const AccountId of wanted.keys()) {
    const details = await allPages(client, getAccountAuthorizationDetails, { AccountId })
    caller = details.CallerArn ?? ''
    actual.set(AccountId, actualState(details))
  }
  const accessKeys = new Map<string, readonly string[]>()
  for (const [AccountId, UserName] of prune ? prunedUsers({ wanted, actual, caller }) : []) {
    const { AccessKeyMetadata: keys = [] } = await allPages(client, listAccessKeys, { AccountId, UserName })
    const path = actual.get(AccountId)?.users.get(UserName)?.path ?? '/'
    accessKeys.set(entityArn('user', { accountId: AccountId, name: UserName, path }), keys.map(({ AccessKeyId = '' }) => AccessKeyId))
  }
  return plan({ wanted, actual, prune, caller, accessKeys })
}

const signs = { create: '+', update: '~', delete: '-' } as const

function titleOf({ verb, kind, name, accountId }: Change): string {
  return `${signs[verb]} ${kind} ${name} (account ${accountId})`
}

function planLines({ changes, kept }: Plan): readonly string[] {
  return [
    ...changes.flatMap(change => [titleOf(change), ...indented(indented(change.details))]),
    ...kept.map(what => `kept: ${what}`),
    changes.length === 0 ? 'no changes' : `${changes.length} change${changes.length === 1 ? '' : 's'}`,
  ]
}

async function isAgreed({ yes, json }: ApplyOptions, count: number): Promise<boolean> {
  if (yes) return true
  if (json || !process.stdin.isTTY || !process.stdout.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  // The end of the input is a no: the question itself would wait for ever.
  const ended = new Promise<string>(resolve => { terminal.once('close', () => resolve('')) })
  try {
    const question = terminal.question(`Make ${count === 1 ? 'this change' : `these ${count} changes`}? [y/N] `)
    return /^y(?:es)?$/i.test((await Promise.race([question, ended])).trim())
  } finally {
    terminal.close()
  }
}

async function perform(planned: Plan, options: ApplyOptions, client: IamClient): Promise<void> {
  const { changes } = planned
  for (const [done, change] of changes.entries()) {
    try {
      for (const { contract, input } of change.calls) await client.call(contract, input)
    } catch (error) {
      if (options.json) print(options, report(planned, done, error), () => [])
      throw new Error(`stopped at ${titleOf(change)}, which may be done in part: ${reason(error)}\n`
        + `${done} of ${changes.length} changes were made; apply the file again when the reason is gone`, { cause: error })
    }
    if (!options.json) process.stdout.write(`done: ${titleOf(change)}\n`)
  }
  if (options.json) print(options, report(planned, changes.length), () => [])
}

function report({ changes, kept }: Plan, applied: number, error?: unknown): object {
  return {
    Changes: changes.map(({ verb, kind, name, accountId, details }) =>
      ({ Change: verb, Kind: kind, Name: name, AccountId: accountId, Details: details })),
    Kept: kept,
    Applied: applied,
    ...error !== undefined && { Error: reason(error) },
  }
}

function reason(error: unknown): string {
  if (error instanceof RefusedCall) return `${error.name}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
