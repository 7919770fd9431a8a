import { parseDocument } from 'yaml'
import { KmsError } from '../../../domain/errors.js'
import { identityQuotas, nameKey, sessionSeconds } from '../../../domain/identity.js'
import { foldCase } from '../../../domain/policy/fold-case.js'
import { parsePolicy } from '../../../domain/policy/parse.js'
import { documentCharacters } from '../../../domain/policy/size.js'
import { isAccountId, isPrincipalPath } from '../../../domain/principal.js'
import { UnusableInput } from '../../../inspect.js'
import type { GroupState, PolicyState, RoleState, UserState, WantedAccount } from './state.js'

export type Wanted = ReadonlyMap<string, WantedAccount>

const nameForm = /^[\w+=,.@-]+$/
const arnForm = /^arn:aws:iam::(?:[0-9]{12}|aws):policy\/[\w+=,.@/-]+$/
/** IAM API Reference: CreateUser and CreateRole; CreateGroup and CreatePolicy. */
const [principalNameMax, otherNameMax] = [64, 128]
const sections = ['policies', 'groups', 'users', 'roles'] as const
const holderMembers = ['path', 'policies', 'inline']

/** Reads a file of identities whole. Throws UnusableInput that lists every fault with its place. */
export function readIdentities(text: string): Wanted {
  const document = parseDocument(text)
  const reader = new FileReader()
  if (document.errors.length > 0) throw unusable(document.errors.map(({ message }) => message.split('\n', 1)[0] ?? ''))
  const accounts = reader.wanted(jsOf(document))
  if (reader.faults.length > 0) throw unusable(reader.faults)
  return accounts
}

/** Aliases that would make very much of little are refused by the parser. */
function jsOf(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw unusable([error instanceof Error ? error.message : String(error)])
  }
}

function unusable(faults: readonly string[]): UnusableInput {
  return new UnusableInput(`the file cannot be used:\n${faults.map(fault => `  - ${fault}`).join('\n')}`)
}

type Json = Readonly<Record<string, unknown>>

/** Every fault is noted with its place, and reading goes on with something harmless in place of what is wrong. */
class FileReader {
  readonly faults: string[] = []

  wanted(value: unknown): Wanted {
    const { accounts } = this.#map(value, '', ['accounts'])
    if (accounts === undefined) this.#fault('accounts', 'is missing')
    return new Map(Object.entries(this.#map(accounts ?? {}, 'accounts')).map(([accountId, account]) => {
      const at = `accounts.${accountId}`
      if (!isAccountId(accountId)) this.#fault(at, 'is not the number of an account: 12 digits, in quotes if they begin with 0')
      return [accountId, this.#account(account, at)]
    }))
  }

  #account(value: unknown, at: string): WantedAccount {
    const account = this.#map(value ?? {}, at, sections)
    return {
      policies: this.#section(account.policies, `${at}.policies`, otherNameMax, (entity, place) => this.#policy(entity, place)),
      groups: this.#section(account.groups, `${at}.groups`, otherNameMax, (entity, place) => this.#group(entity, place)),
      users: this.#section(account.users, `${at}.users`, principalNameMax, (entity, place) => this.#user(entity, place)),
      roles: this.#section(account.roles, `${at}.roles`, principalNameMax, (entity, place) => this.#role(entity, place)),
    }
  }

  #section<T>(
    value: unknown, at: string, nameMax: number, read: (entity: unknown, at: string) => T,
  ): ReadonlyMap<string, T> | undefined {
    if (value === undefined) return undefined
    const seen = new Map<string, string>()
    return new Map(Object.entries(this.#map(value ?? {}, at)).map(([name, entity]) => {
      const place = `${at}.${name}`
      this.#checkName(name, nameMax, place)
      const twin = seen.get(nameKey(name))
      if (twin !== undefined) this.#fault(place, `is the name of ${twin} but for its case`)
      seen.set(nameKey(name), name)
      return [name, read(entity, place)]
    }))
  }

  #policy(value: unknown, at: string): PolicyState {
    const policy = this.#map(value ?? {}, at, ['path', 'description', 'document'])
    const document = this.#document(policy.document, `${at}.document`, 'identity')
    this.#checkLength(document, identityQuotas.managedPolicyCharacters, `${at}.document`)
    return { path: this.#path(policy.path, at), description: this.#text(policy.description, `${at}.description`, ''), document }
  }

  #group(value: unknown, at: string): GroupState {
    return this.#holder(this.#map(value ?? {}, at, holderMembers), at, 'group')
  }

  #user(value: unknown, at: string): UserState {
    const user = this.#map(value ?? {}, at, [...holderMembers, 'groups', 'boundary', 'tags'])
    const groups = this.#texts(user.groups, `${at}.groups`)
    if (groups.length > identityQuotas.groupsPerUser) this.#fault(`${at}.groups`, `are more than ${identityQuotas.groupsPerUser}`)
    return { ...this.#holder(user, at, 'user'), ...this.#principal(user, at), groups }
  }

  #role(value: unknown, at: string): RoleState {
    const role = this.#map(value ?? {}, at, [...holderMembers, 'boundary', 'tags', 'trust', 'description', 'maxSessionDuration'])
    const trust = this.#document(role.trust, `${at}.trust`, 'trust')
    this.#checkLength(trust, identityQuotas.trustPolicyCharacters, `${at}.trust`)
    return {
      ...this.#holder(role, at, 'role'), ...this.#principal(role, at), trust,
      description: this.#text(role.description, `${at}.description`, ''),
      maxSessionDuration: this.#seconds(role.maxSessionDuration, `${at}.maxSessionDuration`),
    }
  }

  #holder(value: Json, at: string, kind: keyof typeof identityQuotas.inlineCharacters): GroupState {
    const policies = this.#texts(value.policies, `${at}.policies`)
    for (const [index, policy] of policies.entries()) this.#checkPolicyName(policy, `${at}.policies[${index}]`)
    if (policies.length > identityQuotas.attachedPolicies) this.#fault(`${at}.policies`, `are more than ${identityQuotas.attachedPolicies}`)
    const inline = new Map(Object.entries(this.#map(value.inline ?? {}, `${at}.inline`)).map(([name, document]) => {
      this.#checkName(name, otherNameMax, `${at}.inline.${name}`)
      return [name, this.#document(document, `${at}.inline.${name}`, 'identity')]
    }))
    this.#checkLength([...inline.values()].join(''), identityQuotas.inlineCharacters[kind], `${at}.inline`)
    return { path: this.#path(value.path, at), policies, inline }
  }

  #principal({ boundary, tags }: Json, at: string): Pick<UserState, 'boundary' | 'tags'> {
    if (boundary !== undefined) this.#checkPolicyName(this.#text(boundary, `${at}.boundary`, ''), `${at}.boundary`)
    const pairs = Object.entries(this.#map(tags ?? {}, `${at}.tags`)).map(([key, value]) =>
      [key, this.#text(value, `${at}.tags.${key}`, '')] as const)
    this.#checkTags(pairs, `${at}.tags`)
    return { boundary: typeof boundary === 'string' ? boundary : undefined, tags: new Map(pairs) }
  }

  #checkTags(pairs: readonly (readonly [string, string])[], at: string): void {
    if (pairs.length > identityQuotas.tags) this.#fault(at, `are more than ${identityQuotas.tags}`)
    const { tagKeyCharacters: keyMax, tagValueCharacters: valueMax } = identityQuotas
    const seen = new Set<string>()
    for (const [key, value] of pairs) {
      const place = `${at}.${key}`
      if (key === '' || key.length > keyMax || value.length > valueMax) {
        this.#fault(place, `is no tag: keys have 1 to ${keyMax} characters, values up to ${valueMax}`)
      }
      if (key.toLowerCase().startsWith('aws:')) this.#fault(place, 'begins with aws:, which is reserved')
      if (seen.has(foldCase(key))) this.#fault(place, 'is there twice but for its case')
      seen.add(foldCase(key))
    }
  }

  #checkName(name: string, max: number, at: string): void {
    if (!nameForm.test(name) || name.length > max) this.#fault(at, `is no name: up to ${max} letters, digits and +=,.@_-`)
  }

  #checkPolicyName(name: string, at: string): void {
    const isGood = name.startsWith('arn:') ? arnForm.test(name) : nameForm.test(name) && name.length <= otherNameMax
    if (!isGood) this.#fault(at, 'is neither the name nor the ARN of a policy')
  }

  #path(value: unknown, at: string): string {
    const path = this.#text(value, `${at}.path`, '/')
    if (!isPrincipalPath(path)) this.#fault(`${at}.path`, 'must be / or segments between slashes')
    return path
  }

  #seconds(value: unknown, at: string): number {
    const { roleMin, roleMax } = sessionSeconds
    if (value === undefined) return roleMin
    const isGood = typeof value === 'number' && Number.isInteger(value) && value >= roleMin && value <= roleMax
    if (!isGood) this.#fault(at, `must be a whole number from ${roleMin} to ${roleMax}`)
    return isGood ? value : roleMin
  }

  /** Written out in YAML, or as a text of JSON. */
  #document(value: unknown, at: string, kind: 'identity' | 'trust'): string {
    const text = typeof value === 'string' ? value : JSON.stringify(value ?? null)
    if (value === undefined) {
      this.#fault(at, 'is missing')
      return '{}'
    }
    try {
      parsePolicy(text, kind)
      return text
    } catch (error) {
      if (!(error instanceof KmsError)) throw error
      this.#fault(at, error.message)
      return '{}'
    }
  }

  #checkLength(text: string, max: number, at: string): void {
    const characters = documentCharacters(text)
    if (characters > max) this.#fault(at, `has ${characters} characters beside white space; at most ${max} are allowed`)
  }

  #text(value: unknown, at: string, otherwise: string): string {
    if (value === undefined) return otherwise
    if (typeof value === 'string') return value
    this.#fault(at, 'must be a text; numbers and true, false and null are texts in quotes only')
    return otherwise
  }

  #texts(value: unknown, at: string): readonly string[] {
    if (value === undefined || value === null) return []
    const texts = Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
    if (!Array.isArray(value) || texts.length < value.length) this.#fault(at, 'must be a list of texts')
    if (new Set(texts.map(nameKey)).size < texts.length) this.#fault(at, 'has something twice')
    return texts
  }

  #map(value: unknown, at: string, known?: readonly string[]): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#fault(at === '' ? 'the file' : at, 'must be a map')
      return {}
    }
    const unknown = known ? Object.keys(value).filter(name => !known.includes(name)) : []
    for (const name of unknown) this.#fault(at === '' ? name : `${at}.${name}`, `is not known here; there are ${known?.join(', ') ?? ''}`)
    return value as Json
  }

  #fault(at: string, what: string): void {
    this.faults.push(`${at} ${what}`)
  }
}
