import type { Command } from 'commander'
import { iamContracts } from '../../api/iam/operations.js'
import type { Contract } from '../../api/shape.js'
import { print, type OutputOptions } from '../output.js'
import { apply } from './apply/apply.js'
import { allPages, IamClient } from './client.js'
import { explain } from './explain.js'
import { addOptions, inputOf, kebab } from './options.js'
import { rotateAccessKey } from './rotate-access-key.js'
import { shown } from './show.js'

/** What each operation is for. The one that is left out has a command of its own. */
const sentences: Readonly<Record<string, string>> = {
  CreateAccount: 'make an account with an administrator, and show the administrator\'s access key once',
  ListAccounts: 'list accounts',
  GetAccountAuthorizationDetails: 'show everything that decides who may do what in an account',
  CreateUser: 'make a user',
  GetUser: 'show a user with groups and policies; without a name the one who asks',
  ListUsers: 'list users',
  DeleteUser: 'delete a user that has no access keys, groups and policies any more',
  CreateGroup: 'make a group',
  ListGroups: 'list groups',
  DeleteGroup: 'delete a group that has no members and policies any more',
  AddUserToGroup: 'add a user to a group',
  RemoveUserFromGroup: 'remove a user from a group',
  CreateRole: 'make a role that others can assume',
  GetRole: 'show a role with its policies',
  ListRoles: 'list roles',
  UpdateRole: 'change trust policy, description or longest session of a role',
  DeleteRole: 'delete a role that has no policies any more',
  RevokeSessions: 'refuse the sessions of a user or a role that were issued until now',
  CreatePolicy: 'make a managed policy',
  GetPolicy: 'show a managed policy with its document',
  ListPolicies: 'list managed policies, the built-in ones included',
  UpdatePolicy: 'replace the document of a managed policy',
  DeletePolicy: 'delete a managed policy that nobody has any more',
  AttachPolicy: 'give a managed policy to a user, a group or a role',
  DetachPolicy: 'take a managed policy from a user, a group or a role',
  PutInlinePolicy: 'put a policy into a user, a group or a role, or replace it',
  DeleteInlinePolicy: 'delete a policy from a user, a group or a role',
  PutPermissionsBoundary: 'limit a user or a role, whatever its policies allow',
  DeletePermissionsBoundary: 'take the limit from a user or a role',
  TagPrincipal: 'set tags of a user or a role',
  UntagPrincipal: 'take tags from a user or a role',
  CreateAccessKey: 'make an access key and show its secret once; without a name for the one who asks',
  ListAccessKeys: 'list the access keys of a user and when each was last used',
  UpdateAccessKey: 'make an access key active or inactive',
  DeleteAccessKey: 'delete an access key',
}

const shownOnce = 'This is the only time that the secret is shown.'

/** `claviger iam`: a command for every operation, and those that are more than one call. */
export function addIamCommands(program: Command): void {
  const iam = program.command('iam').description('manage accounts, users, groups, roles, policies and access keys of a running server')
  for (const contract of iamContracts.values()) {
    const sentence = sentences[contract.name]
    if (sentence === undefined) continue
    const command = iam.command(kebab(contract.name)).description(sentence)
    addOptions(command, contract)
    command.option('--json', 'print JSON').action((options: OutputOptions) => run(contract, options))
  }
  addOthers(iam)
}

function addOthers(iam: Command): void {
  iam.command('rotate-access-key')
    .description('make a new access key and show its secret once; the old one stays active until it is deactivated')
    .option('--account-id <value>', 'another account than the own; for callers of the account of the installation')
    .option('--user-name <value>', 'without it the one who asks')
    .option('--deactivate-old', 'make the old one inactive at once')
    .option('--json', 'print JSON')
    .action(rotateAccessKey)
  iam.command('apply')
    .description('make the identities of accounts what a file says they are: shows the changes first')
    .requiredOption('-f, --file <path>', 'YAML: accounts with policies, groups, users and roles')
    .option('--yes', 'without asking')
    .option('--prune', 'delete what is not in the file, of the sections that it has')
    .option('--json', 'print JSON')
    .action(apply)
  iam.command('explain')
    .description('say whether a user or a role may do something, and by which statement or grant')
    .requiredOption('--principal <arn>', 'a user, a role or a session of a role')
    .requiredOption('--action <name>', 'as in a policy: kms:Decrypt')
    .option('--key <id>', 'key id, key ARN, alias name or alias ARN')
    .option('--resource <arn>', 'of an action that is about no key: the role of sts:AssumeRole, a user')
    .option('--context <pairs...>', 'name=value ...: condition keys (aws:SourceIp=192.0.2.1) and pairs of the encryption context')
    .option('--session-policy <policy>', 'JSON, or file://path')
    .option('--region <name>', 'where the call would be made')
    .option('--json', 'print JSON')
    .action(explain)
}

async function run(contract: Contract, options: OutputOptions): Promise<void> {
  const input = inputOf(contract.input, options as Readonly<Record<string, unknown>>)
  const client = new IamClient()
  const output: unknown = await ('Marker' in contract.input ? allPages(client, contract, input) : client.call(contract, input))
  if (!contract.output && !options.json) return
  print(options, output ?? {}, () => [
    ...shown(contract.output ?? {}, output), ...contract.output && 'AccessKey' in contract.output ? ['', shownOnce] : [],
  ])
}

/** For tests: what has no command. */
export const withoutCommand: readonly string[] = [...iamContracts.keys()].filter(name => !(name in sentences))
