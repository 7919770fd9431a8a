import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { isJsonObject } from '../../../src/domain/policy/json.js'
import type { Json } from './reference-evaluator.js'

/*
 * The decision tables in test/vectors/decisions, as they are explained in its README: who asks, what the policies and grants say, and what
 * comes of it. Read strictly, so that a row with a slip of the pen tests nothing by itself.
 */

const folder = 'test/vectors/decisions'

export interface Row {
  readonly file: string
  readonly case: string
  readonly caller: string
  readonly keyPolicy: Json
  /** Unique ids of principals that were deleted since the policy was set, and perhaps made anew. */
  readonly bindings: Readonly<Record<string, string>>
  readonly ownPolicies: readonly Json[]
  readonly boundary: Json | undefined
  readonly sessionPolicies: readonly Json[] | undefined
  readonly grants: readonly RowGrant[]
  /** Without `kms:`. */
  readonly action: string
  readonly with: Circumstances
  readonly is: string
  /** `statement`: the one that decided, if the row says. */
  readonly by: string | undefined
}

export interface RowGrant {
  readonly to: string
  readonly operations: readonly string[]
  readonly equals?: Readonly<Record<string, string>>
  readonly subset?: Readonly<Record<string, string>>
  readonly source?: string
  /** The grantee was deleted since, and perhaps made anew. */
  readonly formerGrantee?: true
}

type Texts = Readonly<Record<string, string>>

/** What `with` may say. */
export interface Circumstances {
  readonly 'encryption context'?: Texts
  /** Members of the request, as the API names them. */
  readonly 'members'?: Json
  readonly 'key tags'?: Texts
  readonly 'caller tags'?: Texts
  /** That the key was named by. */
  readonly 'alias'?: string
  readonly 'key aliases'?: readonly string[]
  /** Where it is another kind of key. */
  readonly 'key'?: Json
  readonly 'source ip'?: string
  readonly 'secure transport'?: boolean
  readonly 'time'?: string
  readonly 'region'?: string
  readonly 'user agent'?: string
  readonly 'referer'?: string
  readonly 'source arn'?: string
  readonly 'source account'?: string
  /** Of an enclave, by register. */
  readonly 'measurements'?: Texts
  readonly 'days without use'?: number
  /** Of a ReEncrypt, whether the two keys are one. */
  readonly 'same key'?: boolean
  readonly 'algorithm'?: string
  readonly 'session'?: { readonly 'issued'?: string, readonly 'source identity'?: string, readonly 'provider'?: string }
  /** Of a CreateGrant. */
  readonly 'new grant'?: Pick<RowGrant, 'operations' | 'equals' | 'subset'>
}

const circumstances: readonly (keyof Circumstances)[] = [
  'encryption context', 'members', 'key tags', 'caller tags', 'alias', 'key aliases', 'key', 'source ip', 'secure transport', 'time',
  'region', 'user agent', 'referer', 'source arn', 'source account', 'measurements', 'days without use', 'same key', 'algorithm', 'session',
  'new grant',
]
const rowFields = [
  'case', 'caller', 'key policy', 'own policies', 'boundary', 'session policies', 'grants', 'action', 'with', 'when', 'version', 'is', 'by',
  'former',
]
const fileFields = ['about', 'policies', 'given', 'rows']
const statementFields = ['Allow', 'Deny', 'Allow all but', 'Deny all but', 'to', 'to all but', 'on', 'on all but', 'when', 'Sid']

export interface CallerEntry {
  readonly user?: string
  readonly role?: string
  readonly session?: string
  readonly root?: true
  readonly service?: string
  readonly account?: string
  readonly path?: string
  /** Unique id; others follow from the name. */
  readonly id?: string
}

interface Vocabulary {
  readonly accounts: Readonly<Record<string, string>>
  readonly callers: Readonly<Record<string, CallerEntry>>
  readonly others: Readonly<Record<string, string>>
  readonly policies: Readonly<Record<string, unknown>>
}

export const vocabulary = parse(readFileSync(`${folder}/vocabulary.yaml`, 'utf8')) as Vocabulary
/** By the name in the vocabulary. */
export const accounts = vocabulary.accounts

/** What stands for a name of the vocabulary in policies and grants. */
export function arnOf(name: string): string {
  const caller = vocabulary.callers[name]
  const account = /^account (.)$/.exec(name)?.[1]
  if (account !== undefined) return `arn:aws:iam::${known(accounts, account)}:root`
  if (!caller) return known(vocabulary.others, name)
  const of = known(accounts, caller.account ?? 'A')
  const path = caller.path ?? '/'
  if (caller.service !== undefined) return caller.service
  if (caller.root) return `arn:aws:iam::${of}:root`
  if (caller.user !== undefined) return `arn:aws:iam::${of}:user${path}${caller.user}`
  return `arn:aws:sts::${of}:assumed-role/${caller.role ?? ''}/${caller.session ?? ''}`
}

/** Of a session, the ARN of its role. */
export function principalArnOf(name: string): string {
  const { role, account = 'A', path = '/' } = vocabulary.callers[name] ?? {}
  return role === undefined ? arnOf(name) : `arn:aws:iam::${known(accounts, account)}:role${path}${role}`
}

function known<T>(of: Readonly<Record<string, T>>, name: string): T {
  const value = Object.hasOwn(of, name) ? of[name] : undefined
  if (value === undefined) throw new Error(`the decision tables do not know ${name}`)
  return value
}

export const fileNames = readdirSync(folder).filter(name => /^[0-9].*\.yaml$/.test(name)).sort()

export function readTable(file: string): readonly Row[] {
  const table = parse(readFileSync(`${folder}/${file}`, 'utf8')) as Json
  onlyFields(table, fileFields, file)
  const policies = { ...vocabulary.policies, ...table.policies as Json }
  return (table.rows as readonly Json[]).map((written, at) => {
    try {
      return rowOf(file, { ...table.given as Json, ...written }, policies)
    } catch (error) {
      throw new Error(`${file}, row ${at + 1} (${String(written.case)})`, { cause: error })
    }
  })
}

function rowOf(file: string, row: Json, policies: Json): Row {
  onlyFields(row, rowFields, 'a row')
  const about = (row.with ?? {}) as Json
  onlyFields(about, circumstances, 'with')
  const document = (written: unknown) => documentOf(written, policies, row)
  const former = listOf(row.former).map(String)
  const [, is = '', by] = /^(.*?)(?: \((.*)\))?$/.exec(text(row, 'is')) ?? []
  return {
    file, is, by,
    case: text(row, 'case'), caller: text(row, 'caller'), action: text(row, 'action'),
    keyPolicy: document(row['key policy'] ?? 'names nobody'),
    bindings: Object.fromEntries(former.map(name => [arnOf(name), 'AIDAFORMER'])),
    ownPolicies: listOf(row['own policies']).length === 0 ? [] : [document(row['own policies'])],
    boundary: row.boundary === undefined ? undefined : document(row.boundary),
    sessionPolicies: row['session policies'] === undefined ? undefined : [document(row['session policies'])],
    grants: listOf(row.grants) as readonly RowGrant[],
    with: replaced(about) as Circumstances,
  }
}

function text(row: Json, field: string): string {
  const value = row[field]
  if (typeof value !== 'string' || value === '') throw new Error(`${field} is missing`)
  return value
}

function listOf(value: unknown): readonly unknown[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

function onlyFields(of: Json, fields: readonly string[], where: string): void {
  const other = Object.keys(of).find(name => !fields.includes(name))
  if (other !== undefined) throw new Error(`${where} has no field ${other}`)
}

/** A policy of AWS from the short form of the tables: statements, or names of some. */
function documentOf(written: unknown, policies: Json, row: Json): Json {
  return { Version: row.version ?? '2012-10-17', Statement: statementsOf(written, policies).map(statement => statementOf(statement, row)) }
}

function statementsOf(written: unknown, policies: Json): readonly Json[] {
  return listOf(written).flatMap(part => typeof part === 'string' ? statementsOf(known(policies, part), policies) : [part as Json])
}

function statementOf(written: Json, row: Json): Json {
  // Odd statements are written as they are.
  if (isJsonObject(written.raw)) return replaced(written.raw) as Json
  onlyFields(written, statementFields, 'a statement')
  const effect = Object.keys(written).find(name => /^(?:Allow|Deny)/.test(name)) ?? ''
  const condition = written.when === 'row' ? row.when : written.when
  return replaced({
    ...written.Sid !== undefined && { Sid: written.Sid },
    Effect: effect.replace(' all but', ''),
    ...written.to !== undefined && { Principal: principalsOf(written.to) },
    ...written['to all but'] !== undefined && { NotPrincipal: principalsOf(written['to all but']) },
    [effect.endsWith('all but') ? 'NotAction' : 'Action']: actionsOf(written[effect]),
    ...written['on all but'] === undefined ? { Resource: written.on ?? '*' } : { NotResource: written['on all but'] },
    ...condition !== undefined && { Condition: condition },
  }) as Json
}

function actionsOf(written: unknown): unknown {
  const actions = listOf(written).map(action => /[:*]/.test(String(action)) && String(action) !== '*' ? withService(String(action))
    : `kms:${String(action)}`)
  return actions.length === 1 ? actions[0] : actions
}

function withService(action: string): string {
  return action.includes(':') ? action : `kms:${action}`
}

function principalsOf(written: unknown): unknown {
  if (written === 'everybody') return '*'
  const names = listOf(written).map(String)
  const services = names.filter(name => vocabulary.callers[name]?.service !== undefined).map(arnOf)
  const others = names.filter(name => vocabulary.callers[name]?.service === undefined)
  return {
    ...others.length > 0 && { AWS: others.map(name => /^\d+$/.test(name) ? name : arnOf(name)) },
    ...services.length > 0 && { Service: services },
  }
}

/** The key of every row; what `<key>` stands for. */
export const rowKeyId = '1234abcd-12ab-44cd-96ef-1234567890ab'
export const rowRegion = 'eu-central-1'
export const rowKeyArn = `arn:aws:kms:${rowRegion}:${accounts.A ?? ''}:key/${rowKeyId}`

function replaced(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/<([^<>]+)>/g, (_, name: string) => placeholder(name))
  if (Array.isArray(value)) return value.map(replaced)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, replaced(member)]))
}

function placeholder(name: string): string {
  if (name === 'key') return rowKeyArn
  if (Object.hasOwn(accounts, name)) return known(accounts, name)
  return name.startsWith('role of ') ? principalArnOf(name.slice('role of '.length)) : arnOf(name)
}
