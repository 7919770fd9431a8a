import { expect } from 'chai'
import type { Group, ManagedPolicy, Role, User } from '../../src/domain/identity.js'
import { StaleWriteError } from '../../src/ports/keys.js'
import type { Store } from '../../src/ports/store.js'
import { sampleUser } from '../support/callers.js'
import { accountId, rejected } from './store-samples.js'

const other = '444455556666'

function group(name: string, of: Partial<Group> = {}): Group {
  return {
    kind: 'group', accountId, name, path: '/', id: `AGPA${name}`, createdAt: 1, revision: 1, attachedPolicies: [], inlinePolicies: {},
    ...of,
  }
}

function role(name: string, of: Partial<Role> = {}): Role {
  return {
    ...group(name), kind: 'role', id: `AROA${name}`, description: '', tags: [], trustPolicy: '{}', trustBindings: {},
    maxSessionSeconds: 3600, ...of,
  }
}

function policy(name: string): ManagedPolicy {
  return {
    kind: 'policy', accountId, name, path: '/', id: `ANPA${name}`, createdAt: 1, revision: 1, description: '', document: '{}', updatedAt: 2,
  }
}

export function identitiesContract(store: () => Store): void {
  it('gives back an account, and keeps the first of a number', async () => {
    const account = { accountId, name: 'main "1"', createdAt: 7 }
    expect(await store().identities.account(accountId)).to.equal(undefined)
    expect(await store().identities.insertAccount(account)).to.equal(true)
    expect(await store().identities.insertAccount({ ...account, name: 'second' })).to.equal(false)
    expect(await store().identities.account(accountId)).to.deep.equal(account)
  })

  it('pages accounts in ascending order', async () => {
    for (const number of ['3', '1', '2']) {
      await store().identities.insertAccount({ accountId: number.repeat(12), name: number, createdAt: 1 })
    }
    expect((await store().identities.accounts(undefined, 2)).map(({ name }) => name)).to.deep.equal(['1', '2'])
    expect((await store().identities.accounts('2'.repeat(12), 2)).map(({ name }) => name)).to.deep.equal(['3'])
  })

  it('gives back entities of every kind, by name in any case and by id', async () => {
    const user: User = sampleUser('Anne', { tags: [{ key: 'k', value: 'v' }], groups: ['g'], boundary: 'arn', sessionsRevokedAt: 5 })
    const odd = group('__proto__', { inlinePolicies: Object.fromEntries([['__proto__', '{}'], ['constructor', '"']]) })
    const inserted = [user, odd, role('Anne'), policy('Anne')]
    for (const entity of inserted) expect(await store().identities.insert(entity)).to.equal(true)
    for (const entity of inserted) {
      expect(await store().identities.get(accountId, entity.kind, entity.name.toUpperCase())).to.deep.equal(entity)
      expect(await store().identities.byId(entity.kind, entity.id)).to.deep.equal(entity)
    }
    expect(await store().identities.byId('role', user.id)).to.equal(undefined)
    expect(await store().identities.get(other, 'user', 'anne')).to.equal(undefined)
    const stored = await store().identities.get(accountId, 'group', '__proto__')
    expect(Object.keys(stored?.inlinePolicies ?? {})).to.deep.equal(['__proto__', 'constructor'])
  })

  it('has one entity of a kind of a name, whatever its case, and one of an id', async () => {
    expect(await store().identities.insert(sampleUser('anne'))).to.equal(true)
    expect(await store().identities.insert(sampleUser('ANNE', { id: 'AIDA2' }))).to.equal(false)
    expect(await store().identities.insert(sampleUser('bob', { id: sampleUser('anne').id }))).to.equal(false)
    expect(await store().identities.count(accountId, 'user')).to.equal(1)
  })

  it('writes only over the revision that the writer has read', async () => {
    const user = sampleUser('anne')
    await store().identities.insert(user)
    const written = await store().identities.update({ ...user, groups: ['a'] })
    expect(written.revision).to.equal(user.revision + 1)
    await rejected(store().identities.update({ ...user, groups: ['b'] }), StaleWriteError)
    await rejected(store().identities.remove(user), StaleWriteError)
    expect(await store().identities.get(accountId, 'user', 'anne')).to.deep.equal(written)
    await store().identities.remove(written)
    await rejected(store().identities.update(written), StaleWriteError)
  })

  it('lists a kind of an account in ascending order without regard to case', async () => {
    for (const name of ['b', 'C', 'a']) await store().identities.insert(sampleUser(name, { id: `AIDA${name}` }))
    await store().identities.insert(sampleUser('d', { accountId: other, id: 'AIDAd' }))
    const names = async (after: string | undefined, limit: number) =>
      (await store().identities.list(accountId, 'user', after, limit)).map(({ name }) => name)
    expect(await names(undefined, 2)).to.deep.equal(['a', 'b'])
    expect(await names('b', 2)).to.deep.equal(['C'])
  })

  it('finds whatever may mention something, and nothing of another account', async () => {
    const arn = `arn:aws:iam::${accountId}:policy/p_1`
    const inserted = [
      sampleUser('attached', { attachedPolicies: [arn] }), sampleUser('bounded', { boundary: arn }), sampleUser('neither'),
      role('attached', { attachedPolicies: ['arn:other', arn] }), group('g', { attachedPolicies: [arn] }),
      sampleUser('foreign', { accountId: other, attachedPolicies: [arn] }),
    ]
    for (const entity of inserted) await store().identities.insert(entity)
    const found = async (text: string) =>
      (await store().identities.mentioning(accountId, JSON.stringify(text))).map(({ kind, name }) => `${kind} ${name}`)
    expect(await found(arn)).to.deep.equal(['group g', 'role attached', 'user attached', 'user bounded'])
    // Wildcards of the database are characters like any other.
    for (const text of [arn.replace('_', 'x'), 'arn:aws:iam::%', '_', '%', '!']) expect(await found(text), text).to.deep.equal([])
  })
}
