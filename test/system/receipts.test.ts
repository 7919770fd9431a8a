import { KMSServiceException, type KMS } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import type { ManagedPolicy, User } from '../../src/domain/identity.js'
import { allowing } from '../support/callers.js'
import { kmsClient } from '../support/clients.js'
import { altered } from '../support/mutations.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'
import { removeDirectory, startServer, temporaryDirectory, type TestServer } from '../support/server.js'
import { newAccount, newAdministrator, newTenant, stored, type Tenant } from '../support/tenants.js'
import { administration } from './administration-client.js'
import { auditEvents, type CallEvent } from './audit-records.js'
import { json } from './claviger.js'
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js'
import { missingKeyId, newKey, type NewKey } from './suite.js'

/**
 * Clients of many kinds call at the same time, and keep a receipt of every answer. Each receipt is then looked for in the audit log: it
 * must be there once, with the same outcome and with what decided; and nothing must be there that nobody has a receipt of.
 */
const callsPerClient = 60
const [accountId, otherAccountId] = ['111122223333', '999988887777']

/** What an answer says, and what its client knows beside. */
interface Receipt {
  readonly requestId: string
  readonly operation: string
  /** `ok`, or the name of an error. */
  readonly outcome: string
  /** ARN; undefined where the service cannot know it. */
  readonly by: string | undefined
  readonly row: Row
}

/** A decision as the log has it: of one question that the call gave rise to. */
type Decision = Readonly<Record<string, string>>

interface Row {
  readonly what: string
  readonly operation: string
  readonly outcome: string
  /** By what the call was allowed or refused; the last question that was asked. undefined: it did not come to that. */
  readonly decided: Decision | undefined
  readonly call: (world: World) => Promise<Answer>
  readonly by: 'administrator' | 'user' | 'grantee' | 'denied' | 'bounded' | 'stranger' | 'nobody'
}

interface Answer { readonly requestId: string, readonly outcome: string }

interface World {
  readonly server: TestServer
  readonly key: NewKey
  readonly other: NewKey
  readonly disabled: NewKey
  readonly blob: Uint8Array
  readonly grantId: string
  readonly tenants: Readonly<Record<Exclude<Row['by'], 'nobody'>, Tenant>>
  readonly clients: Readonly<Record<Exclude<Row['by'], 'nobody'>, KMS>>
}

const viaAccount = { verdict: 'allow', by: 'resource policy', policy: 'key policy', statement: 'statement 1 (account)' }
const administrators = 'arn:aws:iam::aws:policy/AdministratorAccess: statement 1'
const administratorsOnly = { verdict: 'allow', by: 'identity policy', policy: 'arn:aws:iam::aws:policy/AdministratorAccess' }

/** A call of the SDK, which tells the request id of answers and errors. */
function sdk(by: keyof World['clients'], call: (kms: KMS, world: World) => Promise<{ $metadata: { requestId?: string } }>): Row['call'] {
  return async world => {
    try {
      const { $metadata: { requestId = '' } } = await call(world.clients[by], world)
      return { requestId, outcome: 'ok' }
    } catch (error) {
      if (!(error instanceof KMSServiceException)) throw error
      return { requestId: error.$metadata.requestId ?? '', outcome: error.name }
    }
  }
}

function raw(by: keyof World['tenants'], request: (world: World) => RawRequest): Row['call'] {
  return async world => answerOf(await rawRequest(world.tenants[by], request(world)))
}

function answerOf({ headers, json: { __type: outcome = 'ok' } }: RawAnswer): Answer {
  return { requestId: String(headers['x-amzn-requestid']), outcome: String(outcome) }
}

const Plaintext = Buffer.from('receipt')
const denied = (by: string, of: object = {}) => ({ verdict: 'not allowed', by, ...of })

const rows: readonly Row[] = [
  // allowed
  { what: 'a key of the account', operation: 'Encrypt', outcome: 'ok', by: 'administrator', decided: { ...viaAccount, and: administrators },
    call: sdk('administrator', (kms, { key }) => kms.encrypt({ KeyId: key.id, Plaintext })) },
  { what: 'what needs no key', operation: 'GenerateRandom', outcome: 'ok', by: 'administrator', decided: administratorsOnly,
    call: sdk('administrator', kms => kms.generateRandom({ NumberOfBytes: 8 })) },
  { what: 'a new key', operation: 'CreateKey', outcome: 'ok', by: 'administrator', decided: administratorsOnly,
    call: sdk('administrator', kms => kms.createKey({})) },
  { what: 'a list', operation: 'ListAliases', outcome: 'ok', by: 'administrator', decided: administratorsOnly,
    call: sdk('administrator', kms => kms.listAliases({})) },
  { what: 'two keys', operation: 'ReEncrypt', outcome: 'ok', by: 'administrator', decided: { ...viaAccount, and: administrators },
    call: sdk('administrator', (kms, { blob, other }) => kms.reEncrypt({ CiphertextBlob: blob, DestinationKeyId: other.id })) },
  { what: 'by a managed policy', operation: 'GenerateDataKey', outcome: 'ok', by: 'user',
    decided: { ...viaAccount, and: 'arn:aws:iam::aws:policy/ClavigerKeyUser: statement 1' },
    call: sdk('user', (kms, { key }) => kms.generateDataKey({ KeyId: key.arn, KeySpec: 'AES_256' })) },
  { what: 'by the policy of the key, by name', operation: 'DescribeKey', outcome: 'ok', by: 'denied',
    decided: { verdict: 'allow', by: 'resource policy', policy: 'key policy', statement: 'statement 2 (named)' },
    call: sdk('denied', (kms, { key }) => kms.describeKey({ KeyId: key.id })) },
  { what: 'by a grant', operation: 'Decrypt', outcome: 'ok', by: 'grantee', decided: { verdict: 'allow', by: 'grant' },
    call: sdk('grantee', (kms, { blob }) => kms.decrypt({ CiphertextBlob: blob })) },
  { what: 'across accounts', operation: 'Encrypt', outcome: 'ok', by: 'stranger',
    decided: { verdict: 'allow', by: 'resource policy', statement: 'statement 3 (abroad)', and: administrators },
    call: sdk('stranger', (kms, { key }) => kms.encrypt({ KeyId: key.arn, Plaintext })) },
  { what: 'without the SDK', operation: 'ListKeys', outcome: 'ok', by: 'administrator', decided: administratorsOnly,
    call: raw('administrator', () => ({ operation: 'ListKeys' })) },
  { what: 'the administration', operation: 'ListApprovalRequests', outcome: 'ok', by: 'administrator', decided: administratorsOnly,
    call: async ({ tenants }) => answerOf(await administration(tenants.administrator, 'ListApprovalRequests', {})) },

  // not allowed
  { what: 'by nothing', operation: 'ScheduleKeyDeletion', outcome: 'AccessDeniedException', by: 'user', decided: denied('identity policy'),
    call: sdk('user', (kms, { key }) => kms.scheduleKeyDeletion({ KeyId: key.id })) },
  { what: 'without a key by nothing', operation: 'CreateKey', outcome: 'AccessDeniedException', by: 'user',
    decided: denied('identity policy'), call: sdk('user', kms => kms.createKey({})) },
  { what: 'by an explicit Deny', operation: 'Encrypt', outcome: 'AccessDeniedException', by: 'denied',
    decided: { verdict: 'deny', by: 'identity policy', policy: 'inline policy never', statement: 'statement 2 (never)' },
    call: sdk('denied', (kms, { key }) => kms.encrypt({ KeyId: key.id, Plaintext })) },
  { what: 'by a boundary', operation: 'Encrypt', outcome: 'AccessDeniedException', by: 'bounded', decided: denied('permissions boundary'),
    call: sdk('bounded', (kms, { key }) => kms.encrypt({ KeyId: key.id, Plaintext })) },
  { what: 'what no grant has', operation: 'Encrypt', outcome: 'AccessDeniedException', by: 'grantee', decided: denied('identity policy'),
    call: sdk('grantee', (kms, { key }) => kms.encrypt({ KeyId: key.id, Plaintext })) },
  { what: 'another context than the grant has', operation: 'Decrypt', outcome: 'AccessDeniedException', by: 'grantee',
    decided: denied('identity policy'),
    call: sdk('grantee', (kms, { blob }) => kms.decrypt({ CiphertextBlob: blob, EncryptionContext: { other: 'context' } })) },
  { what: 'a key of another account', operation: 'Decrypt', outcome: 'AccessDeniedException', by: 'stranger',
    decided: denied('resource policy'), call: sdk('stranger', (kms, { blob }) => kms.decrypt({ CiphertextBlob: blob })) },
  { what: 'a key of another account that there is not', operation: 'DescribeKey', outcome: 'AccessDeniedException', by: 'stranger',
    decided: denied('resource policy'),
    call: sdk('stranger', (kms, { key }) => kms.describeKey({ KeyId: key.arn.replace(key.id, missingKeyId) })) },
  { what: 'an operation that never crosses accounts', operation: 'DisableKey', outcome: 'AccessDeniedException', by: 'stranger',
    decided: denied('service'), call: sdk('stranger', (kms, { key }) => kms.disableKey({ KeyId: key.arn })) },
  { what: 'the administration', operation: 'LookupEvents', outcome: 'AccessDeniedException', by: 'user', decided: denied('identity policy'),
    call: async ({ tenants }) => answerOf(await administration(tenants.user, 'LookupEvents', {})) },

  // allowed, and refused for another reason
  { what: 'a disabled key', operation: 'Encrypt', outcome: 'DisabledException', by: 'administrator',
    decided: { verdict: 'allow', by: 'resource policy' },
    call: sdk('administrator', (kms, { disabled }) => kms.encrypt({ KeyId: disabled.id, Plaintext })) },
  { what: 'a key that there is not', operation: 'DescribeKey', outcome: 'NotFoundException', by: 'administrator', decided: undefined,
    call: sdk('administrator', kms => kms.describeKey({ KeyId: missingKeyId })) },
  { what: 'a ciphertext that was changed', operation: 'Decrypt', outcome: 'InvalidCiphertextException', by: 'administrator',
    decided: { verdict: 'allow', by: 'resource policy' },
    call: sdk('administrator', (kms, { blob }) => kms.decrypt({ CiphertextBlob: altered(Buffer.from(blob), blob.length - 1, 1) })) },
  { what: 'a rehearsal', operation: 'GenerateDataKey', outcome: 'DryRunOperationException', by: 'administrator',
    decided: { verdict: 'allow', by: 'resource policy' },
    call: sdk('administrator', (kms, { key }) => kms.generateDataKey({ KeyId: key.id, KeySpec: 'AES_256', DryRun: true })) },
  { what: 'a call that needs approval', operation: 'DeleteAlias', outcome: 'ApprovalRequiredException', by: 'administrator',
    decided: { verdict: 'allow' }, call: sdk('administrator', kms => kms.deleteAlias({ AliasName: 'alias/kept' })) },

  // refused before anything is decided
  { what: 'members of another type', operation: 'Encrypt', outcome: 'SerializationException', by: 'administrator', decided: undefined,
    call: raw('administrator', () => ({ operation: 'Encrypt', input: { KeyId: 1 } })) },
  { what: 'a body that is no JSON', operation: 'Encrypt', outcome: 'SerializationException', by: 'administrator', decided: undefined,
    call: raw('administrator', () => ({ operation: 'Encrypt', input: '{' })) },
  { what: 'members out of range', operation: 'ListKeys', outcome: 'ValidationException', by: 'administrator', decided: undefined,
    call: raw('administrator', () => ({ operation: 'ListKeys', input: { Limit: 0 } })) },
  { what: 'an operation that there is not', operation: 'Unknown', outcome: 'UnknownOperationException', by: 'administrator',
    decided: undefined, call: raw('administrator', () => ({ operation: 'NoSuchOperation' })) },
  { what: 'a wrong signature', operation: 'Unknown', outcome: 'InvalidSignatureException', by: 'nobody', decided: undefined,
    call: raw('administrator', () => ({ secretAccessKey: 'wrong' })) },
  { what: 'an unknown access key', operation: 'Unknown', outcome: 'UnrecognizedClientException', by: 'nobody', decided: undefined,
    call: raw('administrator', () => ({ accessKeyId: 'CVAKAAAAAAAAAAAAAAAA' })) },
  { what: 'no signature', operation: 'Unknown', outcome: 'MissingAuthenticationTokenException', by: 'nobody', decided: undefined,
    call: raw('administrator', () => ({ tamper: sent => { delete sent.headers.authorization } })) },
  { what: 'a signature for another service', operation: 'Unknown', outcome: 'InvalidSignatureException', by: 'nobody', decided: undefined,
    call: raw('administrator', () => ({ scope: { service: 's3' } })) },
]

describe('receipts of clients and the audit log', function suiteOfReceipts() {
  this.timeout(120_000)
  printSeedOfFailures()
  const dataDir = temporaryDirectory()
  let world: World
  let receipts: readonly Receipt[]
  let events: readonly CallEvent[]

  before(async () => {
    const server = await startServer({ dataDir, settings: {
      accountId, dualControl: { r: { operations: ['DeleteAlias'], approvals: 1, approvers: [`arn:aws:iam::${accountId}:user/user`] } },
    } })
    try {
      world = await worldOf(server)
      const before = auditEvents(dataDir).length
      receipts = await gathered(world)
      events = auditEvents(dataDir).slice(before)
    } finally {
      for (const kms of Object.values(world.clients)) kms.destroy()
      await server.close()
    }
  })
  after(() => removeDirectory(dataDir))

  it('are several hundred, of every kind', () => {
    expect(receipts.length).to.be.at.least(300)
    expect(new Set(receipts.map(({ row }) => row))).to.have.property('size', rows.length)
    for (const { row, outcome } of receipts) expect(outcome, `${row.operation}: ${row.what}`).to.equal(row.outcome)
  })

  it('are found in the log once each, and nothing else is there', () => {
    const ids = receipts.map(({ requestId }) => requestId)
    expect(new Set(ids).size).to.equal(ids.length)
    expect(events.map(({ requestID = '' }) => requestID).toSorted()).to.deep.equal(ids.toSorted())
  })

  it('have the operation, the outcome and the caller that the log has', () => {
    for (const { row, requestId, operation, outcome, by } of receipts) {
      const event = eventOf(requestId)
      expect([event.eventName, event.errorCode ?? 'ok'], row.what).to.deep.equal([operation, outcome])
      expect((event.userIdentity as { arn?: string } | undefined)?.arn, row.what).to.equal(by)
    }
  })

  it('have their reason in the log: the statement, the grant, or what did not allow', () => {
    for (const { row, requestId } of receipts) {
      const what = `${row.operation}: ${row.what}`
      const decisions = decisionsOf(requestId)
      if (row.decided) expect(decisions.at(-1), what).to.include(row.decided)
      else expect(decisions, what).to.deep.equal([])
      for (const decision of decisions) {
        expect(decision, what).to.include.all.keys('action', 'verdict', 'by')
        // What allows or denies has a name; of what nothing allows there is none.
        if (decision.verdict !== 'not allowed') expect(decision.policy, what).to.be.a('string')
        if (decision.by === 'grant') expect(decision.policy, what).to.equal(world.grantId)
        else if (decision.verdict !== 'not allowed') expect(decision.statement, what).to.match(/^statement [0-9]/)
      }
      const verdicts = decisions.map(({ verdict }) => verdict)
      if (row.outcome === 'ok') expect(new Set(verdicts), what).to.deep.equal(new Set(['allow']))
      if (row.outcome === 'AccessDeniedException' && row.decided) expect(verdicts.at(-1), what).to.not.equal('allow')
      if (row.outcome !== 'ok') expect(eventOf(requestId).errorCode, what).to.equal(row.outcome)
    }
  })

  it('are of a log in which `claviger audit verify` finds nothing', async () => {
    const report = await json(['audit', 'verify'], dataDir) as { readonly ok: boolean, readonly records: number }
    expect(report.ok).to.equal(true)
    expect(report.records).to.be.above(receipts.length)
  })

  function eventOf(requestId: string): CallEvent {
    const event = events.find(({ requestID }) => requestID === requestId)
    if (!event) throw new Error(`there is no record of ${requestId}`)
    return event
  }

  function decisionsOf(requestId: string): readonly Decision[] {
    return (eventOf(requestId).additionalEventData as { authorization?: readonly Decision[] } | undefined)?.authorization ?? []
  }
})

/** One client beside the other, each with calls of its own choice; between them every row is called. */
async function gathered(world: World): Promise<readonly Receipt[]> {
  const random = seeded('receipts')
  const clients = Array.from({ length: 6 }, (_, client) =>
    [...rows.filter((__, at) => at % 6 === client), ...Array.from({ length: callsPerClient }, () => random.pick(rows))])
  const all = await Promise.all(clients.map(async calls => {
    const receipts: Receipt[] = []
    for (const row of calls) {
      const { requestId, outcome } = await row.call(world)
      const by = row.by === 'nobody' ? undefined : world.tenants[row.by].arn
      receipts.push({ requestId, operation: row.operation, outcome, by, row })
    }
    return receipts
  }))
  return all.flat()
}

async function worldOf(server: TestServer): Promise<World> {
  await newAccount(server, otherAccountId)
  const inline = (name: string, policy: object): Partial<User> => ({ inlinePolicies: { [name]: JSON.stringify(policy) } })
  const boundary: ManagedPolicy = {
    kind: 'policy', accountId, name: 'limits', path: '/', id: 'ANPALIMITS', createdAt: 0, revision: 1, description: '', updatedAt: 0,
    document: JSON.stringify(allowing('kms:Describe*')),
  }
  await stored(server, boundary)
  const never = { Statement: [
    { Effect: 'Allow', Action: 'kms:*', Resource: '*' }, { Sid: 'never', Effect: 'Deny', Action: 'kms:Encrypt', Resource: '*' },
  ] }
  const tenants = {
    administrator: { ...server, arn: `arn:aws:iam::${accountId}:user/administrator` },
    user: await newTenant(server, 'user', { attachedPolicies: ['arn:aws:iam::aws:policy/ClavigerKeyUser'] }),
    grantee: await newTenant(server, 'grantee'),
    denied: await newTenant(server, 'denied', inline('never', never)),
    bounded: await newTenant(server, 'bounded', {
      ...inline('all', allowing('kms:*')), boundary: `arn:aws:iam::${accountId}:policy/limits`,
    }),
    stranger: await newAdministrator(server, 'stranger', otherAccountId),
  }
  const clients = Object.fromEntries(Object.entries(tenants).map(([name, tenant]) => [name, kmsClient(tenant, { maxAttempts: 1 })]))
  const { administrator: kms } = clients as World['clients']
  const [key, other, disabled] = [await newKey(kms), await newKey(kms), await newKey(kms)]
  const of = (Sid: string, arn: string, Action: string) => ({ Sid, Effect: 'Allow', Principal: { AWS: arn }, Action, Resource: '*' })
  const root = (account: string) => `arn:aws:iam::${account}:root`
  const policy = [
    of('account', root(accountId), 'kms:*'), of('named', tenants.denied.arn, 'kms:DescribeKey'),
    of('abroad', root(otherAccountId), 'kms:Encrypt'),
  ]
  for (const { id } of [key, other]) await kms.putKeyPolicy({ KeyId: id, Policy: JSON.stringify({ Statement: policy }) })
  await kms.disableKey({ KeyId: disabled.id })
  await kms.createAlias({ AliasName: 'alias/kept', TargetKeyId: key.id })
  const { CiphertextBlob: blob = new Uint8Array() } = await kms.encrypt({ KeyId: key.id, Plaintext })
  const { GrantId: grantId = '' } = await kms.createGrant({
    KeyId: key.id, GranteePrincipal: tenants.grantee.arn, Operations: ['Decrypt'], Constraints: { EncryptionContextEquals: {} },
  })
  return { server, key, other, disabled, blob, grantId, tenants, clients: clients as World['clients'] }
}
