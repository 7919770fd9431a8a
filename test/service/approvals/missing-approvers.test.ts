import { expect } from 'chai'
import { getApprovalRequest } from '../../../src/api/iam/approvals.js'
import { createKey, scheduleKeyDeletion } from '../../../src/api/keys.js'
import { reportMissingApprovers } from '../../../src/service/approvals/missing-approvers.js'
import { approver, held, ruleOf, shown } from '../../support/approvals.js'
import { identityPolicy, allowing, otherAccountId, userCaller } from '../../support/callers.js'
import { serviceSuite } from '../../support/service-suite.js'
import { call, newKey } from '../../support/services.js'

const [anne, typo] = [approver('anne'), approver('bbo')]

describe('approvers that do not exist', () => {
  const on = serviceSuite()
  const warnings = () => on.log.entries.filter(({ level }) => level === 'warn').map(({ message, fields }) => [message, fields])

  it('are told in the log when the service starts, and that a rule has too few', async () => {
    on.restart({ rules: [ruleOf(1, [anne, typo], { name: 'one' }), ruleOf(2, [typo, anne], { name: 'two', operations: ['DisableKey'] })] })
    await reportMissingApprovers(on.services)
    const missing = 'an approver of a rule of dual control does not exist'
    expect(warnings()).to.deep.equal([
      [missing, { rule: 'one', approver: typo.arn }],
      [missing, { rule: 'two', approver: typo.arn }],
      ['a rule of dual control has fewer approvers than it needs: nothing that it covers can be done', {
        rule: 'two', approvals: 2, approvers: 1,
      }],
    ])
  })

  it('are no matter when all are there', async () => {
    on.restart({ rules: [ruleOf(1, [anne])] })
    await reportMissingApprovers(on.services)
    expect(warnings()).to.deep.equal([])
  })

  it('are shown with a request', async () => {
    on.restart({ rules: [ruleOf(1, [anne, typo])] })
    const id = await held(on.services, scheduleKeyDeletion, { KeyId: (await newKey(on.services)).key.keyId })
    expect(await shown(on.services, id)).to.deep.include({ Approvers: [anne.arn, typo.arn], MissingApprovers: [typo.arn] })
  })

  it('of another account are shown only to approvers and to the account of the installation', async () => {
    on.restart({ rules: [ruleOf(1, [anne, typo])] })
    const tenant = userCaller('administrator', [identityPolicy(allowing('*'))], { accountId: otherAccountId, accessKeyId: '' })
    const { KeyMetadata } = await call(on.services, createKey, {}, tenant)
    const id = await held(on.services, scheduleKeyDeletion, { KeyId: KeyMetadata?.KeyId ?? '' }, tenant)
    const asTenant = await call(on.services, getApprovalRequest, { ApprovalRequestId: id }, tenant)
    expect(asTenant.ApprovalRequest).to.not.have.property('MissingApprovers')
    expect(await shown(on.services, id, anne)).to.deep.include({ MissingApprovers: [typo.arn] })
  })
})
