import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { setTimeout as pause } from 'node:timers/promises'
import type { CertificateRule } from '../../../src/domain/certificate-rules.js'
import { clientCertificate, type ClientCertificate } from '../../../src/domain/client-certificate.js'
import type { Role } from '../../../src/domain/identity.js'
import { CertificateCallers } from '../../../src/service/identities/certificates.js'
import { accountId } from '../../support/callers.js'
import { handmade } from '../../support/handmade-certificate.js'
import { TestCa, type Wanted } from '../../support/pki.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { region } from '../../support/services.js'

const ofUser = (name: string) => ({ kind: 'user', name: `arn:aws:iam::${accountId}:user/${name}` }) as const
const ofRole = (name: string) => ({ kind: 'role', name: `arn:aws:iam::${accountId}:role/${name}` }) as const

const rules: readonly CertificateRule[] = [
  { name: 'anne', match: { by: 'dns', pattern: 'anne.example.org' }, principal: ofUser('anne'), region: 'us-east-1' },
  { name: 'pay', match: { by: 'spiffe', pattern: 'spiffe://example.org/pay/*' }, principal: ofRole('apps/pay') },
  { name: 'hosts', match: { by: 'dns', pattern: '*.hosts.example.org' }, principal: ofRole('apps/pay') },
  { name: 'ops', match: { by: 'subject', pattern: 'O=Example,CN=ops on call' }, principal: ofRole('apps/pay') },
  { name: 'backup', match: { by: 'subject', pattern: 'CN=backup' }, principal: { kind: 'service', name: 'backup.example.internal' } },
  { name: 'gone', match: { by: 'dns', pattern: 'gone.example.org' }, principal: ofUser('gone') },
  { name: 'elsewhere', match: { by: 'dns', pattern: 'path.example.org' }, principal: ofRole('pay') },
]

describe('who has a client certificate', () => {
  const on = serviceSuite()
  let ca: TestCa
  let callers: CertificateCallers

  before(() => { ca = new TestCa('a CA') })
  beforeEach(async () => {
    on.clock.set(Date.now())
    const role: Role = {
      kind: 'role', accountId, name: 'pay', path: '/apps/', id: 'AROAPAY', createdAt: 0, revision: 1, description: '',
      tags: [{ key: 'team', value: 'payments' }], attachedPolicies: ['arn:aws:iam::aws:policy/AdministratorAccess'], inlinePolicies: {},
      trustPolicy: '{"Statement":[]}', trustBindings: {}, maxSessionSeconds: 3_600,
    }
    await on.store.identities.insert(role)
    const { identities, clock, log } = on.services
    callers = new CertificateCallers({ rules, homeRegion: region, identities, clock, log })
  })

  const certificate = (wanted: Wanted): ClientCertificate => clientCertificate(new X509Certificate(ca.issue(wanted).certificate))
  const named = (...names: readonly string[]) => certificate({ names })
  const reasons = () => on.log.entries.map(({ fields }) => fields?.why)

  async function refusedFor(why: string | RegExp, of: ClientCertificate): Promise<void> {
    const { message } = await refused(callers.identify(of), 'UnrecognizedClientException')
    expect(message).to.equal('The security token included in the request is invalid.')
    expect(reasons().at(-1)).to.match(new RegExp(why))
  }

  async function changeRole(change: Partial<Role>): Promise<void> {
    const role = await on.store.identities.get(accountId, 'role', 'pay')
    if (!role) throw new Error('there is no role')
    await on.store.identities.update({ ...role, ...change })
    on.services.identities.forget()
  }

  it('is a user, in the region of the rule, with what lets the user in', async () => {
    const anne = named('DNS:anne.example.org')
    const { caller, region: at } = await callers.identify(anne)
    expect(at).to.equal('us-east-1')
    expect(caller).to.deep.include({
      type: 'User', arn: ofUser('anne').name, accountId, accessKeyId: '', uniqueId: 'AIDAANNE', userName: 'anne',
      certificate: {
        rule: 'anne', subject: 'CN=somebody', dnsNames: 'anne.example.org',
        serialNumber: anne.serialNumber, sha256Fingerprint: anne.fingerprint,
      },
    }).and.not.to.have.property('session')
  })

  it('is a session of a role, as old and as young as the certificate', async () => {
    const pay = named('URI:spiffe://example.org/pay/api')
    const { caller, region: at } = await callers.identify(pay)
    expect(at).to.equal(region)
    expect(caller).to.deep.include({
      type: 'AssumedRole', arn: `arn:aws:sts::${accountId}:assumed-role/pay/api`, principalArn: ofRole('apps/pay').name,
      userId: 'AROAPAY:api', accessKeyId: '', tags: [{ key: 'team', value: 'payments' }],
      session: { name: 'api', issuedAt: pay.notBefore, expiresAt: pay.notAfter },
    })
    expect(caller.policies).to.have.length(1)
    expect(caller.certificate).to.include({ rule: 'pay', spiffeId: 'spiffe://example.org/pay/api' })
  })

  it('is called after the name that fits', async () => {
    const session = async (of: ClientCertificate) => (await callers.identify(of)).caller.session?.name
    expect(await session(named('DNS:x.org', 'DNS:Web-1.hosts.example.org'))).to.equal('web-1.hosts.example.org')
    expect(await session(certificate({ subject: '/O=Example/CN=ops on call' }))).to.equal('ops-on-call')
  })

  it('is a service, of no account', async () => {
    const { caller } = await callers.identify(certificate({ subject: '/CN=backup' }))
    expect(caller).to.deep.include({ type: 'Service', arn: 'backup.example.internal', accountId: '', policies: [] })
    expect(caller.certificate).to.include({ rule: 'backup', subject: 'CN=backup' })
  })

  it('is found once, as long as nobody changes', async () => {
    const anne = named('DNS:anne.example.org')
    const first = await callers.identify(anne)
    expect(await callers.identify(anne)).to.equal(first)
    on.services.identities.forget()
    expect(await callers.identify(anne)).not.to.equal(first)
  })

  describe('is nobody', () => {
    it('when no rule fits', () => refusedFor('^no rule fits it$', named('DNS:other.example.org')))

    it('when the user does not exist', () => refusedFor('user/gone of the rule gone does not exist', named('DNS:gone.example.org')))

    it('when the role is in another path', () => refusedFor('role/pay of the rule elsewhere does not exist', named('DNS:path.example.org')))

    it('when the user is removed, at once', async () => {
      const anne = named('DNS:anne.example.org')
      await callers.identify(anne)
      const user = await on.store.identities.get(accountId, 'user', 'anne')
      if (user) await on.store.identities.remove(user)
      on.services.identities.forget()
      await refusedFor('does not exist', anne)
    })

    it('before and after the time that the certificate is good for, however long the connection lasts', async () => {
      const anne = named('DNS:anne.example.org')
      on.clock.set(anne.notBefore - 1)
      await refusedFor('not valid at this time', anne)
      on.clock.advance(1)
      await callers.identify(anne)
      on.clock.set(anne.notAfter)
      await callers.identify(anne)
      on.clock.advance(1)
      await refusedFor('not valid at this time', anne)
    })

    it('when the certificate has a time that cannot be read', () =>
      refusedFor('not valid', { ...named('DNS:anne.example.org'), notAfter: NaN }))

    it('when the certificate is ambiguous, although a rule fits', async () => {
      const [a, b] = [['uri', 'spiffe://example.org/pay/a'], ['uri', 'spiffe://example.org/pay/b']] as const
      const pair = handmade(ca, { names: [a, b, ['dns', 'anne.example.org']] })
      await refusedFor('several URIs', clientCertificate(new X509Certificate(pair.certificate)))
    })

    it('when several of its names fit and its session could be called after either', () =>
      refusedFor('several of its names', named('DNS:a.hosts.example.org', 'DNS:b.hosts.example.org')))

    it('when the sessions of the role were revoked after the certificate was made, and somebody again with a newer one', async () => {
      const old = named('URI:spiffe://example.org/pay/api')
      await callers.identify(old)
      await changeRole({ sessionsRevokedAt: Date.now() })
      await refusedFor('revoked', old)
      await pause(1_100)
      on.clock.set(Date.now())
      await callers.identify(certificate({ names: ['URI:spiffe://example.org/pay/api'], from: new Date() }))
    })
  })

  it('is told to the log once for every connection', async () => {
    const other = named('DNS:other.example.org')
    for (let times = 0; times < 3; times++) await refusedFor('no rule', other)
    expect(on.log.entries).to.have.length(1)
    expect(on.log.entries[0]).to.deep.include({ level: 'warn', message: 'client certificate refused' })
    expect(on.log.entries[0]?.fields).to.include({ dnsNames: 'other.example.org', serialNumber: other.serialNumber })
  })
})
