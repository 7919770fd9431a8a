import { randomBytes } from 'node:crypto'
import { assumeRole } from '../../../src/api/sts.js'
import type { Caller } from '../../../src/domain/caller.js'
import type { Grant } from '../../../src/domain/grant.js'
import { arnOfEntity, type User } from '../../../src/domain/identity.js'
import type { Reason } from '../../../src/domain/policy/decide.js'
import { callerOfUser } from '../../../src/service/identities/callers.js'
import { kmsClient } from '../../support/clients.js'
import { newRole, sessionCaller } from '../../support/roles.js'
import type { TestServer } from '../../support/server.js'
import { call } from '../../support/services.js'
import { newTenant, stored } from '../../support/tenants.js'

/** Who asks for what in the benchmark of decisions, and what must come of it. */
export interface Situation {
  readonly name: string
  readonly caller: Caller
  readonly signing: SigningKey
  readonly operation: OperationName
  readonly keyId: string
  /** Asked for in turn. */
  readonly contexts: readonly Context[]
  readonly expected: Pick<Reason, 'verdict' | 'by'> & { readonly statement?: string }
}

export interface SigningKey { readonly accessKeyId: string, readonly secret: string, readonly sessionToken?: string }

/** What is measured; all are told of an encryption context. */
export const operationNames = ['Encrypt', 'Decrypt', 'GenerateDataKey'] as const
export type OperationName = typeof operationNames[number]
export type Context = Readonly<Record<string, string>>

export const names = {
  first: 'allowed by the first statement', last: 'allowed by the last statement',
  delegated: 'allowed by the account: identity policy, boundary, session policy',
  accessKey: 'the same without a session', grant: 'allowed by a grant with EncryptionContextSubset',
  nothing: 'denied: nothing allows it', deny: 'denied by a statement',
} as const

export const fewGrants = 5
/** By what a grant is found among many. */
export const constraintKinds = ['no constraint', 'EncryptionContextEquals', 'EncryptionContextSubset'] as const
export type ConstraintKind = typeof constraintKinds[number]

const ordinary: Context = { purpose: 'bench', tenant: 'a-tenant-of-ordinary-length' }
const use = ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey*', 'kms:DescribeKey']
const grantsOnKey = 20
/** Of the grants of the grantee that is asked for, those that requests go through in turn. */
const contextsInTurn = 200
const accountId = '111122223333'
const arn = (kind: string, name: string) => `arn:aws:iam::${accountId}:${kind}/${name}`
const document = (...Statement: readonly object[]) => JSON.stringify({ Version: '2012-10-17', Statement })

/** As it may stand on a key that several teams share: most statements are about the same actions, and must be held against each call. */
const keyPolicy = document(
  { Sid: 'First', Effect: 'Allow', Principal: { AWS: arn('user', 'first') }, Action: use, Resource: '*' },
  { Sid: 'Account', Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*' },
  {
    Sid: 'NoOtherPurpose', Effect: 'Deny', Principal: '*', Action: use, Resource: '*',
    Condition: { StringEquals: { 'kms:EncryptionContext:purpose': 'forbidden' } },
  },
  { Sid: 'Administrators', Effect: 'Allow', Principal: { AWS: arn('user', 'keeper') }, Action: ['kms:Put*', 'kms:Tag*'], Resource: '*' },
  {
    Sid: 'Team', Effect: 'Allow', Principal: { AWS: '*' }, Action: use, Resource: '*',
    Condition: { StringEquals: { 'aws:PrincipalTag/team': ['payments', 'ledger'], 'aws:PrincipalAccount': accountId } },
  },
  {
    Sid: 'Office', Effect: 'Allow', Principal: { AWS: '*' }, Action: use, Resource: '*',
    Condition: { IpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '2001:db8::/32'] }, Bool: { 'aws:SecureTransport': 'true' } },
  },
  {
    Sid: 'Service', Effect: 'Allow', Principal: { Service: 'backup.example.com' }, Action: use, Resource: '*',
    Condition: { ArnLike: { 'aws:SourceArn': `arn:aws:backup:*:${accountId}:vault/*` } },
  },
  {
    Sid: 'Jobs', Effect: 'Allow', Principal: { AWS: '*' }, Action: use, Resource: '*',
    Condition: { ArnLike: { 'aws:PrincipalArn': arn('role', 'job-*') }, DateLessThan: { 'aws:CurrentTime': '2030-01-01T00:00:00Z' } },
  },
  {
    Sid: 'OwnTenant', Effect: 'Allow', Principal: { AWS: '*' }, Action: use, Resource: '*',
    Condition: { StringLike: { 'kms:EncryptionContext:tenant': '${aws:username}-*' } },
  },
  {
    Sid: 'Last', Effect: 'Allow', Principal: { AWS: arn('user', 'last') }, Action: use, Resource: '*',
    Condition: { StringEquals: { 'kms:EncryptionContext:purpose': 'bench' } },
  },
)
const toAccount = document({ Sid: 'Account', Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*' })
const mayUse = document({
  Sid: 'Use', Effect: 'Allow', Action: use, Resource: `arn:aws:kms:*:${accountId}:key/*`,
  Condition: { StringEquals: { 'kms:EncryptionContext:purpose': 'bench' } },
})

export interface Stage {
  readonly onKey: readonly Situation[]
  /** One grant among few, and the same among many; by constraint. */
  readonly few: ReadonlyMap<ConstraintKind, Situation>
  readonly many: ReadonlyMap<ConstraintKind, Situation>
}

/** Fills a server whose account is 111122223333. */
export async function stage(server: TestServer, manyGrants: number): Promise<Stage> {
  const kms = kmsClient(server)
  const users = new Map<string, Party>()
  for (const name of ['first', 'last', 'keeper', 'grantee', 'other']) users.set(name, await newUser(server, name))
  const limit = await newBoundary(server)
  users.set('plain', await newUser(server, 'plain', { inlinePolicies: { use: mayUse }, boundary: limit }))
  const session = await newSession(server, limit)
  const newKey = async (Policy: string) => (await kms.createKey({ Policy })).KeyMetadata?.KeyId ?? ''
  const [keyId, fewKey, manyKey] = [await newKey(keyPolicy), await newKey(toAccount), await newKey(toAccount)]
  kms.destroy()
  const of = (name: string) => users.get(name) ?? never(`there is no user ${name}`)
  const grantsFor = (key: string, count: number) => insertGrants(server, key, of('grantee').caller, of('other').caller, count)
  await insertSubsetGrants(server, keyId, of('grantee').caller, of('other').caller)
  const on = (name: string, { caller, signing }: Party, expected: Situation['expected'], contexts: readonly Context[] = [ordinary]) =>
    ({ name, caller, signing, operation: 'Encrypt', keyId, contexts, expected }) as const satisfies Situation
  const among = async (key: string, count: number) => new Map([...await grantsFor(key, count)].map(([kind, contexts]) => [
    kind, {
      ...on(kind, of('grantee'), { verdict: 'allow', by: 'grant' }, contexts),
      keyId: key, operation: kind === 'no constraint' ? 'GenerateDataKey' : 'Encrypt',
    },
  ] as const))
  return {
    onKey: [
      on(names.first, of('first'), { verdict: 'allow', by: 'resource policy', statement: 'statement 1 (First)' }),
      on(names.last, of('last'), { verdict: 'allow', by: 'resource policy', statement: 'statement 10 (Last)' }),
      on(names.delegated, session, { verdict: 'allow', by: 'resource policy', statement: 'statement 2 (Account)' }),
      on(names.accessKey, of('plain'), { verdict: 'allow', by: 'resource policy', statement: 'statement 2 (Account)' }),
      on(names.grant, of('grantee'), { verdict: 'allow', by: 'grant' }),
      on(names.nothing, of('keeper'), { verdict: 'no', by: 'identity policy' }),
      on(names.deny, of('first'), { verdict: 'deny', by: 'resource policy', statement: 'statement 3 (NoOtherPurpose)' },
        [{ ...ordinary, purpose: 'forbidden' }]),
    ],
    few: await among(fewKey, fewGrants),
    many: await among(manyKey, manyGrants),
  }
}

interface Party { readonly caller: Caller, readonly signing: SigningKey }

async function newUser(server: TestServer, name: string, of: Partial<User> = {}): Promise<Party> {
  const { arn, admin: { accessKeyId, secretAccessKey: secret } } = await newTenant(server, name, of)
  const principal = await server.services.identities.principal(arn)
  if (principal?.entity.kind !== 'user') return never(`there is no user ${name}`)
  return { caller: callerOfUser({ ...principal, entity: principal.entity }, accessKeyId), signing: { accessKeyId, secret } }
}

/** ARN of a managed policy that serves as the boundary. */
async function newBoundary(server: TestServer): Promise<string> {
  const policy = {
    kind: 'policy', accountId, name: 'limit', path: '/', id: 'ANPALIMIT', createdAt: 0, updatedAt: 0, revision: 1, description: '',
    document: document({ Effect: 'Allow', Action: ['kms:*', 'sts:*'], Resource: '*' }),
  } as const
  await stored(server, policy)
  return arnOfEntity(policy)
}

async function newSession(server: TestServer, boundary: string): Promise<Party> {
  const { services } = server
  const RoleArn = await newRole(services, 'delegate', { inlinePolicies: { use: mayUse }, boundary })
  const asking = await newUser(server, 'asking', {
    inlinePolicies: { assume: document({ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: RoleArn }) },
  })
  const input = { RoleArn, RoleSessionName: 'bench', Policy: mayUse, DurationSeconds: 3_600 }
  const answer = await call(services, assumeRole, input, asking.caller, server.admin.region)
  const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = answer.Credentials ?? {}
  return {
    caller: await sessionCaller(services, { Credentials: { AccessKeyId, SessionToken } }),
    signing: { accessKeyId: AccessKeyId, secret: SecretAccessKey, sessionToken: SessionToken },
  }
}

/** Twenty grants, of which one fits. */
async function insertSubsetGrants({ services: { store }, admin: { region } }: TestServer, keyId: string, one: Caller, other: Caller) {
  for (let at = 0; at < grantsOnKey; at++) {
    const pairs = at === grantsOnKey - 1 ? { tenant: ordinary.tenant ?? '' } : { tenant: `tenant-${at}` }
    const grantee = at % 2 === 1 ? one : other
    await store.grants.insert(newGrant({ region, keyId, constraints: { EncryptionContextSubset: pairs } }, grantee))
  }
}

/**
 * So many grants; by kind of constraint the contexts of those that are for `one`. As with a key that many tenants share: one in five is for
 * somebody else, and the rest are told apart by what their constraints ask for.
 */
async function insertGrants({ services, admin: { region } }: TestServer, keyId: string, one: Caller, other: Caller, count: number) {
  const contexts = new Map<ConstraintKind, Context[]>(constraintKinds.map(kind => [kind, []]))
  const add = (grant: Partial<Grant>, grantee: Caller) => services.store.grants.insert(newGrant({ region, keyId, ...grant }, grantee))
  contexts.set('no constraint', [ordinary])
  await add({ operations: ['GenerateDataKey'] }, one)
  for (let at = 1; at < count; at++) {
    const pairs = { purpose: 'bench', tenant: `tenant-${at}` }
    if (at % 5 === 4) await add({ constraints: { EncryptionContextSubset: { tenant: `tenant-${at}` } } }, other)
    else if (at % 2 === 1) {
      await add({ constraints: { EncryptionContextSubset: { tenant: pairs.tenant } } }, one)
      contexts.get('EncryptionContextSubset')?.push({ ...pairs, more: 'than the grant asks for' })
    } else {
      await add({ constraints: { EncryptionContextEquals: pairs } }, one)
      contexts.get('EncryptionContextEquals')?.push(pairs)
    }
  }
  services.grantIndex.forget({ region, keyId })
  return new Map([...contexts].map(([kind, all]) => [kind, spread(all)] as const))
}

/** Some of them, from all over. */
function spread(all: readonly Context[]): readonly Context[] {
  const step = Math.max(1, Math.floor(all.length / contextsInTurn))
  return all.filter((_, at) => at % step === 0)
}

function newGrant(of: Partial<Grant> & Pick<Grant, 'region' | 'keyId'>, grantee: Caller): Grant {
  return {
    grantId: randomBytes(32).toString('hex'), createdAt: Date.now(), issuingAccount: `arn:aws:iam::${accountId}:root`,
    operations: operationNames, granteePrincipal: grantee.arn, granteeId: grantee.uniqueId, ...of,
  }
}

function never(why: string): never {
  throw new Error(why)
}
