import { getRole } from '../api/iam/roles.js'
import { getUser } from '../api/iam/users.js'
import { keySpecs, type KeySpec, type KeyUsage } from '../domain/key-spec.js'
import { separatedPolicy } from '../domain/policy/default-policy.js'
import { parsePrincipal } from '../domain/principal.js'
import { UnusableInput } from '../inspect.js'
import { IamClient, RefusedCall } from './iam/client.js'

export interface SeparationOptions {
  /** Names or ARNs with commas between. */
  readonly administrators?: string
  readonly users?: string
  readonly keySpec?: KeySpec
  readonly keyUsage?: KeyUsage
  readonly origin?: 'AWS_KMS' | 'EXTERNAL'
  readonly multiRegion?: true
}

export const keyUsages: readonly KeyUsage[] = [...new Set([...keySpecs.values()].flatMap(({ usages }) => usages.map(({ usage }) => usage)))]

/** The policy of a key that keeps those who look after it and those who use it apart; undefined where nobody is named. */
export async function policyOf(options: SeparationOptions): Promise<string | undefined> {
  const { administrators, users, keySpec = 'SYMMETRIC_DEFAULT', origin = 'AWS_KMS', multiRegion = false } = options
  if (administrators === undefined && users === undefined) return undefined
  const keyUsage = options.keyUsage ?? onlyUsage(keySpec)
  const client = new IamClient()
  return separatedPolicy({
    accountId: await ownAccount(client),
    administrators: await arnsOf(administrators, client),
    users: await arnsOf(users, client),
    keySpec, keyUsage, origin, multiRegion,
  })
}

function onlyUsage(keySpec: KeySpec): KeyUsage {
  const [first, second] = keySpecs.get(keySpec)?.usages ?? []
  if (first && !second) return first.usage
  throw new UnusableInput(`--key-usage is needed: a key ${keySpec} can have several`)
}

/** Of the caller. A session of a role cannot ask for itself as a user can. */
async function ownAccount(client: IamClient): Promise<string> {
  const own = await unlessRefused(client.call(getUser, {}))
  const ref = parsePrincipal(own?.User?.Arn ?? '')
  const accountId = ref?.accountId ?? client.connection.accountId
  if (accountId) return accountId
  throw new UnusableInput('the account cannot be found out: these credentials may not ask for their user. Set CLAVIGER_ACCOUNT_ID')
}

async function arnsOf(names: string | undefined, client: IamClient): Promise<readonly string[]> {
  const listed = (names ?? '').split(',').map(name => name.trim()).filter(name => name !== '')
  if (names !== undefined && listed.length === 0) throw new UnusableInput('--administrators and --users take names with commas between')
  const arns: string[] = []
  for (const name of listed) arns.push(name.startsWith('arn:') ? name : await arnOf(name, client))
  return arns
}

async function arnOf(name: string, client: IamClient): Promise<string> {
  const user = await unlessMissing(client.call(getUser, { UserName: name }))
  const role = await unlessMissing(client.call(getRole, { RoleName: name }))
  if (user && role) throw new UnusableInput(`there is both a user and a role ${name}: give the ARN of the one that is meant`)
  const arn = user?.User?.Arn ?? role?.Role?.Arn
  if (arn === undefined) throw new UnusableInput(`there is neither a user nor a role ${name}`)
  return arn
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  return unlessRefused(answer, 'NoSuchEntityException')
}

/** undefined for a refusal, or only for one of that code. */
async function unlessRefused<T>(answer: Promise<T>, code?: string): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof RefusedCall && (code === undefined || error.name === code)) return undefined
    throw error
  }
}
