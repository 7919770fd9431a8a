import { expect } from 'chai'
import type { Caller } from '../../../src/domain/caller.js'
import type { Key } from '../../../src/domain/key.js'
import type { Grant } from '../../../src/ports/grants.js'
import { GrantIndex } from '../../../src/service/grants/index.js'
import { otherAccountId, userCaller } from '../../support/callers.js'
import { onEveryCall } from '../../support/interruption.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, newKey } from '../../support/services.js'

const grantee = userCaller('grantee')
const foreigner = userCaller('mallory', [], { accountId: otherAccountId })

describe('the grants that may allow a call', () => {
  const on = serviceSuite()
  let key: Key
  let index: GrantIndex
  /** Methods of the store that were called. */
  let asked: string[]
  let made: number

  beforeEach(async () => {
    key = (await newKey(on.services)).key
    asked = []
    made = 0
    const grants = onEveryCall(on.store.grants, method => void asked.push(method))
    index = new GrantIndex({ ...on.store, generation: () => on.store.generation(), grants })
  })

  async function grant(to: Caller, of: Partial<Grant> = {}, store = on.store): Promise<Grant> {
    const { region, keyId } = key
    const whole: Grant = {
      region, keyId, grantId: String(++made).padStart(64, '0'), createdAt: 0, issuingAccount: `arn:aws:iam::${accountId}:root`,
      operations: ['Decrypt'], granteePrincipal: to.arn, granteeId: to.uniqueId, ...of,
    }
    expect(await store.grants.insert(whole)).to.equal(true)
    if (store === on.store) index.added(whole)
    return whole
  }
  const found = async (caller: Caller, context: Record<string, string> = {}, operation = 'Decrypt') =>
    (await index.find(key, { caller, operation, context, sourceArn: undefined }))?.grantId

  it('are asked for once by who has none, whatever contexts it thinks of', async () => {
    await grant(grantee)
    expect(await found(foreigner)).to.equal(undefined)
    asked.length = 0
    for (let at = 0; at < 500; at++) {
      const pairs = Array.from({ length: 64 }, (_, pair) => [`${at} ${pair}`, 'x'] as const)
      expect(await found(foreigner, Object.fromEntries(pairs))).to.equal(undefined)
    }
    expect(asked).to.deep.equal([])
  })

  it('of others stay in memory however many callers without one come, and their answers stay right', async () => {
    const { grantId } = await grant(grantee)
    for (let time = 0; time < 2; time++) expect(await found(grantee)).to.equal(grantId)
    for (let at = 0; at < 1_500; at++) {
      const session = { ...foreigner, arn: `arn:aws:sts::${otherAccountId}:assumed-role/r/${at}`, uniqueId: `AROA${at}` }
      expect(await found(session, { at: String(at) })).to.equal(undefined)
    }
    asked.length = 0
    for (const context of [{}, { never: 'seen' }]) expect(await found(grantee, context)).to.equal(grantId)
    expect(asked.filter(method => method === 'holding' || method === 'any'), 'what the grantee is has not been forgotten').to.deep.equal([])
  })

  it('are no more than a share of what is kept, whatever contexts one of their holders thinks of', async () => {
    const { grantId } = await grant(grantee)
    await grant(foreigner, { constraints: { EncryptionContextEquals: { only: 'this' } } })
    for (let time = 0; time < 2; time++) expect(await found(grantee)).to.equal(grantId)
    for (let at = 0; at < 500; at++) {
      const pairs = Array.from({ length: 64 }, (_, pair) => [`${at} ${pair}`, 'x'] as const)
      expect(await found(foreigner, Object.fromEntries(pairs))).to.equal(undefined)
    }
    asked.length = 0
    expect(await found(grantee)).to.equal(grantId)
    expect(asked).to.deep.equal([])
    expect(await found(foreigner, { only: 'this' })).to.not.equal(undefined)
  })

  it('count from the moment that they are made, and no longer than they last', async () => {
    await grant(grantee)
    expect(await found(foreigner)).to.equal(undefined)
    const one = await grant(foreigner)
    expect(await found(foreigner)).to.equal(one.grantId)
    expect(await found(foreigner, {}, 'Encrypt')).to.equal(undefined)
    const other = await grant(foreigner, { operations: ['Encrypt'], constraints: { EncryptionContextSubset: { a: '1' } } })
    expect(await found(foreigner, { a: '1', b: '2' }, 'Encrypt')).to.equal(other.grantId)
    for (const gone of [one, other]) {
      await on.store.grants.remove(key.region, key.keyId, gone.grantId)
      index.removed(gone)
    }
    for (const operation of ['Decrypt', 'Encrypt']) expect(await found(foreigner, { a: '1', b: '2' }, operation)).to.equal(undefined)
    asked.length = 0
    for (const operation of ['Decrypt', 'Encrypt']) expect(await found(foreigner, { never: 'seen' }, operation)).to.equal(undefined)
    expect(asked, 'it has none again').to.deep.equal([])
  })

  it('count also while they are made: what was read before is not remembered after', async () => {
    await grant(grantee)
    const [before, one] = await Promise.all([found(foreigner), grant(foreigner)])
    expect([undefined, one.grantId]).to.include(before)
    expect(await found(foreigner)).to.equal(one.grantId)
  })

  it('count when another process has made them', async () => {
    await grant(grantee)
    expect(await found(foreigner)).to.equal(undefined)
    const { grantId } = await grant(foreigner, {}, await on.second())
    await new Promise(resolve => setImmediate(resolve))
    expect(await found(foreigner)).to.equal(grantId)
  })
})
