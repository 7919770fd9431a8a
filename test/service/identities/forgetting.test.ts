import { expect } from 'chai'
import { createAccessKey, updateAccessKey } from '../../../src/api/iam/access-keys.js'
import { attachPolicy } from '../../../src/api/iam/policies.js'
import { administratorAccess } from '../../../src/domain/policy/managed-policies.js'
import { AccessKeys } from '../../../src/service/credentials.js'
import { onEveryCall } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'
import { foreignAdministrator } from '../iam/support.js'

describe('what one account changes', () => {
  const on = serviceSuite()
  let accessKeys: AccessKeys
  let accessKeyId: string
  let opened: number

  beforeEach(async () => {
    const { AccessKey } = await call(on.services, createAccessKey, { UserName: 'bob' })
    accessKeyId = AccessKey?.AccessKeyId ?? ''
    opened = 0
    const hsm = onEveryCall(on.hsm, method => { if (method === 'open') opened++ })
    accessKeys = new AccessKeys(on.store, hsm, on.services.identities)
    await accessKeys.lookup(accessKeyId)
    expect(opened).to.equal(1)
  })

  const attach = (AccountId?: string) => call(on.services, attachPolicy, {
    UserName: 'administrator', PolicyArn: administratorAccess.arn, ...AccountId !== undefined && { AccountId },
  }, foreignAdministrator)

  it('leaves the access keys of another in memory, and costs the HSM nothing, whether it changed anything or not', async () => {
    const known = await accessKeys.lookup(accessKeyId)
    for (let round = 0; round < 3; round++) await attach()
    expect(accessKeys.knows(accessKeyId)).to.equal(true)
    expect(await accessKeys.lookup(accessKeyId)).to.equal(known)
    expect(opened).to.equal(1)
  })

  it('nor does what it may not change there', async () => {
    const known = await accessKeys.lookup(accessKeyId)
    await refused(attach(accountId), 'AccessDeniedException')
    await refused(attach('777788889999'), 'AccessDeniedException')
    expect(await accessKeys.lookup(accessKeyId)).to.equal(known)
    expect(opened).to.equal(1)
  })

  it('makes its own be read again', async () => {
    await call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: administratorAccess.arn })
    expect((await accessKeys.lookup(accessKeyId))?.caller.policies).to.have.length(1)
    expect(opened).to.equal(2)
    await call(on.services, updateAccessKey, { UserName: 'bob', AccessKeyId: accessKeyId, Status: 'Inactive' })
    expect(await accessKeys.lookup(accessKeyId)).to.equal(undefined)
  })
})
