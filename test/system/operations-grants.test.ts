import type { CreateGrantCommandInput } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { newUser, suite, type NewKey } from './suite.js'

describe('grants, through the SDK', () => {
  const on = suite()
  let key: NewKey
  let anne: string
  let root: string

  before(async () => {
    key = await on.newKey()
    root = `arn:aws:iam::${on.server.admin.accountId}:root`
    anne = await newUser(on.server, 'anne')
  })

  const grant = (of: Partial<CreateGrantCommandInput> = {}) =>
    on.kms.createGrant({ KeyId: key.id, GranteePrincipal: anne, Operations: ['Decrypt', 'Encrypt'], ...of })

  it('are made, listed, used and retired', async () => {
    const { GrantId, GrantToken = '' } = await grant({
      KeyId: key.arn, Name: 'reader', RetiringPrincipal: on.server.admin.accountId,
      Constraints: { EncryptionContextSubset: { Department: 'IT' } },
    })
    const listed = {
      KeyId: key.arn, GrantId, Name: 'reader', GranteePrincipal: anne, RetiringPrincipal: root, IssuingAccount: root,
      Operations: ['Decrypt', 'Encrypt'], Constraints: { EncryptionContextSubset: { Department: 'IT' } },
    }
    const { Grants: [found] = [], Truncated } = await on.kms.listGrants({ KeyId: key.id })
    expect(Truncated).to.equal(false)
    expect(found?.CreationDate).to.be.instanceOf(Date)
    expect(found).to.deep.equal({ ...listed, CreationDate: found?.CreationDate })
    expect((await on.kms.listRetirableGrants({ RetiringPrincipal: root })).Grants).to.deep.equal([found])
    await on.kms.encrypt({ KeyId: key.id, Plaintext: Buffer.from('x'), GrantTokens: [GrantToken] })
    await on.kms.retireGrant({ GrantToken })
    expect((await on.kms.listGrants({ KeyId: key.id })).Grants).to.deep.equal([])
    await on.kms.encrypt({ KeyId: key.id, Plaintext: Buffer.from('x'), GrantTokens: [GrantToken] })
  })

  it('are revoked by id, once', async () => {
    const { GrantId } = await grant()
    const { $metadata } = await on.kms.revokeGrant({ KeyId: key.id, GrantId })
    expect($metadata.httpStatusCode).to.equal(200)
    expect((await refusal(on.kms.revokeGrant({ KeyId: key.id, GrantId }))).code).to.equal('NotFoundException')
  })

  it('come in pages of 50, and of 100 at most', async () => {
    const { id: KeyId } = await on.newKey()
    for (let count = 0; count < 101; count++) await grant({ KeyId })
    const first = await on.kms.listGrants({ KeyId })
    expect([first.Grants?.length, first.Truncated]).to.deep.equal([50, true])
    const large = await on.kms.listGrants({ KeyId, Limit: 1000 })
    expect([large.Grants?.length, large.Truncated]).to.deep.equal([100, true])
    const last = await on.kms.listGrants({ KeyId, Limit: 1000, Marker: large.NextMarker })
    expect([last.Grants?.length, last.Truncated]).to.deep.equal([1, false])
  })

  it('are refused in the words of the API', async () => {
    for (const [call, code] of [
      [grant({ GranteePrincipal: 'anne' }), 'InvalidArnException'],
      [grant({ Operations: ['Sign'] }), 'ValidationException'],
      [grant({ KeyId: 'alias/a' }), 'NotFoundException'],
      [grant({ GrantTokens: ['AAAA'] }), 'InvalidGrantTokenException'],
      [on.kms.retireGrant({ GrantToken: 'AAAA' }), 'InvalidGrantTokenException'],
      [on.kms.revokeGrant({ KeyId: key.id, GrantId: 'x' }), 'InvalidGrantIdException'],
    ] as const) expect((await refusal(call)).code).to.equal(code)
  })

  it('leave no token in any log', async () => {
    const { GrantToken = '' } = await grant()
    await on.kms.retireGrant({ GrantToken })
    expect(JSON.stringify(on.server.logged)).to.not.contain(GrantToken)
  })
})
