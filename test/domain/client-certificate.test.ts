import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { CertificateRules, patternFault, sessionNameOf, type CertificateRule, type MatchedBy } from '../../src/domain/certificate-rules.js'
import { clientCertificate, isHostName, isSpiffeId, shownCertificate } from '../../src/domain/client-certificate.js'
import { handmade, nameOf, type AlternativeName } from '../support/handmade-certificate.js'
import { TestCa, type Pair, type Wanted } from '../support/pki.js'

const read = ({ certificate }: Pair) => clientCertificate(new X509Certificate(certificate))

const role = { kind: 'role', name: 'arn:aws:iam::111122223333:role/r' } as const
const rule = (by: MatchedBy, pattern: string, name = 'r'): CertificateRule => ({ name, match: { by, pattern }, principal: role })

describe('a client certificate', () => {
  let ca: TestCa
  before(() => { ca = new TestCa('a CA') })

  const issued = (wanted: Wanted) => read(ca.issue(wanted))
  const named = (...names: readonly AlternativeName[]) => read(handmade(ca, { names }))
  /** Names that the rule finds in a certificate. */
  const found = (certificate: ReturnType<typeof read>, by: MatchedBy, pattern: string) =>
    new CertificateRules([rule(by, pattern)]).find(certificate)?.names ?? []

  describe('says', () => {
    it('who it is for, by whom it can be found, and for how long it is good', () => {
      const [from, until] = [new Date('2026-01-02T03:04:05Z'), new Date('2056-01-02T03:04:05Z')]
      const pair = ca.issue({
        subject: '/O=Example/CN=Zoë', names: ['URI:spiffe://example.org/ns/a/sa/b', 'DNS:B.example.org', 'DNS:c.example.org'], from, until,
      })
      const x509 = new X509Certificate(pair.certificate)
      const certificate = read(pair)
      expect(certificate).to.deep.equal({
        subject: [[{ type: 'O', value: 'Example' }], [{ type: 'CN', value: 'Zoë' }]],
        spiffeId: 'spiffe://example.org/ns/a/sa/b', dnsNames: ['b.example.org', 'c.example.org'],
        serialNumber: x509.serialNumber, fingerprint: x509.fingerprint256, notBefore: from.getTime(), notAfter: until.getTime(),
      })
      expect(shownCertificate(certificate, 'mine')).to.deep.equal({
        rule: 'mine', subject: 'O=Example,CN=Zoë', spiffeId: 'spiffe://example.org/ns/a/sa/b', dnsNames: 'b.example.org, c.example.org',
        serialNumber: x509.serialNumber, sha256Fingerprint: x509.fingerprint256,
      })
    })

    it('nothing of a subject that cannot be read, and its other names all the same', () => {
      const odd = handmade(ca, { subject: nameOf({ type: 'CN', value: 'admin\0.evil' }), names: [['dns', 'a.example.org']] })
      expect(read(odd)).to.deep.include({ dnsNames: ['a.example.org'] }).and.not.to.have.any.keys('subject', 'fault')
      expect(shownCertificate(read(odd))).not.to.have.property('subject')
      expect(read(handmade(ca, { subject: nameOf(), names: [['dns', 'a.example.org']] }))).not.to.have.property('subject')
    })

    it('no more in a log than the limit', () => {
      const many = named(...Array.from({ length: 100 }, (_, at) => ['dns', `h${at}.example.org`] as const))
      expect(shownCertificate(many).dnsNames?.split(', ')).to.have.length(8)
      const long = read(handmade(ca, { subject: nameOf({ type: 'CN', value: 'x'.repeat(5_000) }) }))
      expect(shownCertificate(long).subject).to.have.length(512)
    })
  })

  describe('is nobody\'s', () => {
    const spiffe = ['uri', 'spiffe://example.org/a'] as const
    const faulty: Readonly<Record<string, readonly AlternativeName[]>> = {
      'with several SPIFFE ids': [spiffe, ['uri', 'spiffe://example.org/b']],
      'with one SPIFFE id twice': [spiffe, spiffe],
      'with a SPIFFE id and another URI': [spiffe, ['uri', 'https://example.org/']],
      'with a SPIFFE id behind another URI': [['uri', 'https://example.org/'], spiffe],
      'with a SPIFFE id in capitals beside another': [spiffe, ['uri', 'SPIFFE://example.org/b']],
      'with a SPIFFE id of no path': [['uri', 'spiffe://example.org']],
      'with a SPIFFE id that ends in a slash': [['uri', 'spiffe://example.org/a/']],
      'with a SPIFFE id of a dot segment': [['uri', 'spiffe://example.org/a/../b']],
      'with a SPIFFE id of a trust domain in capitals': [['uri', 'spiffe://Example.org/a']],
      'with a SPIFFE id of a port': [['uri', 'spiffe://example.org:80/a']],
      'with a SPIFFE id of a user': [['uri', 'spiffe://u@example.org/a']],
      'with a SPIFFE id of a query': [['uri', 'spiffe://example.org/a?b']],
      'with a SPIFFE id that has a percent': [['uri', 'spiffe://example.org/a%2fb']],
      'with a SPIFFE id that has a NUL': [['uri', 'spiffe://example.org/a\0']],
      'with a SPIFFE id that has a line feed behind it': [['uri', 'spiffe://example.org/a\n']],
      'with a SPIFFE id that has a wildcard': [['uri', 'spiffe://example.org/*']],
      'with a SPIFFE id that is too long': [['uri', `spiffe://example.org/${'a'.repeat(2_048)}`]],
    }
    for (const [how, names] of Object.entries(faulty)) {
      it(how, () => {
        expect(named(...names).fault).to.be.a('string')
        expect(named(...names).spiffeId).to.equal(undefined)
      })
    }

    it('when it is that of a CA', () => {
      expect(issued({ isCa: true }).fault).to.match(/CA/)
    })

    it('when its names cannot be read', () => {
      for (const bytes of [Buffer.from('0102', 'hex'), Buffer.from('30820000', 'hex'), Buffer.from('3003860561', 'hex')]) {
        expect(read(handmade(ca, { alternativeNames: bytes })).fault).to.equal('it cannot be read')
      }
      expect(read(handmade(ca, { names: [['dns', 'a.example.org']], twice: true })).fault).to.equal('it cannot be read')
    })
  })

  describe('fits a rule by SPIFFE id', () => {
    const id = (path: string) => named(['uri', `spiffe://example.org/${path}`])

    it('to the letter', () => {
      expect(found(id('payments/api'), 'spiffe', 'spiffe://example.org/payments/api')).to.deep.equal(['api'])
      for (const path of ['payments/apis', 'payments/ap', 'payments/API', 'payments', 'payments/api/x', 'x/payments/api']) {
        expect(found(id(path), 'spiffe', 'spiffe://example.org/payments/api'), path).to.deep.equal([])
      }
      expect(found(named(['uri', 'spiffe://example.com/payments/api']), 'spiffe', 'spiffe://example.org/payments/api')).to.deep.equal([])
    })

    it('with * for one part at the end', () => {
      expect(found(id('payments/api'), 'spiffe', 'spiffe://example.org/payments/*')).to.deep.equal(['api'])
      expect(found(id('a'), 'spiffe', 'spiffe://example.org/*')).to.deep.equal(['a'])
      for (const path of ['payments', 'payments/a/b', 'paymentsx/a', 'x/payments/a', 'payments-b/a']) {
        expect(found(id(path), 'spiffe', 'spiffe://example.org/payments/*'), path).to.deep.equal([])
      }
      expect(found(named(['uri', 'spiffe://evil.org/payments/a']), 'spiffe', 'spiffe://example.org/payments/*')).to.deep.equal([])
    })

    it('and by nothing else than a URI', () => {
      const text = 'spiffe://example.org/a'
      expect(found(named(['dns', text], ['email', text]), 'spiffe', text)).to.deep.equal([])
      expect(found(issued({ subject: '/CN=spiffe:\\/\\/example.org\\/a' }), 'spiffe', text)).to.deep.equal([])
    })
  })

  describe('fits a rule by DNS name', () => {
    const names = (...of: readonly string[]) => named(...of.map(name => ['dns', name] as const))

    it('whatever the case of its letters, and with any of its names', () => {
      expect(found(names('x.org', 'Backup.Example.org'), 'dns', 'backup.example.org')).to.deep.equal(['backup.example.org'])
    })

    it('with * for the first label, one whole label', () => {
      expect(found(names('a.clients.example.org'), 'dns', '*.clients.example.org')).to.deep.equal(['a.clients.example.org'])
      for (const name of ['clients.example.org', '.clients.example.org', 'a.b.clients.example.org', 'aclients.example.org',
        'a.clients.example.org.x', 'a.clients.example.orgx', 'a.xclients.example.org']) {
        expect(found(names(name), 'dns', '*.clients.example.org'), name).to.deep.equal([])
      }
    })

    it('with each of its names that does', () => {
      expect(found(names('a.example.org', 'b.example.org', 'a.example.org', 'c.org'), 'dns', '*.example.org'))
        .to.deep.equal(['a.example.org', 'b.example.org'])
    })

    it('not with a wildcard of its own, nor with what is no host name', () => {
      for (const name of ['*.example.org', 'a*.example.org', '*', 'a.example.org\0', '\0.example.org', 'a\0b.example.org', 'a.example.org.',
        'a.example.org ', ' a.example.org', 'a b.example.org', '-a.example.org', 'a-.example.org', 'é.example.org',
        `${'a'.repeat(64)}.example.org`, 'a/b.example.org', 'a.example.org\n', '\u212aa.example.org']) {
        expect(found(names(name), 'dns', '*.example.org'), JSON.stringify(name)).to.deep.equal([])
        expect(names(name).dnsNames, JSON.stringify(name)).to.deep.equal([])
      }
    })

    it('and never by its CN', () => {
      expect(found(issued({ subject: '/CN=backup.example.org' }), 'dns', 'backup.example.org')).to.deep.equal([])
    })
  })

  describe('fits a rule by subject', () => {
    it('attribute by attribute', () => {
      expect(found(issued({ subject: '/O=Example/CN=backup' }), 'subject', 'O=Example,CN=backup')).to.deep.equal(['backup'])
      expect(found(issued({ subject: '/CN=Zoë' }), 'subject', 'CN=Zoë')).to.deep.equal(['Zoë'])
    })

    it('not when one attribute only says what two would', () => {
      const lookAlike = issued({ subject: '/CN=admin,O=x' })
      expect(found(lookAlike, 'subject', 'CN=admin,O=x')).to.deep.equal([])
      expect(found(lookAlike, 'subject', 'CN=admin\\,O=x')).to.deep.equal(['admin,O=x'])
      expect(found(issued({ subject: '/O=x/CN=admin\\/O=x' }), 'subject', 'O=x,CN=admin')).to.deep.equal([])
    })

    it('not when it is not read', () => {
      expect(found(read(handmade(ca, { subject: nameOf({ type: 'CN', value: 'admin\0' }) })), 'subject', 'CN=admin')).to.deep.equal([])
    })
  })

  it('is judged by the first rule that fits', () => {
    const rules = new CertificateRules([
      rule('dns', 'a.example.org', 'first'), rule('spiffe', 'spiffe://example.org/a', 'second'), rule('dns', '*.example.org', 'third'),
    ])
    expect(rules.find(named(['uri', 'spiffe://example.org/a'], ['dns', 'b.example.org']))?.rule.name).to.equal('second')
    expect(rules.find(named(['dns', 'b.example.org'], ['dns', 'a.example.org']))?.rule.name).to.equal('first')
    expect(rules.find(named(['dns', 'c.example.org']))?.rule.name).to.equal('third')
    expect(rules.find(named(['dns', 'c.example.com']))).to.equal(undefined)
  })
})

describe('the pattern of a rule', () => {
  const fault = (by: MatchedBy, pattern: string) => patternFault(rule(by, pattern))

  it('is a SPIFFE id, the last part of whose path may be *', () => {
    for (const pattern of ['spiffe://example.org/a', 'spiffe://example.org/a/*', 'spiffe://example.org/*']) {
      expect(fault('spiffe', pattern), pattern).to.equal(undefined)
    }
    for (const pattern of ['spiffe://example.org', 'spiffe://example.org/', 'spiffe://*/a', 'spiffe://example.org/a*',
      'spiffe://example.org/*/a', 'spiffe://example.org/**', 'spiffe://example.org/a/', 'SPIFFE://example.org/a', 'https://example.org/a', '*',
      '', 'spiffe://example.org//*', 'spiffe://Example.org/a', ' spiffe://example.org/a']) {
      expect(fault('spiffe', pattern), pattern).to.match(/^must be a SPIFFE id/)
    }
  })

  it('is a host name, whose first label may be *', () => {
    for (const pattern of ['a.example.org', '*.example.org', 'localhost', 'a_b.example.org']) {
      expect(fault('dns', pattern)).to.equal(undefined)
    }
    for (const pattern of ['*', '*.', '**.example.org', 'a*.example.org', 'a.*.org', '*.*.org', 'A.example.org', 'a.example.org.', '',
      'a..b', '.a', '*example.org']) {
      expect(fault('dns', pattern), pattern).to.match(/^must be a host name/)
    }
  })

  it('is a distinguished name, with one CN where it has to name a session', () => {
    expect(fault('subject', 'O=x,CN=a')).to.equal(undefined)
    expect(fault('subject', 'CN=a, O=x')).to.match(/^must be a distinguished name/)
    expect(fault('subject', 'O=x')).to.match(/^needs one CN/)
    expect(fault('subject', 'CN=a,CN=b')).to.match(/^needs one CN/)
    expect(patternFault({ match: { by: 'subject', pattern: 'O=x' }, principal: { kind: 'service', name: 'a.b.c' } })).to.equal(undefined)
  })
})

describe('a session that is called after a certificate', () => {
  it('has a name that AssumeRole would take', () => {
    for (const [name, session] of [
      ['api', 'api'], ['a.example.org', 'a.example.org'], ['Zoë Q', 'Zo--Q'], ['a', 'a-'], ['a/b:c*', 'a-b-c-'], ['🔑', '--'],
      ['x'.repeat(100), 'x'.repeat(64)], ['a\0b', 'a-b'],
    ] as const) {
      expect(sessionNameOf(name)).to.equal(session).and.to.match(/^[\w+=,.@-]{2,64}$/)
    }
  })
})

describe('names in certificates', () => {
  it('are bounded in length', () => {
    expect(isHostName(`${'a.'.repeat(126)}a`)).to.equal(true)
    expect(isHostName(`${'a.'.repeat(127)}a`)).to.equal(false)
    expect(isSpiffeId(`spiffe://example.org/${'a'.repeat(2_000)}`)).to.equal(true)
    // A pattern that could take its time with it.
    expect(isSpiffeId(`spiffe://example.org${'/a'.repeat(1_000)}!`)).to.equal(false)
    expect(isHostName(`${'a-'.repeat(126)}!`)).to.equal(false)
  })
})
