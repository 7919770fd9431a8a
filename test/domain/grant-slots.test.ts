import { createHash } from 'node:crypto'
import { expect } from 'chai'
import type { Grant } from '../../src/domain/grant.js'
import { choicesOfGrant, placesOfUse } from '../../src/domain/grant-slots.js'
import { userCaller } from '../support/callers.js'
import { slotsOfUse } from '../support/grant-slots.js'

const anne = userCaller('anne')
const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('base64url')
const use = (context: Readonly<Record<string, string>>) => ({ caller: anne, operation: 'Encrypt', context, sourceArn: undefined })
const grantWith = (constraints: NonNullable<Grant['constraints']>) => choicesOfGrant({
  region: 'us-east-1', keyId: 'a', createdAt: 0, issuingAccount: '', operations: ['Encrypt'],
  granteePrincipal: anne.arn, granteeId: anne.uniqueId, constraints,
}).flat()

describe('the slots of grants', () => {
  it('are stored under hashes, for they may hold what nobody else should read', () => {
    const names = slotsOfUse(use({ b: '2', a: '1' })).map(({ name }) => name)
    expect(names).to.include.members([
      `${anne.uniqueId} Encrypt -`, `${anne.uniqueId} Encrypt =${digest([['a', '1'], ['b', '2']])}`,
      `${anne.uniqueId} Encrypt <${digest(['a', '1'])}`, `${anne.arn} Encrypt <${digest(['b', '2'])}`,
    ])
    expect(grantWith({ EncryptionContextSubset: { b: '2' } }).map(({ name }) => name))
      .to.deep.equal([`${anne.uniqueId} Encrypt <${digest(['b', '2'])}`])
  })

  it('are the same for a grant and for the calls that it allows, in memory and stored, however long the context', () => {
    for (const characters of [0, 1, 100, 118, 119, 120, 121, 122, 123, 124, 125, 126, 200, 384]) {
      const context = { pair: 'x'.repeat(characters) }
      for (const constraints of [{ EncryptionContextEquals: context }, { EncryptionContextSubset: context }]) {
        const [slot] = grantWith(constraints)
        expect(placesOfUse(use(context)).selectors, `${characters}`).to.include(slot?.selector)
        expect(slotsOfUse(use(context)).map(({ name }) => name), `${characters}`).to.include(slot?.name)
        expect(slot?.selector.length, 'kept in memory').to.be.at.most(129)
      }
    }
  })

  it('are told apart by a context that looks like a hash, or like another context', () => {
    const contexts = [{ a: '1' }, { '["a"': '"1"]' }, { a: digest(['a', '1']) }, { [digest(['a', '1'])]: '' }, { 'a","1': '' }]
    const selectors = contexts.flatMap(context => placesOfUse(use(context)).selectors.filter(selector => selector !== '-'))
    expect(new Set(selectors).size).to.equal(contexts.length * 2)
  })

  it('of a caller are those of each operation', () => {
    const holders = (operation: string) => placesOfUse({ ...use({}), operation }).holders
    expect(holders('Encrypt')).to.not.deep.equal(holders('Decrypt'))
    expect(holders('Encrypt')).to.deep.equal(holders('Encrypt'))
    expect(holders('Decrypt')).to.include(`${anne.uniqueId} Decrypt`)
  })
})
