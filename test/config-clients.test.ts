import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { configSuite } from './support/config-suite.js'

const tls = { certificate: '/c.pem', key: '/k.pem' }
const withClients = (more: object) => ({ tls: { ...tls, clientCa: ['/ca.pem'], ...more } })
const account = 'arn:aws:iam::111122223333'
const service = 'backup.example.internal'

describe('the configuration of client certificates', () => {
  const on = configSuite()

  const clientsOf = (settings: unknown) => on.read(settings).tls?.clients
  const faultsOfRule = (rule: object, name = 'r') => on.faultsOf(withClients({ principals: { [name]: rule } }))

  it('can be used as hsm-config/softhsm.yaml shows it', () => {
    const [shown = ''] = /^# tls:\n(?:#.*\n)+/m.exec(readFileSync('hsm-config/softhsm.yaml', 'utf8')) ?? []
    const { ca, crl, principals } = clientsOf(shown.replace(/^# ?/gm, '')) ?? {}
    expect([ca, crl]).to.deep.equal([['/etc/claviger/clients-ca.pem'], ['/etc/claviger/clients-crl.pem']])
    expect(principals?.map(({ match, principal }) => [match.by, principal.kind])).to.deep.equal([
      ['spiffe', 'role'], ['dns', 'user'], ['subject', 'service'],
    ])
  })

  it('asks nobody for one, unless there is a CA', () => {
    expect(clientsOf({ tls })).to.equal(undefined)
    expect(clientsOf(withClients({}))).to.deep.equal({ ca: ['/ca.pem'], crl: [], required: false, principals: [] })
    expect(clientsOf(withClients({ clientCertificates: 'optional' }))?.required).to.equal(false)
    expect(clientsOf(withClients({ clientCertificates: 'required' }))?.required).to.equal(true)
  })

  it('keeps the rules in their order', () => {
    const rule = { dns: 'a.example.org', service }
    const names = ['z', 'a', 'm', 'b10', 'b9']
    const { principals = [] } = clientsOf(withClients({ principals: Object.fromEntries(names.map(name => [name, rule])) })) ?? {}
    expect(principals.map(({ name }) => name)).to.deep.equal(names)
  })

  it('needs a CA for everything else, and the server a certificate', () => {
    expect(on.faultsOf({ tls: { ...tls, clientCrl: ['/crl'] } })).to.deep.equal(['tls.clientCrl needs tls.clientCa'])
    expect(on.faultsOf({ tls: { ...tls, clientCertificates: 'required' } })).to.deep.equal(['tls.clientCertificates needs tls.clientCa'])
    const principals = { r: { dns: 'a.org', service } }
    expect(on.faultsOf({ tls: { ...tls, principals } })).to.deep.equal(['tls.principals needs tls.clientCa'])
    expect(on.faultsOf({ tls: { clientCa: ['/ca.pem'] } })).to.deep.equal(['tls.clientCa needs tls.certificate and tls.key'])
    expect(on.faultsOf(withClients({ clientCa: [] }))).to.deep.equal(['tls.clientCa must name at least one file'])
  })

  for (const [what, rule, fault] of [
    ['no matcher', { service }, 'tls.principals.r needs exactly one of spiffe, dns and subject'],
    ['two matchers', { dns: 'a.org', subject: 'CN=a', service }, 'tls.principals.r needs exactly one of spiffe, dns and subject'],
    ['no principal', { dns: 'a.org' }, 'tls.principals.r needs exactly one of user, role and service'],
    ['two principals', { dns: 'a.org', service, user: `${account}:user/a` },
      'tls.principals.r needs exactly one of user, role and service'],
    ['a role for a user', { dns: 'a.org', user: `${account}:role/a` }, 'tls.principals.r.user must be the ARN of a user'],
    ['a user for a role', { dns: 'a.org', role: `${account}:user/a` }, 'tls.principals.r.role must be the ARN of a role'],
    ['a session for a role', { dns: 'a.org', role: 'arn:aws:sts::111122223333:assumed-role/a/b' },
      'tls.principals.r.role must be the ARN of a role'],
    ['an account for a user', { dns: 'a.org', user: `${account}:root` }, 'tls.principals.r.user must be the ARN of a user'],
    ['a wildcard for a user', { dns: 'a.org', user: `${account}:user/*` }, 'tls.principals.r.user must be the ARN of a user'],
    ['a service of one name', { dns: 'a.org', service: 'backup' },
      'tls.principals.r.service must be the name of a service, such as backup.example.internal'],
    ['a pattern of another kind', { dns: 'spiffe://a/b', service },
      'tls.principals.r.dns must be a host name in small letters, whose first label may be *'],
    ['a name that is no distinguished name', { subject: '/CN=a', service },
      'tls.principals.r.subject must be a distinguished name as it stands in the certificate, such as CN=backup,O=Example'],
    ['a role without a name for its sessions', { subject: 'O=a', role: `${account}:role/a` },
      'tls.principals.r.subject needs one CN, after which the session is called'],
    ['a region that is not served', { dns: 'a.org', service, region: 'x-1' },
      'tls.principals.r.region is x-1, which regions does not have'],
    ['an unknown setting', { dns: 'a.org', service, group: 'g' }, 'there is no setting tls.principals.r.group'],
    ['a text', 'a.org', 'tls.principals.r needs exactly one of spiffe, dns and subject'],
  ] as const) {
    it(`does not take a rule with ${what}`, () => {
      expect(faultsOfRule(rule as object)).to.include(fault)
    })
  }

  it('does not take a rule whose name would change its place, or is none', () => {
    for (const name of ['1', '__proto__', 'a b', '', 'é', 'x'.repeat(65)]) {
      expect(faultsOfRule({ dns: 'a.org', service }, name), name).to.deep.equal([
        `"${name}" cannot name a rule: a letter, then up to 63 letters, digits, _ or -`,
      ])
    }
  })
})

describe('the configuration of trusted proxies', () => {
  const on = configSuite()

  it('takes addresses and ranges', () => {
    expect(on.read({ trustedProxies: ['192.0.2.1', '2001:db8::/32', '::ffff:10.0.0.0/104'] }).trustedProxies.map(({ bits }) => bits))
      .to.deep.equal([32, 32, 8])
  })

  it('takes no names, no nonsense, and not everybody', () => {
    for (const text of ['proxy.example.org', '10.0.0.0/33', '10.0.0', '', '10.0.0.0/8 ', 'loopback']) {
      const fault = `trustedProxies: "${text}" is neither an address nor a range such as 10.0.0.0/8`
      expect(on.faultsOf({ trustedProxies: [text] })).to.deep.equal([fault])
    }
    for (const text of ['0.0.0.0/0', '::/0', '::ffff:0.0.0.0/96']) {
      expect(on.faultsOf({ trustedProxies: [text] })).to.have.length(1).and.match(/is everybody/)
    }
    expect(on.faultsOf({ trustedProxies: '10.0.0.1' })).to.deep.equal(['trustedProxies must be a list of texts'])
  })

  it('does not make up for TLS on an address that others can reach', () => {
    expect(on.faultsOf({ listen: '0.0.0.0:80', trustedProxies: ['10.0.0.1'] })[0]).to.match(/needs TLS/)
  })
})
