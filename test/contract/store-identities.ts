import { expect } from 'chai'
import type { Group, IdentityEntity, ManagedPolicy, Role, User } from '../../src/domain/identity.js'
import type { Identities } from '../../src/ports/identities.js'
import { StaleWriteError } from '../../src/ports/keys.js'
import type { Store } from '../../src/ports/store.js'
import { accountId, rejected } from './store-samples.js'

const other = '444455556666'
const common = { accountId, path: '/', createdAt: 5, revision: 1, attachedPolicies: [], inlinePolicies: {} } as const

const user: User = {
  ...common, kind: 'user', name: 'Anne', id: 'AIDA1', path: '/team/a/', tags: [{ key: 'Team', value: 'A "𝄞"' }], boundary: 'arn:boundary',
  groups: ['Readers'], attachedPolicies: ['arn:a', 'arn:b'], inlinePolicies: { own: '{"a": "b"}' }, sessionsRevokedAt: 7,
}
const plainUser: User = { ...common, kind: 'user', name: 'bob', id: 'AIDA2', tags: [], groups: [] }
const group: Group = { ...common, kind: 'group', name: 'Readers', id: 'AGPA1' }
const role: Role = {
  ...common, kind: 'role', name: 'worker', id: 'AROA1', tags: [], description: 'works', trustPolicy: '{}',
  trustBindings: { 'arn:aws:iam::111122223333:user/Anne': 'AIDA1' }, maxSessionSeconds: 3600,
}
const policy: ManagedPolicy = {
  kind: 'policy', accountId, name: 'use', path: '/', id: 'ANPA1', createdAt: 5, updatedAt: 6, revision: 1, description: '', document: '{}',
}

export function identitiesContract(store: () => Store): void {
  const put = async (...entities: readonly IdentityEntity[]) => { for (const entity of entities) await store().identities.insert(entity) }

  it('gives back accounts, each id once', async () => {
    expect(await store().identities.account(accountId)).to.equal(undefined)
    const accounts = [other, accountId].map((id, at) => ({ accountId: id, name: `account "${at}"`, createdAt: at }))
    for (const account of accounts) expect(await store().identities.insertAccount(account)).to.equal(true)
    expect(await store().identities.insertAccount({ accountId, name: 'again', createdAt: 9 })).to.equal(false)
    expect(await store().identities.account(accountId)).to.deep.equal(accounts[1])
    expect(await store().identities.accounts(undefined, 1)).to.deep.equal([accounts[1]])
    expect(await store().identities.accounts(accountId, 9)).to.deep.equal([accounts[0]])
  })

  for (const entity of [user, plainUser, group, role, policy]) {
    it(`gives back every member of the ${entity.kind} ${entity.name}, and no other`, async () => {
      await put(entity)
      expect(await store().identities.get(accountId, entity.kind, entity.name)).to.deep.equal(entity)
      expect(await store().identities.byId(entity.kind, entity.id)).to.deep.equal(entity)
    })
  }

  it('finds by name without regard to case, within account and kind', async () => {
    await put(user)
    expect(await store().identities.get(accountId, 'user', 'aNNE')).to.deep.equal(user)
    expect(await store().identities.get(accountId, 'role', 'Anne')).to.equal(undefined)
    expect(await store().identities.get(other, 'user', 'Anne')).to.equal(undefined)
    expect(await store().identities.byId('role', user.id)).to.equal(undefined)
  })

  it('takes a name once, in whatever case, and an id once', async () => {
    await put(user)
    expect(await store().identities.insert({ ...user, id: 'AIDA9', name: 'anne' })).to.equal(false)
    expect(await store().identities.insert({ ...user, name: 'carol' })).to.equal(false)
    expect(await store().identities.insert({ ...user, id: 'AIDA9', accountId: other })).to.equal(true)
    expect(await store().identities.insert({ ...role, name: 'anne' })).to.equal(true)
  })

  it('changes what is stored as it was read, and nothing else', async () => {
    await put(user)
    const { sessionsRevokedAt: _, ...without } = user
    const written = await store().identities.update({ ...without, groups: [] })
    expect(written).to.deep.equal({ ...without, groups: [], revision: 2 })
    expect(await store().identities.get(accountId, 'user', 'Anne')).to.deep.equal(written)
    await rejected(store().identities.update(user), StaleWriteError)
    await rejected(store().identities.remove(user), StaleWriteError)
    expect(await store().identities.get(accountId, 'user', 'Anne')).to.deep.equal(written)
  })

  it('removes, and does not write what is gone', async () => {
    await put(user)
    await store().identities.remove(user)
    expect(await store().identities.get(accountId, 'user', 'Anne')).to.equal(undefined)
    await rejected(store().identities.update(user), StaleWriteError)
    await rejected(store().identities.remove(user), StaleWriteError)
  })

  it('lists and counts one kind of one account, a page at a time', async () => {
    const users = ['Carol', 'anne', 'Bob', 'dan'].map((name, at): User => ({ ...plainUser, name, id: `AIDA${at}` }))
    await put(...users, role, { ...plainUser, id: 'AIDA9', accountId: other })
    const page = async (after: string | undefined) =>
      (await store().identities.list(accountId, 'user', after, 2)).map(({ name }) => name)
    expect(await page(undefined)).to.deep.equal(['anne', 'Bob'])
    expect(await page('bob')).to.deep.equal(['Carol', 'dan'])
    expect(await page('dan')).to.deep.equal([])
    expect(await store().identities.count(accountId, 'user')).to.equal(4)
    expect(await store().identities.count(other, 'user')).to.equal(1)
    expect(await store().identities.count(accountId, 'group')).to.equal(0)
  })

  it('keeps policies whose names objects have by themselves', async () => {
    const inlinePolicies = Object.fromEntries([['__proto__', '{}'], ['constructor', '"']])
    await put({ ...group, name: '__proto__', inlinePolicies })
    const stored = await store().identities.get(accountId, 'group', '__proto__')
    expect(stored?.kind === 'group' && Object.entries(stored.inlinePolicies)).to.deep.equal([['__proto__', '{}'], ['constructor', '"']])
  })

  it('finds whatever may mention something, and nothing of another account', async () => {
    const arn = `arn:aws:iam::${accountId}:policy/p_1`
    const named = (name: string, of: Partial<User> = {}): User => ({ ...plainUser, name, id: `AIDA${name}`, ...of })
    const inserted = [
      named('attached', { attachedPolicies: [arn] }), named('bounded', { boundary: arn }), named('neither'),
      { ...role, name: 'attached', attachedPolicies: ['arn:other', arn] }, { ...group, name: 'g', attachedPolicies: [arn] },
      named('foreign', { accountId: other, attachedPolicies: [arn] }),
    ]
    for (const entity of inserted) await store().identities.insert(entity)
    const found = async (text: string) =>
      (await store().identities.mentioning(accountId, JSON.stringify(text), undefined, 10)).map(({ kind, name }) => `${kind} ${name}`)
    expect(await found(arn)).to.deep.equal(['group g', 'role attached', 'user attached', 'user bounded'])
    const page = async (after: Parameters<Identities['mentioning']>[2], limit: number) =>
      (await store().identities.mentioning(accountId, JSON.stringify(arn), after, limit)).map(({ kind, name }) => `${kind} ${name}`)
    expect(await page(undefined, 2)).to.deep.equal(['group g', 'role attached'])
    expect(await page({ kind: 'role', name: 'ATTACHED' }, 1)).to.deep.equal(['user attached'])
    expect(await page({ kind: 'user', name: 'attached' }, 5)).to.deep.equal(['user bounded'])
    // Wildcards of the database are characters like any other.
    for (const text of [arn.replace('_', 'x'), 'arn:aws:iam::%', '_', '%', '!']) expect(await found(text), text).to.deep.equal([])
  })
}
