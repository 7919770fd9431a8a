import type { Grant } from '../../../src/domain/grant.js'
import { sampleGrant } from '../../contract/store-samples.js'
import type { Seeded } from '../seeded.js'
import type { Json } from './reference-evaluator.js'
import { worldKey, type World, type WorldCaller } from './world.js'

/*
 * Worlds in which about every second call is allowed: few names and few values, so that what policies ask for and what calls bring meet
 * often. Names differ in case, values look like wildcards and variables, keys are absent.
 */

const [accountA, accountB] = ['111122223333', '444455556666']
const rootOf = (account: string) => `arn:aws:iam::${account}:root`

function user(name: string, accountId = accountA): WorldCaller {
  const arn = `arn:aws:iam::${accountId}:user/${name}`
  const id = `AIDA${name.toUpperCase()}`
  return { type: 'User', arn, principalArn: arn, accountId, uniqueId: id, userId: id, userName: name, tags: [] }
}

function session(role: string, name: string, accountId = accountA): WorldCaller {
  const id = `AROA${role.toUpperCase()}`
  return {
    type: 'AssumedRole', accountId, arn: `arn:aws:sts::${accountId}:assumed-role/${role}/${name}`,
    principalArn: `arn:aws:iam::${accountId}:role/team/${role}`, uniqueId: id, userId: `${id}:${name}`, tags: [],
  }
}

function bare(arn: string) {
  return { arn, principalArn: arn, tags: [] }
}

const service = 'backup.example.com'
const anne = user('anne')
const callers: readonly WorldCaller[] = [
  anne, user('bob'), session('reader', 'one'), session('reader', 'two'), user('ben', accountB), session('guest', 'one', accountB),
  { type: 'Account', ...bare(rootOf(accountA)), accountId: accountA, uniqueId: accountA, userId: accountA },
  { type: 'Service', ...bare(service), accountId: '', uniqueId: service, userId: service },
]
const names = [...new Set(callers.filter(({ type }) => type === 'User' || type === 'AssumedRole').flatMap(({ arn, principalArn }) =>
  [arn, principalArn]))]
/** As they were when a policy was set: another Bob has his name now. */
const boundIds: Readonly<Record<string, string>> = {
  [anne.arn]: anne.uniqueId, 'arn:aws:iam::111122223333:user/bob': 'AIDAOLDBOB', 'arn:aws:iam::111122223333:role/team/reader': 'AROAREADER',
}

const operations = ['Encrypt', 'Decrypt', 'DescribeKey', 'GenerateDataKey']
const actions = ['kms:*', '*', 'kms:Encrypt', 'kms:decrypt', 'kms:De*', 'kms:*Data?ey', 'KMS:?ncrypt', 'kms:DescribeKey', 's3:GetObject']
const values = ['finance', 'hr', 'Finance', '*', '${aws:username}', 'anne', '']
const teams = ['finance', 'hr', 'anne']
const contextNames = ['app', 'App', 'team']
const [earlier, now, later] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 6, 1), Date.UTC(2027, 0, 1)]

export class RandomWorlds {
  readonly #random: Seeded
  /** Of whom and what the next policies speak more often than of others. */
  #about: { readonly caller: WorldCaller, readonly operation: string } = { caller: anne, operation: 'Encrypt' }

  constructor(random: Seeded) {
    this.#random = random
  }

  next(): World {
    const tags = this.#some(2, () => ({ key: this.#pick(['team', 'Team', 'level']), value: this.#pick(values) }))
    const caller = { ...this.#pick(callers), tags }
    const operation = this.#pick(operations)
    this.#about = { caller, operation }
    const hasRole = caller.type === 'AssumedRole'
    const isIdentity = hasRole || caller.type === 'User'
    return {
      caller, operation,
      keyPolicy: this.keyPolicy(),
      bindings: this.#oneIn(3) ? boundIds : {},
      identityPolicies: isIdentity ? this.#some(2, () => this.identityPolicy(), 1) : [],
      boundary: isIdentity && this.#oneIn(3) ? this.identityPolicy() : undefined,
      sessionPolicies: isIdentity && this.#oneIn(hasRole ? 3 : 8) ? this.#some(2, () => this.identityPolicy(), 1) : undefined,
      grants: this.#oneIn(2) ? this.#some(2, () => this.grant()) : [],
      encryptionContext: Object.fromEntries(this.#some(2, () => [this.#pick(contextNames), this.#pick(values)])),
      keyTags: this.#some(2, () => ({ TagKey: this.#pick(['team', 'Team']), TagValue: this.#pick(teams) })),
      requestKeys: this.#oneIn(2) ? {} : {
        'kms:grantoperations': this.#some(2, () => this.#pick(operations)), 'kms:rotationperiodindays': this.#pick(['90', '365']),
      },
      sourceIp: this.#pick(['10.0.0.1', '10.1.2.3', '192.0.2.7']),
      secureTransport: this.#oneIn(2),
      time: this.#pick([earlier, now, later]),
    }
  }

  keyPolicy(): Json {
    return this.#document(() => ({ ...this.principal(), ...this.statement() }))
  }

  identityPolicy(): Json {
    return this.#document(() => this.statement())
  }

  principal(): Json {
    if (this.#oneIn(8)) return { Principal: this.#pick(['*', { AWS: '*' }, { Service: service }, { AWS: accountB, Service: [service] }]) }
    const { accountId, arn, principalArn } = this.#about.caller
    const close = accountId === '' ? names : [arn, principalArn, rootOf(accountId), rootOf(accountId)]
    const some = this.#some(2, () => this.#pick(this.#oneIn(3) ? [...names, accountA, rootOf(accountB)] : close), 1)
    if (this.#oneIn(8)) return { NotPrincipal: { AWS: [...some, rootOf(accountA)] } }
    return { Principal: { AWS: this.#oneIn(2) ? some : this.#pick(some) } }
  }

  /** Without its principal. */
  statement(effect = this.#oneIn(7) ? 'Deny' : 'Allow'): Json {
    // What denies everything shows nothing.
    const conditions = effect === 'Deny' ? 1 + this.#below(2) : this.#below(6) < 4 ? 0 : 1
    const those = effect === 'Allow' && !this.#oneIn(3) ? [`kms:${this.#about.operation}`, 'kms:*'] : actions
    return {
      Effect: effect,
      ...this.#either('Action', those, 2),
      ...this.#oneIn(6) ? this.#either('Resource', this.#resources(), 2) : { Resource: '*' },
      ...conditions > 0 && { Condition: this.#conditions(conditions) },
    }
  }

  grant(): Grant {
    const made = sampleGrant(1, this.#below(1_000), { operations: this.#some(3, () => this.#pick(operations), 1) })
    const pairs = Object.fromEntries(this.#some(2, () => [this.#pick(contextNames), this.#pick(values)]))
    const kind = this.#pick(['EncryptionContextEquals', 'EncryptionContextSubset'])
    const grant = { ...made, ...this.#oneIn(2) && { constraints: { [kind]: pairs } } }
    if (this.#oneIn(8)) return { ...withoutGrantee(grant), granteeServicePrincipal: service }
    const granteePrincipal = this.#pick([...names, rootOf(accountA), rootOf(accountB)])
    const id = boundIds[granteePrincipal]
    return { ...grant, granteePrincipal, ...id !== undefined && this.#oneIn(2) && { granteeId: id } }
  }

  #document(statement: () => Json): Json {
    const statements = this.#some(3, statement, 1)
    const version = this.#oneIn(3) ? this.#pick([undefined, '2008-10-17']) : '2012-10-17'
    return withReadableArns({
      ...version !== undefined && { Version: version }, Statement: statements.length === 1 && this.#oneIn(2) ? statements[0] : statements,
    })
  }

  #resources(): readonly string[] {
    return [
      '*', worldKey.arn, worldKey.arn.replace('0000-', '1111-'), `arn:aws:kms:*:${accountA}:key/*`, `arn:aws:kms:*:${accountB}:*`,
      'arn:aws:kms:*:*:key/${aws:PrincipalTag/team}*', 'arn:aws:kms:eu-central-?:${aws:ResourceAccount}:key/${*}*',
    ]
  }

  #either(name: string, from: readonly string[], most: number): Json {
    const some = this.#some(most, () => this.#pick(from), 1)
    return { [this.#oneIn(10) ? `Not${name}` : name]: some.length === 1 ? some[0] : some }
  }

  #conditions(count: number): Json {
    const operators: Record<string, Record<string, unknown>> = {}
    for (let made = 0; made < count; made++) {
      const [operator, key, given] = this.#condition()
      // A key twice, in whatever case, is refused.
      operators[operator] = { ...Object.keys(operators[operator] ?? {}).length < 1 && { [key]: given }, ...operators[operator] }
    }
    return operators
  }

  #condition(): readonly [string, string, unknown] {
    const [key, family] = this.#pick(conditionKeys)
    if (this.#oneIn(10)) return ['Null', key, this.#pick(['true', 'false', true, false])]
    const given = this.#some(2, () => this.#pick(family.values), 1)
    const set = this.#pick(['', '', '', 'ForAnyValue:', 'ForAllValues:'])
    // Nobody may set a key policy with that.
    const isRefused = set === 'ForAllValues:' && key.toLowerCase().startsWith('kms:encryptioncontext:')
    const operator = `${isRefused ? '' : set}${this.#pick(family.operators)}${this.#oneIn(5) ? 'IfExists' : ''}`
    return [operator, key, given.length === 1 ? given[0] : given]
  }

  #pick<T>(from: readonly T[]): T {
    return this.#random.pick(from)
  }

  #below(max: number): number {
    return this.#random.below(max)
  }

  #oneIn(times: number): boolean {
    return this.#below(times) === 0
  }

  #some<T>(most: number, make: () => T, least = 0): readonly T[] {
    return Array.from({ length: least + this.#below(most - least + 1) }, make)
  }
}

function withoutGrantee({ granteePrincipal: _, ...grant }: Grant): Grant {
  return grant
}

/** One statement more. */
export function withStatement(policy: Json, statement: Json): Json {
  return withReadableArns({ ...policy, Statement: [policy.Statement, statement].flat() })
}

/** Without variables the one in the place of an ARN is none, and would be refused. */
function withReadableArns(policy: Json): Json {
  if (policy.Version === '2012-10-17') return policy
  return JSON.parse(JSON.stringify(policy).replaceAll(JSON.stringify(arnOfTag), JSON.stringify('*'))) as Json
}

interface Family { readonly operators: readonly string[], readonly values: readonly (string | number | boolean)[] }

const texts: Family = {
  operators: ['StringEquals', 'StringNotEquals', 'StringLike', 'StringNotLike', 'StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase'],
  values: [
    'finance', 'FINANCE', 'hr', 'f*', '?r', '*', '${*}', '${aws:username}', '${aws:PrincipalTag/team}', '${aws:PrincipalTag/team, \'hr\'}',
    '${aws:username, \'none\'}*', 'Encrypt', 'De*', accountA, '',
  ],
}
const arnOfTag = '${aws:PrincipalTag/Team, \'arn\'}'
const arns: Family = {
  operators: ['ArnEquals', 'ArnNotEquals', 'ArnLike', 'ArnNotLike'],
  values: [
    anne.arn, '*', `arn:aws:iam::${accountA}:*`, 'arn:aws:iam::*:user/*', 'arn:aws:iam::111122223333:role/team/r?ader',
    'arn:aws:iam::*:user/${aws:username}', 'arn:*:*:*:*:*', arnOfTag,
  ],
}
const numbers: Family = {
  operators: ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals'].map(name => `Numeric${name}`),
  values: [90, '365', '180.5', '-1'],
}
const dates: Family = {
  operators: ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals'].map(name => `Date${name}`),
  values: ['2026-01-01T00:00:00Z', '2026-07-01', '2026', String(later / 1000), '2026-07-01T02:00:00+02:00'],
}
const booleans: Family = { operators: ['Bool'], values: ['true', 'false', true] }
const addresses: Family = { operators: ['IpAddress', 'NotIpAddress'], values: ['10.0.0.0/8', '10.0.0.0/16', '192.0.2.7', '0.0.0.0/0'] }

const conditionKeys: readonly (readonly [string, Family])[] = [
  ['kms:EncryptionContext:app', texts], ['kms:EncryptionContext:App', texts], ['KMS:encryptioncontext:TEAM', texts],
  ['kms:EncryptionContextKeys', texts], ['kms:GrantOperations', texts], ['kms:CallerAccount', texts], ['aws:PrincipalTag/Team', texts],
  ['aws:PrincipalTag/level', texts], ['aws:ResourceTag/team', texts], ['aws:username', texts], ['aws:PrincipalType', texts],
  ['kms:ViaService', texts], ['aws:PrincipalArn', arns], ['aws:PrincipalArn', arns], ['kms:RotationPeriodInDays', numbers],
  ['aws:CurrentTime', dates], ['aws:EpochTime', dates], ['aws:TokenIssueTime', dates], ['aws:SecureTransport', booleans],
  ['kms:MultiRegion', booleans], ['aws:SourceIp', addresses],
]
