import type { KMS } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { kmsClient, refusal } from '../support/clients.js'
import { removeDirectory, startServer, temporaryDirectory } from '../support/server.js'
import { newAccount, newAdministrator, newTenant, type Tenant } from '../support/tenants.js'
import { administration } from './administration-client.js'
import { auditEvents } from './audit-records.js'
import { claviger, json } from './claviger.js'
import { rawRequest, type RawAnswer } from './raw-request.js'
import { newKey, suite } from './suite.js'

const accountId = '111122223333'
const otherAccountId = '999988887777'
const approverPolicies = { attachedPolicies: ['arn:aws:iam::aws:policy/ClavigerApprover'] }
const arn = (name: string, account = accountId) => `arn:aws:iam::${account}:user/${name}`

const approvers = ['anne', 'bob', 'carol'].map(name => arn(name))

describe('dual control', function suiteOfDualControl() {
  this.timeout(60_000)
  const on = suite({
    settings: {
      accountId,
      dualControl: {
        deletion: { operations: ['ScheduleKeyDeletion', 'PutKeyPolicy'], approvals: 2, approvers },
      },
    },
  })
  let [anne, bob, stranger]: readonly Tenant[] = []
  let asking: KMS
  const tenant = (of: Tenant | undefined): Tenant => {
    if (!of) throw new Error('there are users only while tests run')
    return of
  }

  before(async () => {
    await newAccount(on.server, otherAccountId)
    anne = await newTenant(on.server, 'anne', approverPolicies)
    bob = await newTenant(on.server, 'bob', approverPolicies)
    stranger = await newAdministrator(on.server, 'stranger', otherAccountId)
    // With retries: they must not make more of one call.
    asking = kmsClient(on.server)
  })
  after(() => asking.destroy())

  async function held(KeyId: string): Promise<string> {
    const { code, message } = await refusal(asking.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 }))
    expect(code).to.equal('ApprovalRequiredException')
    return /Approval request ([0-9a-f-]{36}) /.exec(message)?.[1] ?? ''
  }
  const environment = ({ url, admin }: Tenant) => ({
    AWS_ACCESS_KEY_ID: admin.accessKeyId, AWS_SECRET_ACCESS_KEY: admin.secretAccessKey, AWS_REGION: admin.region, AWS_ENDPOINT_URL_IAM: url,
  })
  const stateOf = async (KeyId: string) => (await on.kms.describeKey({ KeyId })).KeyMetadata?.KeyState
  const requestOf = ({ json: answer }: RawAnswer) => answer.ApprovalRequest as Record<string, unknown>

  it('is told by explain, of a call that would wait', async () => {
    const { id } = await newKey(on.kms)
    const line = (action: string, ...more: readonly string[]) =>
      claviger(['iam', 'explain', '--principal', arn('administrator'), '--action', action, ...more], on.server.dataDir)
    const { code, stdout } = await line('kms:ScheduleKeyDeletion', '--key', id)
    expect([code, stdout.split(':')[0]]).to.deep.equal([0, 'ALLOWED, and waits for 2 approvals (rule deletion)'])
    expect((await line('kms:DisableKey', '--key', id)).stdout).to.match(/^ALLOWED: /)
  })

  it('keeps a call until others have approved it, each with their own signed call', async () => {
    const { id: keyId, arn: keyArn } = await newKey(on.kms)
    const before = auditEvents(on.server.dataDir).length
    const id = await held(keyId)
    expect(await held(keyId)).to.equal(id)
    expect(await stateOf(keyId)).to.equal('Enabled')
    const first = await administration(tenant(anne), 'ApproveRequest', { ApprovalRequestId: id })
    expect([first.status, requestOf(first).Status]).to.deep.equal([200, 'PENDING'])
    const second = await administration(tenant(bob), 'ApproveRequest', { ApprovalRequestId: id })
    expect([second.status, requestOf(second).Status]).to.deep.equal([200, 'DONE'])
    expect(requestOf(second)).to.deep.include({ Resources: [keyArn], Input: `{"KeyId":"${keyId}","PendingWindowInDays":7}` })
    expect(await stateOf(keyId)).to.equal('PendingDeletion')
    const linked = auditEvents(on.server.dataDir).slice(before)
      .filter(({ additionalEventData: data }) => (data as { approvalRequest?: string } | undefined)?.approvalRequest === id)
    expect(linked.map(({ eventName, errorCode = 'done', eventSource }) => [eventName, errorCode, eventSource])).to.deep.equal([
      ['ScheduleKeyDeletion', 'ApprovalRequiredException', 'kms.amazonaws.com'],
      ['ScheduleKeyDeletion', 'ApprovalRequiredException', 'kms.amazonaws.com'],
      ['ApproveRequest', 'done', 'iam.amazonaws.com'],
      ['ScheduleKeyDeletion', 'done', 'kms.amazonaws.com'],
      ['ApproveRequest', 'done', 'iam.amazonaws.com'],
    ])
  })

  it('is no business of another account, nor of a signature for another service', async () => {
    const id = await held((await newKey(on.kms)).id)
    for (const operation of ['GetApprovalRequest', 'ApproveRequest', 'RejectRequest']) {
      const refused = await administration(tenant(stranger), operation, { ApprovalRequestId: id })
      expect([refused.status, refused.json]).to.deep.equal([400, {
        __type: 'NotFoundException', message: `Approval request ${id} is not found.`,
      }])
    }
    const wrong = await administration(tenant(anne), 'ApproveRequest', { ApprovalRequestId: id }, 'kms')
    expect(wrong.json.__type).to.equal('InvalidSignatureException')
    const own = await administration(on.server, 'ApproveRequest', { ApprovalRequestId: id })
    expect(own.json.__type).to.equal('AccessDeniedException')
  })

  for (const [what, input] of [
    ['no id', {}], ['an id of another form', { ApprovalRequestId: '../..' }], ['an id that is no text', { ApprovalRequestId: 1 }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { status, json: { __type } } = await administration(tenant(anne), 'ApproveRequest', input)
      expect(status).to.equal(400)
      expect(__type).to.be.oneOf(['ValidationException', 'SerializationException'])
    })
  }

  describe('by commands', () => {
    it('list, show, approve and reject', async () => {
      const { id: keyId, arn: keyArn } = await newKey(on.kms)
      const Principal = { AWS: `arn:aws:iam::${accountId}:root` }
      const Statement = { Sid: 'Only\u009b2Jone', Effect: 'Allow', Principal, Action: 'kms:*', Resource: '*' }
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement }, null, 2)
      const { message } = await refusal(asking.putKeyPolicy({ KeyId: keyId, Policy }))
      const id = /Approval request ([0-9a-f-]{36}) /.exec(message)?.[1] ?? ''
      const as = (by: Tenant | undefined) => environment(tenant(by))

      const listed = await json(['approvals', 'list'], undefined, as(anne)) as readonly { readonly ApprovalRequestId: string }[]
      expect(listed.map(({ ApprovalRequestId: each }) => each)).to.include(id)
      const { stdout: table } = await claviger(['approvals', 'list'], undefined, as(anne))
      expect(table).to.match(new RegExp(`^${id} +PENDING +0 of 2 +PutKeyPolicy +${keyArn} +${arn('administrator')} +2`, 'm'))

      const { stdout: shown } = await claviger(['approvals', 'show', id], undefined, as(anne))
      for (const text of [
        `approval request ${id}: PENDING, 0 of 2 approvals`, 'PutKeyPolicy (kms) in us-east-1', keyArn, arn('administrator'), '127.0.0.1',
        'aws-sdk-js', `  KeyId: ${keyId}`, ...Policy.replace('\u009b', '\\u{9b}').split('\n').map(line => `    ${line}`),
        `rule        deletion; approvers ${approvers.join(', ')} (does not exist)`,
      ]) expect(shown).to.include(text)
      expect(shown).to.not.include('\u009b')

      const approved = await claviger(['approvals', 'approve', id], undefined, as(anne))
      expect([approved.code, approved.stdout.split('\n')[0]]).to.deep.equal([0, `approval request ${id}: PENDING, 1 of 2 approvals`])
      const rejected = await claviger(['approvals', 'reject', id, '--reason', 'too wide'], undefined, as(bob))
      expect(rejected.stdout).to.include(`approval request ${id}: REJECTED`)
        .and.to.include(`REJECTED by ${arn('bob')} from 127.0.0.1 at 2`).and.to.include(': too wide')
      const late = await claviger(['approvals', 'approve', id], undefined, as(anne))
      // It was approved by anne before, and is told again how it stands.
      expect([late.code, late.stdout.split('\n')[0]]).to.deep.equal([0, `approval request ${id}: REJECTED, 1 of 2 approvals`])
    })

    it('end with 1 when what was approved is refused by then', async () => {
      const { id: keyId } = await newKey(on.kms)
      const id = await held(keyId)
      await claviger(['approvals', 'approve', id], undefined, environment(tenant(anne)))
      await on.server.services.directory.change(on.server.admin.region, keyId, ({ key }) =>
        ({ key: { ...key, state: 'PendingDeletion', deletionDate: Date.now() + 1e9 } }))
      const { code, stdout } = await claviger(['approvals', 'approve', id], undefined, environment(tenant(bob)))
      expect(code).to.equal(1)
      expect(stdout).to.include(': FAILED, 2 of 2 approvals\n')
      expect(stdout).to.match(/\noutcome \(request id [0-9a-f-]{36}\): KMSInvalidStateException: .* is pending deletion\.\n$/)
    })

    it('use the administrator\'s credentials where the environment has none', async () => {
      const { code, stdout } = await claviger(['approvals', 'list', '--status', 'all'], on.server.dataDir)
      expect(code).to.equal(0)
      expect(stdout).to.match(/^APPROVAL REQUEST +STATUS/)
    })

    it('say what is wrong, in the words of the service and by the exit code', async () => {
      const unknown = '00000000-0000-4000-8000-000000000000'
      const as = environment(tenant(anne))
      const outcomes = await Promise.all([
        ['approvals', 'show', unknown], ['approvals', 'show', 'x'], ['approvals', 'list', '--status', 'open'],
      ].map(line => claviger(line, undefined, as)))
      expect(outcomes.map(({ code, stderr }) => [code, stderr])).to.deep.equal([
        [1, `claviger: NotFoundException: Approval request ${unknown} is not found.\n`],
        [2, 'claviger: "x" is not the id of an approval request\n'],
        [2, 'claviger: --status is one of pending, executing, done, failed, interrupted, rejected, expired, all\n'],
      ])
      const nobody = await claviger(['approvals', 'list'])
      expect([nobody.code, nobody.stderr]).to.deep.equal([1, nobody.stderr])
      expect(nobody.stderr).to.match(/^claviger: the environment has no access key with an AWS_ENDPOINT_URL_IAM/)
    })
  })
})

describe('a call that waits for approval', () => {
  it('still waits after a restart, and takes effect then', async () => {
    const dataDir = temporaryDirectory()
    const settings = { accountId, dualControl: { r: { operations: ['DisableKey'], approvals: 1, approvers: [arn('anne')] } } }
    let server = await startServer({ dataDir, settings })
    try {
      const anne = await newTenant(server, 'anne', approverPolicies)
      const made = await rawRequest(server, { operation: 'CreateKey' })
      const { KeyId } = made.json.KeyMetadata as { KeyId: string }
      const refused = await rawRequest(server, { operation: 'DisableKey', input: { KeyId } })
      const id = /Approval request ([0-9a-f-]{36}) /.exec(String(refused.json.message))?.[1]
      await server.close()
      server = await startServer({ dataDir, settings })
      const approved = await administration({ ...anne, url: server.url }, 'ApproveRequest', { ApprovalRequestId: id })
      expect(approved.json.ApprovalRequest).to.include({ Status: 'DONE' })
      const { json: { KeyMetadata } } = await rawRequest(server, { operation: 'DescribeKey', input: { KeyId } })
      expect(KeyMetadata).to.include({ KeyState: 'Disabled' })
    } finally {
      await server.close()
      removeDirectory(dataDir)
    }
  })
})
