import { expect } from 'chai'
import { assumeRole } from '../../../src/api/sts.js'
import { parseForm, readMembers } from '../../../src/http/sts/read-query.js'
import { refused } from '../../support/refusal.js'
import { randomFrom } from '../fixtures.js'

const form = (text: string | Uint8Array) => parseForm(Buffer.from(text))
const read = (text: string) => readMembers(assumeRole.input, form(text))
const unreadable = async (act: () => unknown) => (await refused(act, 'SerializationException')).message

describe('the form of a request', () => {
  it('is a tree of its names', () => {
    const { inner } = form('Action=AssumeRole&Tags.member.1.Key=a&Tags.member.1.Value=b')
    expect(inner.get('Action')?.value).to.equal('AssumeRole')
    expect(inner.get('Tags')?.inner.get('member')?.inner.get('1')?.inner.get('Value')?.value).to.equal('b')
  })

  it('has values with every character', () => {
    const value = (text: string) => form(`A=${text}`).inner.get('A')?.value
    expect(value('a+b%20c%2Bd%26e%3Df')).to.equal('a b c+d&e=f')
    expect(value('Zo%C3%AB%20%F0%9F%94%91')).to.equal('Zoë 🔑')
    expect(value('Zoë')).to.equal('Zoë')
    expect(value('%7B%22a%22%3A%22b%22%7D')).to.equal('{"a":"b"}')
    expect(value('a=b')).to.equal('a=b')
    expect(value('')).to.equal('')
    expect(form('A').inner.get('A')?.value).to.equal('')
    expect(form('').inner.size).to.equal(0)
  })

  const bad: readonly (readonly [string, string | Uint8Array])[] = [
    ['a parameter twice', 'Policy=a&Policy=b'],
    ['a parameter twice, once encoded', 'Policy=a&Polic%79=b'],
    ['a name without an end', 'Tags.=a'],
    ['a name without a beginning', '=a'],
    ['an empty pair', 'A=b&&C=d'],
    ['an ampersand at the end', 'A=b&'],
    ['a name with two dots', 'Tags..member=a'],
    ['a name with a bracket', 'Tags[0]=a'],
    ['a name with a space', 'Role+Arn=a'],
    ['__proto__ for a name', '__proto__=a'],
    ['__proto__ inside a name', 'Tags.__proto__.Key=a'],
    ['a name that is nested deeper than any', 'A.b.c.d.e=a'],
    ['a name without end', `${'A'.repeat(65)}=a`],
    ['half a percent sign', 'A=%'],
    ['an escape that is none', 'A=%zz'],
    ['an escape that is not UTF-8', 'A=%C3%28'],
    ['half a surrogate pair', 'A=%ED%A0%80'],
    ['an overlong escape', 'A=%C0%80'],
    ['bytes that are not UTF-8', Buffer.from([0x41, 0x3d, 0xff])],
    ['more parameters than any operation has', Array.from({ length: 257 }, (_, at) => `A${at}=b`).join('&')],
    ['ampersands without end', '&'.repeat(500_000)],
  ]
  for (const [what, text] of bad) {
    it(`is refused with ${what}`, async () => { await unreadable(() => form(text)) })
  }

  it('may have as many parameters as an operation has', () => {
    expect(form(Array.from({ length: 256 }, (_, at) => `A${at}=b`).join('&')).inner.size).to.equal(256)
  })

  it('names nothing of JavaScript: constructor and toString are names like any other', async () => {
    const { inner } = form('constructor=a&toString.valueOf=b')
    expect([...inner.keys()]).to.deep.equal(['constructor', 'toString'])
    expect(await unreadable(() => read('RoleArn=a&constructor=b'))).to.equal('There is no parameter constructor')
  })

  it('is read or refused, whatever the bytes are', () => {
    const random = randomFrom(5)
    const characters = ['A', 'a', '1', '.', '=', '&', '%', '+', '2', 'member', 'é', '\0', ';']
    for (let round = 0; round < 5_000; round++) {
      const text = Array.from({ length: Math.floor(random() * 20) }, () => characters[Math.floor(random() * characters.length)]).join('')
      try {
        read(text)
      } catch (error) {
        expect(error, JSON.stringify(text)).to.have.property('code', 'SerializationException')
      }
    }
  })
})

describe('the members of an operation', () => {
  it('are read by their shape, with defaults', () => {
    const text = 'Action=AssumeRole&Version=2011-06-15&RoleArn=r&RoleSessionName=s&PolicyArns.member.1.arn=p&PolicyArns.member.2.arn=q'
      + '&Tags.member.2.Key=c&Tags.member.2.Value=&Tags.member.1.Value=b&Tags.member.1.Key=a&TransitiveTagKeys.member.1=a'
    expect(read(text)).to.deep.equal({
      RoleArn: 'r', RoleSessionName: 's', PolicyArns: [{ arn: 'p' }, { arn: 'q' }], DurationSeconds: 3_600,
      Tags: [{ Key: 'a', Value: 'b' }, { Key: 'c', Value: '' }], TransitiveTagKeys: ['a'],
    })
  })

  it('may be an empty list, as the SDKs write it', () => {
    expect(read('Tags=&PolicyArns=')).to.deep.equal({ Tags: [], PolicyArns: [], DurationSeconds: 3_600 })
  })

  it('are numbers where they should be', async () => {
    expect(read('DurationSeconds=900')).to.deep.equal({ DurationSeconds: 900 })
    for (const text of ['', '1.5', '1e3', '0x10', ' 900', '900s', '99999999999', '2147483648', '%E0%A5%A7']) {
      expect(await unreadable(() => read(`DurationSeconds=${text}`)), text).to.equal('DurationSeconds must be a number')
    }
  })

  const bad: readonly (readonly [string, string])[] = [
    ['There is no parameter Polcy', 'Polcy=a'],
    ['There is no parameter policy', 'policy=a'],
    ['There is no parameter Tags.member.1.key', 'Tags.member.1.key=a'],
    ['RoleArn must be a single value', 'RoleArn.member.1=a'],
    ['RoleArn must be a single value', 'RoleArn=a&RoleArn.b=c'],
    ['Tags cannot be a single value', 'Tags=a'],
    ['Tags cannot be a single value', 'Tags=&Tags.member.1.Key=a'],
    ['Tags.member.1 cannot be a single value', 'Tags.member.1=a'],
    ['Tags must be a list: Tags.member.1', 'Tags.1.Key=a'],
    ['Tags must be a list: Tags.member.1', 'Tags.entry.1.Key=a'],
    ['Tags must be a list: Tags.member.1', 'Tags.member.1.Key=a&Tags.other=b'],
    ['Tags.member.0 is no member of a list', 'Tags.member.0.Key=a'],
    ['Tags.member.01 is no member of a list', 'Tags.member.01.Key=a'],
    ['Tags.member.1000 is no member of a list', 'Tags.member.1000.Key=a'],
    ['Tags.member.length is no member of a list', 'Tags.member.length.Key=a'],
    ['Members of Tags are missing', 'Tags.member.1.Key=a&Tags.member.3.Key=b'],
    ['Members of TransitiveTagKeys are missing', 'TransitiveTagKeys.member.2=a'],
  ]
  for (const [message, text] of bad) {
    it(`are refused when they are ${text}`, async () => {
      expect(await unreadable(() => read(text))).to.equal(message)
    })
  }
})
