import { expect } from 'chai'
import { assumeRole, getCallerIdentity } from '../../../src/api/sts.js'
import { errorXml, escaped, resultXml } from '../../../src/http/sts/write-xml.js'

describe('answers in XML', () => {
  it('have the members of the contract and no others, in a result, and the request', () => {
    const output = { Account: '1', Arn: 'a<b', UserId: 'u', Secret: 'x' }
    expect(resultXml('GetCallerIdentity', getCallerIdentity.output, output, 'r-1')).to.equal(
      '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
      + '<UserId>u</UserId><Account>1</Account><Arn>a&lt;b</Arn></GetCallerIdentityResult>'
      + '<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>')
  })

  it('have times to the second, and leave out what is not there', () => {
    const end = new Date(Date.UTC(2026, 0, 2, 3, 4, 5))
    const Credentials = { AccessKeyId: 'a', SecretAccessKey: 'b+/', SessionToken: 'c==', Expiration: end }
    const xml = resultXml('AssumeRole', assumeRole.output, { Credentials, PackedPolicySize: 7 }, 'r')
    expect(xml).to.contain('<AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>b+/</SecretAccessKey>'
      + '<SessionToken>c==</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration></Credentials>'
      + '<PackedPolicySize>7</PackedPolicySize></AssumeRoleResult>')
  })

  it('of an error say whose it is', () => {
    expect(errorXml('Sender', 'AccessDenied', 'no & no', 'r')).to.equal(
      '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>'
      + '<Message>no &amp; no</Message></Error><RequestId>r</RequestId></ErrorResponse>')
    expect(errorXml('Receiver', 'InternalFailure', '', 'r')).not.to.contain('Message')
  })
})

describe('text in XML', () => {
  it('has no character that means something', () => {
    expect(escaped('<a b="c" d=\'e\'>&amp;]]></a>')).to.equal(
      '&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;amp;]]&gt;&lt;/a&gt;')
  })

  it('keeps tabs and ends of lines, and a carriage return as a reference', () => {
    expect(escaped('a\tb\nc\r\nd')).to.equal('a\tb\nc&#xD;\nd')
  })

  it('has a mark in the place of what XML cannot hold', () => {
    expect(escaped('a\u0000b\u001bc\ufffed\uffffe\ud83df\udd11')).to.equal('a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffd')
    expect(escaped('🔑 Zoë \u0085')).to.equal('🔑 Zoë \u0085')
  })
})
