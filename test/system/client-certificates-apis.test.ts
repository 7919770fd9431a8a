import { expect } from 'chai'
import { allowing } from '../support/callers.js'
import type { Pair } from '../support/pki.js'
import { post, type TlsAnswer } from '../support/tls-client.js'
import { auditEvents } from './audit-records.js'
import { elementIn, formOf } from './raw-sts.js'
import { accountId, arnOf, roleWith, tlsSuite, userWith } from './tls-suite.js'

describe('client certificates, at the other APIs of the same address', () => {
  const on = tlsSuite({
    principals: {
      anne: { dns: 'anne.example.org', user: arnOf('user', 'anne') },
      payments: { spiffe: 'spiffe://example.org/payments/*', role: arnOf('role', 'payments') },
      backup: { subject: 'O=Example,CN=backup', service: 'backup.example.internal' },
    },
  })
  let [anne, api, backup]: [Pair, Pair, Pair] = [] as never

  before(async () => {
    anne = on.ca.issue({ names: ['DNS:anne.example.org'] })
    api = on.ca.issue({ names: ['URI:spiffe://example.org/payments/api'] })
    backup = on.ca.issue({ subject: '/O=Example/CN=backup' })
    await userWith(on.server, 'anne', allowing('iam:ListUsers'))
    await roleWith(on.server, 'payments')
  })

  const sts = (own: Pair | undefined, members: Readonly<Record<string, string>>): Promise<TlsAnswer> => post(on.server.url,
    { ca: on.ca.certificate, own }, { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: formOf(members) })
  const iam = (own: Pair | undefined, operation: string, input: object = {}): Promise<TlsAnswer> => post(on.server.url,
    { ca: on.ca.certificate, own }, {
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `ClavigerAdministration.${operation}` },
      body: JSON.stringify(input),
    })
  const codeIn = ({ body }: TlsAnswer) => (JSON.parse(body) as { readonly __type?: string }).__type

  it('tell STS who calls', async () => {
    for (const [own, arn] of [
      [anne, arnOf('user', 'anne')], [api, `arn:aws:sts::${accountId}:assumed-role/payments/api`],
    ] as const) {
      const answer = await sts(own, { Action: 'GetCallerIdentity' })
      expect(answer.status).to.equal(200)
      expect(elementIn(answer.body, 'Arn')).to.equal(arn)
    }
    expect((await sts(undefined, { Action: 'GetCallerIdentity' })).status).to.equal(403)
  })

  it('make no session tokens, which would live on without them', async () => {
    const answer = await sts(anne, { Action: 'GetSessionToken' })
    expect([answer.status, elementIn(answer.body, 'Code')]).to.deep.equal([403, 'AccessDenied'])
  })

  it('administer as the policies of their owner allow', async () => {
    const listed = await iam(anne, 'ListUsers')
    expect(listed.status).to.equal(200)
    expect(listed.body).to.contain('"anne"')
    expect(auditEvents(on.server.dataDir).at(-1)).to.deep.include({ eventName: 'ListUsers', eventSource: 'iam.amazonaws.com' })
    expect(auditEvents(on.server.dataDir).at(-1)?.additionalEventData).to.have.property('clientCertificate')
    expect(codeIn(await iam(anne, 'CreateUser', { UserName: 'bob' }))).to.equal('AccessDeniedException')
    expect(codeIn(await iam(api, 'ListUsers'))).to.equal('AccessDeniedException')
    expect(codeIn(await iam(backup, 'ListUsers'))).to.equal('AccessDeniedException')
    expect(codeIn(await iam(backup, 'ListUsers', { AccountId: accountId }))).to.equal('AccessDeniedException')
    expect(codeIn(await iam(undefined, 'ListUsers'))).to.equal('MissingAuthenticationTokenException')
  })
})
