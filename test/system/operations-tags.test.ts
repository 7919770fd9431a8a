import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { suite } from './suite.js'

const tagsPerKeyMax = 50
const tag = (TagKey: string, TagValue = '') => ({ TagKey, TagValue })
const numbered = (count: number) => Array.from({ length: count }, (_, at) => tag(`tag-${String(at).padStart(2, '0')}`, `${at}`))

describe('tags over HTTP', () => {
  const on = suite()

  it('TagResource adds tags and replaces values, by case-sensitive key', async () => {
    const { id } = await on.newKey({ Tags: [tag('a', '1'), tag('b', '2')] })
    await on.kms.tagResource({ KeyId: id, Tags: [tag('b', 'new'), tag('B', '3')] })
    expect((await on.kms.listResourceTags({ KeyId: id })).Tags).to.have.deep.members([tag('a', '1'), tag('b', 'new'), tag('B', '3')])
  })

  it('UntagResource takes tags away and does not mind those that are not there', async () => {
    const { id } = await on.newKey({ Tags: [tag('a'), tag('b')] })
    await on.kms.untagResource({ KeyId: id, TagKeys: ['a', 'never'] })
    expect((await on.kms.listResourceTags({ KeyId: id })).Tags).to.deep.equal([tag('b')])
  })

  it('takes the longest key and value, and any script', async () => {
    const { id } = await on.newKey()
    const tags = [tag('к'.repeat(128), '値'.repeat(256)), tag('__proto__', 'constructor')]
    await on.kms.tagResource({ KeyId: id, Tags: tags })
    expect((await on.kms.listResourceTags({ KeyId: id })).Tags).to.have.deep.members(tags)
  })

  it(`lets a key have ${tagsPerKeyMax} tags and no more`, async () => {
    const { id } = await on.newKey()
    await on.kms.tagResource({ KeyId: id, Tags: numbered(tagsPerKeyMax) })
    const tooMany = { code: 'TagException', message: 'Too many tags' }
    expect(await refusal(on.kms.tagResource({ KeyId: id, Tags: [tag('one more')] }))).to.deep.equal(tooMany)
    expect(await refusal(on.kms.createKey({ Tags: numbered(tagsPerKeyMax + 1) }))).to.deep.equal(tooMany)
    // Replacing is not adding.
    await on.kms.tagResource({ KeyId: id, Tags: [tag('tag-00', 'again')] })
    expect((await on.kms.listResourceTags({ KeyId: id })).Tags).to.have.length(tagsPerKeyMax)
  })

  for (const [title, tags, message] of [
    ['one key twice', [tag('a', '1'), tag('a', '2')], 'Duplicate tag keys'],
    ['the prefix aws:', [tag('aws:x')], 'Tags beginning with aws: are reserved'],
    ['the prefix aws: in capitals', [tag('aWS:x')], 'Tags beginning with aws: are reserved'],
  ] as const) {
    it(`TagResource refuses ${title}, and changes nothing`, async () => {
      const { id } = await on.newKey()
      const answer = await refusal(on.kms.tagResource({ KeyId: id, Tags: [tag('good'), ...tags] }))
      expect(answer).to.deep.equal({ code: 'TagException', message })
      expect((await on.kms.listResourceTags({ KeyId: id })).Tags).to.deep.equal([])
    })
  }

  it('keeps every tag of calls that are made at the same time', async () => {
    const { id } = await on.newKey()
    await Promise.all(numbered(5).map(one => on.kms.tagResource({ KeyId: id, Tags: [one] })))
    expect((await on.kms.listResourceTags({ KeyId: id })).Tags).to.have.deep.members(numbered(5))
  })
})
