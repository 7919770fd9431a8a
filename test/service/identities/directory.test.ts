import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import type { Group, ManagedPolicy, User } from '../../../src/domain/identity.js'
import { parsePolicy } from '../../../src/domain/policy/parse.js'
import { IntegrityError } from '../../../src/ports/keys.js'
import { IdentityDirectory } from '../../../src/service/identities/directory.js'
import { accountId, allowing, otherAccountId, sampleUser } from '../../support/callers.js'
import { refused, rejected } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'

const decrypt = JSON.stringify(allowing('kms:Decrypt'))
const group: Group = {
  kind: 'group', accountId, name: 'readers', path: '/', id: 'AGPA1', createdAt: 0, revision: 1, attachedPolicies: [],
  inlinePolicies: { read: decrypt },
}
const policy: ManagedPolicy = {
  kind: 'policy', accountId, name: 'use', path: '/keys/', id: 'ANPA1', createdAt: 0, updatedAt: 0, revision: 1, description: '',
  document: decrypt,
}
const policyArn = `arn:aws:iam::${accountId}:policy/keys/use`
const carol = `arn:aws:iam::${accountId}:user/carol`

describe('the directory of identities', () => {
  const on = serviceSuite()
  const directory = () => new IdentityDirectory(on.store)

  async function stored(of: Partial<User> = {}): Promise<User> {
    const user = sampleUser('carol', of)
    await on.store.identities.insert(user)
    return user
  }

  const policiesOf = async (arn = carol, from = directory()) => (await from.principal(arn))?.policies.map(({ name }) => name)

  it('knows a user by exactly its ARN', async () => {
    await stored({ path: '/team/' })
    const arn = `arn:aws:iam::${accountId}:user/team/carol`
    expect((await directory().principal(arn))?.entity.name).to.equal('carol')
    for (const other of [carol, arn.replace('carol', 'Carol'), arn.replace('user', 'role'), arn.replace(accountId, otherAccountId)]) {
      expect(await directory().principal(other), other).to.equal(undefined)
    }
  })

  it('gathers the policies of a user and of its groups, managed and inline', async () => {
    await on.store.identities.insert(group)
    await on.store.identities.insert(policy)
    await stored({ groups: ['readers'], inlinePolicies: { own: decrypt }, attachedPolicies: [policyArn] })
    expect(await policiesOf()).to.deep.equal([
      'inline policy own', policyArn, `inline policy read of arn:aws:iam::${accountId}:group/readers`,
    ])
  })

  it('lets nobody do anything whose group or policy is gone, which may have denied something', async () => {
    const user = await stored({ attachedPolicies: [policyArn] })
    await rejected(directory().principal(carol), IntegrityError)
    await on.store.identities.update({ ...user, groups: ['gone'], attachedPolicies: [] })
    await rejected(directory().principal(carol), IntegrityError)
  })

  it('compiles an inline policy of a group once for all of its users', async () => {
    await on.store.identities.insert(group)
    await stored({ groups: ['readers'] })
    await on.store.identities.insert(sampleUser('dave', { groups: ['readers'] }))
    await on.store.identities.insert(policy)
    const from = directory()
    const [ofCarol, ofDave] = await Promise.all([carol, carol.replace('carol', 'dave')].map(arn => from.principal(arn)))
    expect(ofCarol?.policies).to.have.length(1)
    expect(ofDave?.policies[0]).to.equal(ofCarol?.policies[0])
  })

  it('answers for what is not stored by its own text, whatever is remembered under the name', async () => {
    const user = await stored({ inlinePolicies: { own: decrypt } })
    const from = directory()
    await from.principal(carol)
    const encrypt = JSON.stringify(allowing('kms:Encrypt'))
    expect((await from.asIfStored({ ...user, inlinePolicies: { own: encrypt } })).policies.map(({ text }) => text)).to.deep.equal([encrypt])
    from.forget()
    await from.asIfStored({ ...user, inlinePolicies: { own: encrypt } })
    expect((await from.principal(carol))?.policies.map(({ text }) => text)).to.deep.equal([decrypt])
  })

  it('reads again what there was no room for', async () => {
    for (const name of ['dave', 'erin', 'frank']) await on.store.identities.insert(sampleUser(name, { inlinePolicies: { own: decrypt } }))
    const from = new IdentityDirectory(on.store, 2_000)
    const of = (name: string) => from.principal(carol.replace('carol', name))
    const first = await of('dave')
    expect(await of('dave')).to.equal(first)
    for (const name of ['erin', 'frank']) expect((await of(name))?.policies).to.have.length(1)
    expect(await of('dave')).not.to.equal(first)
    expect((await of('dave'))?.policies).to.have.length(1)
  })

  it('lets nothing through a boundary that is gone', async () => {
    await stored({ boundary: policyArn })
    expect((await directory().principal(carol))?.boundary?.statements).to.deep.equal([])
  })

  it('remembers, until it is told to forget or another process has written', async () => {
    const user = await stored()
    const from = directory()
    expect(await policiesOf(carol, from)).to.deep.equal([])
    const version = from.versionOf(accountId)
    const changed = await on.store.identities.update({ ...user, attachedPolicies: ['arn:aws:iam::aws:policy/AdministratorAccess'] })
    expect(await policiesOf(carol, from)).to.deep.equal([])
    const others = from.versionOf(otherAccountId)
    from.forget(otherAccountId)
    expect([from.versionOf(accountId), await policiesOf(carol, from)]).to.deep.equal([version, []])
    from.forget(accountId)
    expect(from.versionOf(accountId)).to.not.equal(version)
    expect(from.versionOf(otherAccountId)).to.not.equal(others)
    expect(await policiesOf(carol, from)).to.have.length(1)
    await (await on.second()).identities.update({ ...changed, attachedPolicies: [] })
    await nextTurn()
    expect(await policiesOf(carol, from)).to.deep.equal([])
  })

  it('does not remember what was read before a write', async () => {
    const user = await stored()
    const from = directory()
    const reading = from.principal(carol)
    await on.store.identities.update({ ...user, inlinePolicies: { own: decrypt } })
    from.forget()
    await reading
    expect(await policiesOf(carol, from)).to.deep.equal(['inline policy own'])
  })

  it('refuses an identity that was changed behind the service', async () => {
    await stored()
    const tampered = { ...on.store, identities: { ...on.store.identities, get: () => Promise.reject(new IntegrityError('changed')) } }
    await rejected(new IdentityDirectory({ ...on.store, ...tampered }).principal(carol), IntegrityError)
  })

  describe('binding the principals of a policy', () => {
    const bind = (...principals: readonly string[]) => {
      const statement = { Sid: 'the one', Effect: 'Allow', Principal: { AWS: principals }, Action: '*' }
      return directory().bind(parsePolicy(JSON.stringify({ Statement: statement }), 'key'))
    }

    it('gives users, roles and sessions the unique ids that they have now', async () => {
      const user = await stored()
      expect(await bind(carol, '*', accountId, `arn:aws:iam::${otherAccountId}:root`)).to.deep.equal({ [carol]: user.id })
    })

    for (const nobody of [
      `arn:aws:iam::${accountId}:user/nobodyatall`, `arn:aws:iam::${accountId}:role/anne`, `arn:aws:iam::${accountId}:user/Anne`,
      `arn:aws:sts::${accountId}:assumed-role/none/session`, 'arn:aws:iam::999999999999:root', '999999999999',
      `arn:aws:sts::${accountId}:federated-user/anne`, `arn:aws:iam::${accountId}:user/path/anne`,
    ]) {
      it(`refuses ${nobody}, who does not exist, and names the statement`, async () => {
        const { message } = await refused(bind(nobody), 'MalformedPolicyDocumentException')
        expect(message).to.equal('Policy contains a statement with one or more invalid principals. '
          + `(statement 1 (the one): "${nobody}")`)
      })
    }
  })
})
