import { contracts } from '../../../src/api/operations.js'
import type { ManagedPolicy, Role, User } from '../../../src/domain/identity.js'
import { newAccessKey } from '../../../src/service/credentials.js'
import { firstRoots } from '../../../src/service/roots.js'
import { rawRequest, type RawAnswer } from '../../system/raw-request.js'
import { sampleUser } from '../callers.js'
import { sampleInput } from '../samples.js'
import type { TestServer } from '../server.js'
import { constraintsOf, isOnKey, operationOf, outcomes, uniqueIdOf } from './decide-row.js'
import { accounts, arnOf, rowKeyArn, rowKeyId, vocabulary, type Row } from './decision-table.js'
import type { Json } from './reference-evaluator.js'

interface Signer { readonly accessKeyId: string, readonly secretAccessKey: string }

/** What a row says of circumstances that a client of the API can bring about. */
const stageable: readonly (keyof Row['with'])[] = ['encryption context', 'members', 'key tags', 'caller tags', 'alias', 'key aliases']
/** What a symmetric key can do: of others only a refusal can be shown on it. */
const onSymmetricKey: ReadonlySet<string> = new Set([
  'Encrypt', 'Decrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'DescribeKey', 'CreateGrant', 'ListGrants', 'DisableKey',
  'EnableKeyRotation', 'PutKeyPolicy', 'TagResource', 'UntagResource', 'ScheduleKeyDeletion', 'GetKeyRotationStatus',
])
const grantable: ReadonlySet<string> = new Set([
  'Encrypt', 'Decrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'DescribeKey', 'CreateGrant', 'RetireGrant',
])
const plaintext = Buffer.from('a row').toString('base64')

/** Whether the row can be set up with users, and a symmetric key, as clients of the API have them. */
export function isStageable(row: Row): boolean {
  const caller = vocabulary.callers[row.caller]
  const isAllowed = outcomes[row.is]?.verdict === 'allow'
  return caller?.user !== undefined && caller.id === undefined
    && row.sessionPolicies === undefined && Object.keys(row.bindings).length === 0 && !row.action.startsWith('ReEncrypt')
    && Object.keys(row.with).every(name => stageable.some(one => one === name))
    && row.grants.every(({ source, formerGrantee, operations }) => !source && !formerGrantee && operations.every(one => grantable.has(one)))
    && (!isAllowed || !isOnKey(row) || onSymmetricKey.has(row.action))
    && !wantsThatKey(row)
}

/** The key of a stage has an id of its own; a part of the one in the tables is no part of it. */
function wantsThatKey({ keyPolicy, ownPolicies, boundary, with: { 'caller tags': tags } }: Row): boolean {
  return JSON.stringify([keyPolicy, ownPolicies, boundary, tags]).replaceAll(rowKeyId, '').includes('1234')
}

/** The people of the tables in a server, and the key of one row after the other. */
export class Stage {
  readonly #server: TestServer
  readonly #signers = new Map<string, Signer>()
  #rows = 0

  constructor(server: TestServer) {
    this.#server = server
  }

  /** The accounts, and everybody whom policies may name. */
  async enter(): Promise<void> {
    const { store, hsm, clock } = this.#server.services
    for (const accountId of Object.values(accounts)) await store.identities.insertAccount({ accountId, name: accountId, createdAt: 0 })
    const roles = new Map<string, Role>()
    for (const [name, { user, role, account = 'A', path = '/', id }] of Object.entries(vocabulary.callers)) {
      const common = { accountId: accounts[account] ?? '', path, id: uniqueIdOf(name) }
      if (id !== undefined) continue
      if (role !== undefined) roles.set(`${account}/${role}`, roleCalled(role, common))
      if (user === undefined) continue
      const entity = sampleUser(user, common)
      await store.identities.insert(entity)
      const { accessKey, secret } = await newAccessKey(hsm, clock, firstRoots.seal, entity)
      await store.credentials.put(accessKey)
      this.#signers.set(name, { accessKeyId: accessKey.accessKeyId, secretAccessKey: secret })
    }
    for (const role of roles.values()) await store.identities.insert(role)
    await store.identities.insert(sampleUser('nobody', { accountId: accounts.A ?? '', id: 'AIDANOBODY' }))
    this.#forget()
  }

  /** Sets the row up, makes its call, and answers what the caller got, and the key's ARN. */
  async play(row: Row): Promise<{ readonly answer: RawAnswer, readonly keyArn: string }> {
    this.#rows++
    const key = await this.#admin('CreateKey', {})
    const { KeyId: keyId, Arn: keyArn } = key.KeyMetadata as { readonly KeyId: string, readonly Arn: string }
    const real = <T>(value: T): T =>
      JSON.parse(JSON.stringify(value).replaceAll(rowKeyArn, keyArn).replaceAll(rowKeyId, keyId)) as T
    const { CiphertextBlob: ciphertext } = await this.#admin('Encrypt', {
      KeyId: keyId, Plaintext: plaintext, EncryptionContext: row.with['encryption context'] ?? {},
    })
    const aliases = [...new Set([...row.with['key aliases'] ?? [], ...row.with.alias === undefined ? [] : [row.with.alias]])]
    for (const AliasName of aliases) await this.#admin('CreateAlias', { AliasName, TargetKeyId: keyId })
    const Tags = Object.entries(row.with['key tags'] ?? {}).map(([TagKey, TagValue]) => ({ TagKey, TagValue }))
    if (Tags.length > 0) await this.#admin('TagResource', { KeyId: keyId, Tags })
    for (const { to, operations, equals, subset } of row.grants) {
      const Constraints = (equals ?? subset) === undefined ? undefined : constraintsOf({ equals, subset })
      await this.#admin('CreateGrant', { KeyId: keyId, GranteePrincipal: arnOf(to), Operations: operations, Constraints })
    }
    await this.#givePolicies(real(row))
    const Policy = JSON.stringify(real(row.keyPolicy))
    await this.#admin('PutKeyPolicy', { KeyId: keyId, Policy, BypassPolicyLockoutSafetyCheck: true })
    const answer = await this.#call(row, { keyArn, ciphertext, Policy })
    for (const name of aliases) await this.#dropAlias(name, keyId)
    return { answer, keyArn }
  }

  /** Behind the back of the policy of the row, which leaves nothing to the administrator. */
  async #dropAlias(name: string, keyId: string): Promise<void> {
    const { services: { store, directory }, admin: { accountId, region } } = this.#server
    await store.aliases.remove(accountId, region, name, keyId)
    directory.forgetAlias({ accountId, region }, name)
  }

  #call(
    row: Row, { keyArn, ciphertext, Policy }: { readonly keyArn: string, readonly ciphertext: unknown, readonly Policy: string },
  ): Promise<RawAnswer> {
    const operation = operationOf(row).name
    const contract = [...contracts].find(([name]) => name === operation)?.[1]
    const sample = sampleInput(operation, contract?.input ?? {})
    const { GranteeServicePrincipal: toService, ValidTo: validTo } = row.with.members ?? {}
    const members: Json = {
      ...sample,
      ...'KeyId' in sample && { KeyId: row.with.alias ?? keyArn },
      ...'Plaintext' in sample && { Plaintext: plaintext },
      ...'CiphertextBlob' in sample && { CiphertextBlob: ciphertext },
      // The same again, so that the caller can still replace it.
      ...operation === 'PutKeyPolicy' && { Policy },
      ...operation === 'ListRetirableGrants' && { RetiringPrincipal: arnOf(row.caller) },
      ...operation === 'CreateGrant' && { GranteePrincipal: toService === undefined ? arnOf('bob') : undefined, Operations: ['Decrypt'] },
      ...row.with['encryption context'] && { EncryptionContext: row.with['encryption context'] },
      ...row.with.members,
      ...typeof validTo === 'string' && { ValidTo: Date.parse(validTo) / 1000 },
    }
    return rawRequest(this.#server, { operation, input: members, ...this.#signers.get(row.caller) })
  }

  /** Inline, by a group or as a managed policy, in turn: all three ways are as good. */
  async #givePolicies({ caller, ownPolicies, boundary, with: { 'caller tags': tags = {} } }: Row): Promise<void> {
    const { identities } = this.#server.services.store
    const { user = '', account = 'A' } = vocabulary.callers[caller] ?? {}
    const accountId = accounts[account] ?? ''
    const stored = await identities.get(accountId, 'user', user)
    if (!stored) throw new Error(`there is no user ${user}`)
    const documents = ownPolicies.map(policy => JSON.stringify(policy))
    const [inline = [], byGroup = [], managed = []] = [0, 1, 2].map(way => this.#rows % 3 === way ? documents : [])
    const name = `row-${this.#rows}`
    if (byGroup.length > 0) {
      await identities.insert({
        kind: 'group', accountId, name, path: '/', id: `AGPA${this.#rows}`, createdAt: 0, revision: 1, attachedPolicies: [],
        inlinePolicies: byName(byGroup),
      })
    }
    const attached = [...managed, ...boundary ? [JSON.stringify(boundary)] : []].map((document, at) =>
      managedPolicy(`${name}-${at}`, accountId, document))
    for (const policy of attached) await identities.insert(policy)
    const arns = attached.map(policy => `arn:aws:iam::${accountId}:policy/${policy.name}`)
    const { boundary: _, ...others } = stored
    const changed: User = {
      ...others, tags: Object.entries(tags).map(([key, value]) => ({ key, value })), groups: byGroup.length > 0 ? [name] : [],
      inlinePolicies: byName(inline), attachedPolicies: arns.slice(0, managed.length),
      ...boundary && { boundary: arns.at(-1) ?? '' },
    }
    await identities.update(changed)
    this.#forget()
  }

  #forget(): void {
    this.#server.services.identities.forget()
  }

  async #admin(operation: string, input: Json): Promise<Json> {
    const { status, json, body } = await rawRequest(this.#server, { operation, input })
    if (status !== 200) throw new Error(`the administrator's ${operation} was refused: ${body}`)
    return json
  }
}

function byName(documents: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(documents.map((document, at) => [`own-${at}`, document]))
}

function managedPolicy(name: string, accountId: string, document: string): ManagedPolicy {
  return {
    kind: 'policy', accountId, name, path: '/', id: `ANPA${name.toUpperCase()}${accountId}`, createdAt: 0, updatedAt: 0, revision: 1,
    description: '', document,
  }
}

function roleCalled(name: string, of: Pick<Role, 'accountId' | 'path' | 'id'>): Role {
  return {
    kind: 'role', name, ...of, createdAt: 0, revision: 1, description: '', tags: [], attachedPolicies: [], inlinePolicies: {},
    trustPolicy: '{}', trustBindings: {}, maxSessionSeconds: 3_600,
  }
}
