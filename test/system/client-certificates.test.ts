import { Agent } from 'node:https'
import type { CreateGrantCommandInput } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { allowing } from '../support/callers.js'
import { kmsClient, refusal } from '../support/clients.js'
import { handmade, nameOf, stringTags } from '../support/handmade-certificate.js'
import { selfIssued, TestCa, type Pair } from '../support/pki.js'
import { auditEvents } from './audit-records.js'
import { accountId, arnOf, roleWith, tlsSuite, userWith } from './tls-suite.js'

const service = 'backup.example.internal'
const SourceArn = 'arn:aws:backup:us-east-1:111122223333:vault/main'
const Plaintext = Buffer.from('a secret')

describe('client certificates, through the SDK', () => {
  const on = tlsSuite({
    principals: {
      anne: { dns: 'anne.example.org', user: arnOf('user', 'anne') },
      payments: { spiffe: 'spiffe://example.org/payments/*', role: arnOf('role', 'payments') },
      backup: { subject: 'O=Example,CN=backup', service },
      gone: { dns: 'gone.example.org', role: arnOf('role', 'gone') },
    },
  })
  let [anne, api, backup]: [Pair, Pair, Pair] = [] as never
  let keyArn: string

  before(async () => {
    anne = on.ca.issue({ names: ['DNS:anne.example.org'] })
    api = on.ca.issue({ names: ['URI:spiffe://example.org/payments/api'] })
    backup = on.ca.issue({ subject: '/O=Example/CN=backup' })
    await userWith(on.server, 'anne', allowing('kms:*'))
    await roleWith(on.server, 'payments')
    keyArn = (await on.kms.createKey({})).KeyMetadata?.Arn ?? ''
  })

  const lastEvent = () => auditEvents(on.server.dataDir).at(-1)
  const allowIn = async (...statements: readonly object[]): Promise<string> => {
    const own = { Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*' }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [own, ...statements] })
    return (await on.kms.createKey({ Policy })).KeyMetadata?.Arn ?? ''
  }

  it('let a user in, who may what the user may, and the audit log says which certificate it was', async () => {
    const { CiphertextBlob } = await on.by(anne).encrypt({ KeyId: keyArn, Plaintext })
    expect(lastEvent()?.userIdentity).to.deep.equal({
      type: 'IAMUser', principalId: 'AIDAANNE', arn: arnOf('user', 'anne'), accountId, userName: 'anne',
    })
    expect(lastEvent()?.additionalEventData).to.have.property('clientCertificate').that.includes({
      rule: 'anne', subject: 'CN=somebody', dnsNames: 'anne.example.org',
    }).and.has.property('sha256Fingerprint').that.matches(/^[0-9A-F:]{95}$/)
    expect(Buffer.from((await on.kms.decrypt({ CiphertextBlob })).Plaintext ?? []).toString()).to.equal('a secret')
    expect(lastEvent()?.additionalEventData).not.to.have.property('clientCertificate')
  })

  it('let a session of a role in, which a key policy can name', async () => {
    const session = `arn:aws:sts::${accountId}:assumed-role/payments/api`
    const mine = await allowIn({ Effect: 'Allow', Principal: { AWS: session }, Action: 'kms:Encrypt', Resource: '*' })
    await on.by(api).encrypt({ KeyId: mine, Plaintext })
    expect(lastEvent()?.userIdentity).to.deep.equal({
      type: 'AssumedRole', principalId: 'AROAPAYMENTS:api', arn: session, accountId, sessionIssuer: arnOf('role', 'payments'),
    })
    expect(lastEvent()?.additionalEventData).to.have.property('clientCertificate').that.includes({
      rule: 'payments', spiffeId: 'spiffe://example.org/payments/api',
    })
    const web = on.ca.issue({ names: ['URI:spiffe://example.org/payments/web'] })
    const { code, message } = await refusal(on.by(web).encrypt({ KeyId: mine, Plaintext }))
    expect(code).to.equal('AccessDeniedException')
    expect(message).to.contain(`User: arn:aws:sts::${accountId}:assumed-role/payments/web is not authorized to perform: kms:Encrypt`)
  })

  it('can be told apart by when they were made', async () => {
    const mine = await allowIn(
      { Effect: 'Allow', Principal: { AWS: arnOf('role', 'payments') }, Action: 'kms:Encrypt', Resource: '*' },
      {
        Effect: 'Deny', Principal: '*', Action: '*', Resource: '*',
        Condition: { DateLessThan: { 'aws:TokenIssueTime': new Date(Date.now() - 3_600_000).toISOString() } },
      },
    )
    const young = on.ca.issue({ names: ['URI:spiffe://example.org/payments/api'], from: new Date(Date.now() - 60_000) })
    await on.by(young).encrypt({ KeyId: mine, Plaintext })
    expect((await refusal(on.by(api).encrypt({ KeyId: mine, Plaintext }))).code).to.equal('AccessDeniedException')
  })

  describe('of a service', () => {
    let CiphertextBlob: Uint8Array

    before(async () => {
      CiphertextBlob = (await on.kms.encrypt({ KeyId: keyArn, Plaintext })).CiphertextBlob ?? new Uint8Array()
    })

    const grant = (of: Partial<CreateGrantCommandInput>) =>
      on.kms.createGrant({ KeyId: keyArn, Operations: ['Decrypt'], Constraints: { SourceArn }, ...of })
    const decrypt = (own: Pair, headers: Readonly<Record<string, string>> = {}) => on.by(own, { headers }).decrypt({ CiphertextBlob })

    it('open what a grant lets the service open, for the one on whose behalf it calls', async () => {
      expect((await refusal(decrypt(backup, { 'x-amz-source-arn': SourceArn }))).code).to.equal('AccessDeniedException')
      const { GrantId = '' } = await grant({ GranteeServicePrincipal: service, RetiringServicePrincipal: service })
      const opened = await decrypt(backup, { 'x-amz-source-arn': SourceArn, 'x-amz-source-account': accountId })
      expect(Buffer.from(opened.Plaintext ?? []).toString()).to.equal('a secret')
      expect(lastEvent()?.userIdentity).to.deep.equal({ type: 'AWSService', principalId: service, invokedBy: service })
      expect(JSON.stringify(lastEvent()?.additionalEventData)).to.contain(GrantId).and.to.contain('"rule":"backup"')
      for (const other of [`${SourceArn}x`, `${SourceArn},${SourceArn}`, '']) {
        expect((await refusal(decrypt(backup, { 'x-amz-source-arn': other }))).code).to.equal('AccessDeniedException')
      }
      expect((await refusal(decrypt(backup))).code).to.equal('AccessDeniedException')
      await on.kms.revokeGrant({ KeyId: keyArn, GrantId })
      expect((await refusal(decrypt(backup, { 'x-amz-source-arn': SourceArn }))).code).to.equal('AccessDeniedException')
    })

    it('are nothing that anybody else could say to be', async () => {
      const { GrantId = '' } = await grant({ GranteeServicePrincipal: service, RetiringServicePrincipal: service })
      const forRole = await grant({ GranteePrincipal: arnOf('role', 'payments') })
      const headers = { 'x-amz-source-arn': SourceArn, 'x-amz-source-account': accountId }
      expect((await refusal(decrypt(api, headers))).code).to.equal('AccessDeniedException')
      for (const id of [GrantId, forRole.GrantId]) await on.kms.revokeGrant({ KeyId: keyArn, GrantId: id })
    })

    it('are named by key policies, with whom they call for', async () => {
      const condition = { StringEquals: { 'aws:SourceAccount': accountId }, ArnLike: { 'aws:SourceArn': 'arn:aws:backup:*:*:vault/*' } }
      const mine = await allowIn(
        { Effect: 'Allow', Principal: { Service: service }, Action: 'kms:Encrypt', Resource: '*', Condition: condition },
        { Effect: 'Allow', Principal: { AWS: arnOf('role', 'payments') }, Action: 'kms:Encrypt', Resource: '*', Condition: condition },
      )
      const headers = { 'x-amz-source-arn': SourceArn, 'x-amz-source-account': accountId }
      await on.by(backup, { headers }).encrypt({ KeyId: mine, Plaintext })
      expect((await refusal(on.by(backup).encrypt({ KeyId: mine, Plaintext }))).code).to.equal('AccessDeniedException')
      expect((await refusal(on.by(api, { headers }).encrypt({ KeyId: mine, Plaintext }))).code).to.equal('AccessDeniedException')
    })
  })

  describe('are nobody\'s', () => {
    const unknown = { code: 'UnrecognizedClientException', message: 'The security token included in the request is invalid.' }
    const refusedWith = async (own: Pair | undefined) => refusal(on.by(own).listKeys({}))
    const lastWarning = () => on.server.logged.filter(({ level }) => level === 'warn').at(-1)?.fields

    it('where no rule fits, or whom it names does not exist, and the log says why', async () => {
      expect(await refusedWith(on.ca.issue({ names: ['DNS:bob.example.org'] }))).to.deep.equal(unknown)
      expect(lastWarning()).to.include({ why: 'no rule fits it', dnsNames: 'bob.example.org' })
      expect(await refusedWith(on.ca.issue({ names: ['DNS:gone.example.org'] }))).to.deep.equal(unknown)
      expect(lastWarning()?.why).to.match(/role\/gone of the rule gone does not exist/)
      expect(lastEvent()).to.include({ errorCode: 'UnrecognizedClientException' }).and.not.to.have.property('userIdentity')
    })

    it('where TLS does not vouch for them', async () => {
      const names = ['DNS:anne.example.org']
      expect(await refusedWith(new TestCa('a CA').issue({ names }))).to.deep.equal(unknown)
      expect(await refusedWith(selfIssued('/CN=anne', names))).to.deep.equal(unknown)
      expect(await refusedWith(on.ca.issue({ names, until: new Date(Date.now() - 1_000) }))).to.deep.equal(unknown)
      expect(lastWarning()?.why).to.equal('CERT_HAS_EXPIRED')
      expect(await refusedWith(on.ca.issue({ names, usage: 'serverAuth' }))).to.deep.equal(unknown)
      await on.by(on.ca.issue({ names, usage: 'clientAuth' })).listKeys({})
    })

    it('where their subject only looks like that of a rule', async () => {
      const attribute = (type: 'O' | 'CN', value: string, tag?: number) => ({ type, value, ...tag !== undefined && { tag } })
      const [o, cn] = [attribute('O', 'Example'), attribute('CN', 'backup')]
      const lookAlikes = {
        'a NUL': nameOf(o, attribute('CN', 'backup\0.evil')),
        'a NUL in a string of another type': nameOf(o, attribute('CN', 'backup\0', stringTags.ia5)),
        'another order': nameOf(cn, o),
        'all in one attribute': nameOf(attribute('O', 'Example,CN=backup')),
        'one attribute more': nameOf(o, cn, attribute('CN', 'evil')),
        'both in one part': nameOf([o, cn]),
        'a letter of another alphabet': nameOf(o, attribute('CN', 'bасkup')),
        'letters of a wide string': nameOf(o, attribute('CN', '\0b\0a\0c\0k\0u\0p', stringTags.bmp)),
      }
      for (const [how, subject] of Object.entries(lookAlikes)) {
        expect(await refusedWith(handmade(on.ca, { subject })), how).to.deep.equal(unknown)
        expect(lastWarning()?.why, how).to.equal('no rule fits it')
      }
      const { certificate, key } = handmade(on.ca, { subject: nameOf(o, cn) })
      expect((await refusal(on.by({ certificate, key }).listKeys({}))).code).to.equal('AccessDeniedException')
    })

    it('where they have several SPIFFE ids, or are those of CAs', async () => {
      const [one, other] = [['uri', 'spiffe://example.org/payments/a'], ['uri', 'spiffe://example.org/payments/b']] as const
      expect(await refusedWith(handmade(on.ca, { names: [one, other] }))).to.deep.equal(unknown)
      expect(lastWarning()?.why).to.match(/^it has several URIs/)
      const above = on.ca.issue({ subject: '/O=Example/CN=backup', isCa: true })
      expect(await refusedWith(above)).to.deep.equal(unknown)
    })

    it('where a client has none', async () => {
      expect((await refusedWith(undefined)).code).to.equal('MissingAuthenticationTokenException')
    })
  })

  it('say nothing of who has signed a request', async () => {
    const agent = new Agent({ ca: on.ca.certificate, cert: anne.certificate, key: anne.key })
    const signing = kmsClient(on.server, { maxAttempts: 1, requestHandler: { httpsAgent: agent } })
    await signing.listKeys({})
    expect(lastEvent()?.userIdentity).to.include({ userName: 'administrator' })
    const credentials = { accessKeyId: on.server.admin.accessKeyId, secretAccessKey: 'wrong' }
    const wrong = kmsClient(on.server, { maxAttempts: 1, credentials, requestHandler: { httpsAgent: agent } })
    expect((await refusal(wrong.listKeys({}))).code).to.equal('InvalidSignatureException')
    for (const client of [signing, wrong]) client.destroy()
    agent.destroy()
  })

  describe('of a user who is removed', () => {
    it('let nobody in any more, also on a connection that was there before', async () => {
      const client = on.by(anne)
      await client.listKeys({})
      const { store, identities } = on.server.services
      const user = await store.identities.get(accountId, 'user', 'anne')
      if (!user) throw new Error('there is no anne')
      await store.identities.remove(user)
      identities.forget()
      expect((await refusal(client.listKeys({}))).code).to.equal('UnrecognizedClientException')
    })
  })
})
