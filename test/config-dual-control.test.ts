import { expect } from 'chai'
import { configSuite } from './support/config-suite.js'

const [anne, bob, role] = ['user/anne', 'user/bob', 'role/approvers'].map(name => `arn:aws:iam::111122223333:${name}`)

describe('configuration of dual control', () => {
  const { read, faultsOf } = configSuite()
  const good = { operations: ['ScheduleKeyDeletion'], approvals: 2, approvers: [anne, bob, role] }

  it('has no rule by default, and takes a day where a rule does not say otherwise', () => {
    expect(read({}).dualControl).to.deep.equal([])
    expect(read({ dualControl: { deletion: good } }).dualControl).to.deep.equal([
      { name: 'deletion', operations: ['ScheduleKeyDeletion'], approvals: 2, approvers: [anne, bob, role], expiresMs: 86_400_000 },
    ])
  })

  for (const [what, rule, fault] of [
    ['without operations', { operations: undefined }, 'dualControl.r.operations must name at least one operation'],
    ['of an operation that there is not', { operations: ['DeleteEverything'] },
      'dualControl.r.operations: DeleteEverything is not the name of an operation'],
    ['of an operation that is no own name of a table', { operations: ['constructor'] },
      'dualControl.r.operations: constructor is not the name of an operation'],
    ['of an operation that changes nothing', { operations: ['DescribeKey'] },
      'dualControl.r.operations: DescribeKey changes nothing that could wait for approval'],
    ['of an operation with plaintext', { operations: ['Decrypt'] },
      'dualControl.r.operations: Decrypt changes nothing that could wait for approval'],
    ['of an operation that takes a password', { operations: ['CreateCustomKeyStore'] },
      'dualControl.r.operations: CreateCustomKeyStore takes or gives secrets, which are not kept while they wait'],
    ['of an operation whose caller wants its answer', { operations: ['ReEncrypt'] },
      'dualControl.r.operations: ReEncrypt gives what nobody would be there to get'],
    ['of approvals', { operations: ['ApproveRequest'] }, 'dualControl.r.operations: ApproveRequest is how requests are decided about'],
    ['of rejections', { operations: ['RejectRequest'] }, 'dualControl.r.operations: RejectRequest is how requests are decided about'],
    ['without a number', { approvals: undefined }, 'dualControl.r.approvals is missing'],
    ['that needs nobody', { approvals: 0 }, 'dualControl.r.approvals must be a whole number from 1 to 100'],
    ['that needs more than it has', { approvals: 4 }, 'dualControl.r.approvers must be at least as many as dualControl.r.approvals'],
    ['that names one twice', { approvers: [anne, bob, anne] }, 'dualControl.r.approvers names one of them twice'],
    ['that names an account', { approvers: [anne, 'arn:aws:iam::111122223333:root'] },
      'dualControl.r.approvers: "arn:aws:iam::111122223333:root" is not the ARN of a user or role'],
    ['that names a session', { approvers: [anne, 'arn:aws:sts::111122223333:assumed-role/r/s'] },
      'dualControl.r.approvers: "arn:aws:sts::111122223333:assumed-role/r/s" is not the ARN of a user or role'],
    ['that names a group', { approvers: [anne, 'arn:aws:iam::111122223333:group/g'] },
      'dualControl.r.approvers: "arn:aws:iam::111122223333:group/g" is not the ARN of a user or role'],
    ['for an account that there cannot be', { accounts: ['1'] }, 'dualControl.r.accounts: "1" is not the 12 digits of an account'],
    ['that ends at once', { expiresHours: 0 }, 'dualControl.r.expiresHours must be a whole number from 1 to 720'],
    ['with a setting that there is not', { quorum: 2 }, 'there is no setting dualControl.r.quorum'],
  ] as const) {
    it(`refuses a rule ${what}`, () => {
      const [first, ...others] = faultsOf({ dualControl: { r: { ...good, ...rule } } })
      expect(first).to.equal(fault)
      // A number that is no good is also one that is missing.
      expect(others.filter(other => !other.endsWith('is missing'))).to.deep.equal([])
    })
  }

  it('refuses a name that could be mistaken', () => {
    expect(faultsOf({ dualControl: { 'a rule': good } })).to.deep.equal([
      '"a rule" cannot name a rule of dualControl: 1 to 64 letters, digits, _ or -',
    ])
  })

  it('refuses two rules for the same call', () => {
    const both = { a: good, b: { ...good, operations: ['PutKeyPolicy', 'ScheduleKeyDeletion'] } }
    const fault = 'dualControl.a and dualControl.b both cover ScheduleKeyDeletion of the same accounts'
    expect(faultsOf({ dualControl: both })).to.deep.equal([fault])
    expect(faultsOf({ dualControl: { ...both, a: { ...good, accounts: ['111122223333'] } } })).to.deep.equal([fault])
    const [one, other] = [['111122223333'], ['444455556666']]
    expect(faultsOf({ dualControl: { a: { ...good, accounts: one }, b: { ...both.b, accounts: other } } })).to.deep.equal([])
    expect(faultsOf({ dualControl: { a: { ...good, accounts: [...one, ...other] }, b: { ...both.b, accounts: other } } }))
      .to.deep.equal([fault])
  })
})
