import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { der, derOid, derSequence, derUnsigned, encodeDer, type DerNode } from '../../src/domain/der.js'
import { certificateParts, nextUpdateOf } from '../../src/domain/x509.js'
import { selfSigned } from '../http/self-signed.js'
import { TestCa } from '../support/pki.js'

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
}

describe('a revocation list', () => {
  const time = (text: string) => der(text.length === 13 ? 0x17 : 0x18, Buffer.from(text))
  const algorithm = derSequence(derOid('1.2.3'))
  const list = (...times: readonly DerNode[]) => encodeDer(derSequence(derSequence(derUnsigned(1), algorithm, derSequence(), ...times)))

  it('says until when it is good', () => {
    const until = nextUpdateOf(derOf(new TestCa('a CA').crl(3_600))) ?? 0
    expect(until - Date.now()).to.be.within(3_540_000, 3_601_000)
  })

  it('writes its times in two ways, and need not say it', () => {
    const issued = time('260101000000Z')
    expect(nextUpdateOf(list(issued, time('491231235959Z')))).to.equal(Date.UTC(2049, 11, 31, 23, 59, 59))
    expect(nextUpdateOf(list(issued, time('500101000000Z')))).to.equal(Date.UTC(1950, 0, 1))
    expect(nextUpdateOf(list(issued, time('20500101000000Z')))).to.equal(Date.UTC(2050, 0, 1))
    expect(nextUpdateOf(list(issued))).to.equal(undefined)
  })

  it('is not read where it is none', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('3000', 'hex'), list(), list(time('261301000000Z')), list(time('2601010000Z'))]) {
      expect(() => nextUpdateOf(bytes)).to.throw()
    }
  })
})

describe('a certificate', () => {
  it('has an algorithm and extensions, or none', () => {
    const { signatureAlgorithm, extensions } = certificateParts(new X509Certificate(new TestCa('a CA').certificate).raw)
    expect(signatureAlgorithm).to.equal('1.2.840.10045.4.3.2')
    expect(extensions.get('2.5.29.19')).to.deep.equal({ critical: true, value: Buffer.from('30030101ff', 'hex') })
    expect(extensions.get('2.5.29.14')?.critical).to.equal(false)
    expect(certificateParts(new X509Certificate(selfSigned().certificate).raw).extensions.size).to.equal(0)
  })

  it('is not read with bytes behind it, or broken off', () => {
    const { raw } = new X509Certificate(selfSigned().certificate)
    expect(() => certificateParts(Buffer.concat([raw, Buffer.alloc(1)]))).to.throw()
    expect(() => certificateParts(raw.subarray(0, -1))).to.throw()
  })
})
