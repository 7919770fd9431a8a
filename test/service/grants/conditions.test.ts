import { createGrant } from '../../../src/api/grants.js'
import type { Input } from '../../../src/api/shape.js'
import { identityPolicy, otherAccountId, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call, newKey, region } from '../../support/services.js'

type GrantInput = Partial<Input<typeof createGrant>>

const root = (account: string) => `arn:aws:iam::${account}:root`
const anne = `arn:aws:iam::${accountId}:user/anne`

/** Who may make grants under this condition, and no others. */
const maker = (Condition: object) => userCaller('maker', [identityPolicy({
  Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'kms:CreateGrant', Resource: '*', Condition },
})])

describe('a condition on the grants that somebody may make', () => {
  const on = serviceSuite()
  let KeyId: string

  beforeEach(async () => { KeyId = (await newKey(on.services)).key.keyId })

  const make = (Condition: object, of: GrantInput) =>
    call(on.services, createGrant, { KeyId, GranteePrincipal: anne, Operations: ['Decrypt'], ...of }, maker(Condition))
  const refusedFor = (Condition: object, of: GrantInput) => refused(make(Condition, of), 'AccessDeniedException')

  for (const member of ['GranteePrincipal', 'RetiringPrincipal'] as const) {
    const key = `kms:${member}`

    it(`${key} sees an account by the ARN of its root, however it was named`, async () => {
      for (const name of [otherAccountId, root(otherAccountId)]) {
        await make({ StringEquals: { [key]: root(otherAccountId) } }, { [member]: name })
        await refusedFor({ StringEquals: { [key]: otherAccountId } }, { [member]: name })
        // Nobody gets round what is kept from an account by naming it in another way.
        await refusedFor({ StringNotEquals: { [key]: root(otherAccountId) } }, { [member]: name })
      }
      await refusedFor({ StringEquals: { [key]: root(otherAccountId) } }, { [member]: accountId })
    })
  }

  it('kms:GrantConstraintType sees the constraint that will be stored', async () => {
    const pairs = { a: 'b' }
    const types = ['EncryptionContextEquals', 'EncryptionContextSubset'] as const
    for (const type of types) {
      for (const asked of types) {
        const condition = { StringEquals: { 'kms:GrantConstraintType': type } }
        const of = { Constraints: { [asked]: pairs } }
        await (type === asked ? make(condition, of) : refusedFor(condition, of))
      }
    }
  })

  it('kms:GrantConstraintType is absent where what is asked for constrains nothing', async () => {
    const SourceArn = `arn:aws:s3:${region}:${accountId}:bucket`
    for (const Constraints of [{ EncryptionContextSubset: {} }, {}, undefined, { SourceArn }, { SourceArn, EncryptionContextSubset: {} }]) {
      const of = { ...Constraints && { Constraints } }
      await refusedFor({ StringEquals: { 'kms:GrantConstraintType': 'EncryptionContextSubset' } }, of)
      await refusedFor({ StringLike: { 'kms:GrantConstraintType': '*' } }, of)
      await make({ Null: { 'kms:GrantConstraintType': 'true' } }, of)
    }
    // That no pairs are asked for is something, too.
    await make({ StringEquals: { 'kms:GrantConstraintType': 'EncryptionContextEquals' } }, { Constraints: { EncryptionContextEquals: {} } })
  })
})
