import { expect } from 'chai'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { allowing } from '../support/callers.js'
import { aws, clientEnvironment, curl, python } from '../support/foreign-clients.js'
import { auditEvents } from './audit-records.js'
import { arnOf, tlsSuite, userWith } from './tls-suite.js'

describe('clients of the distribution with a certificate', function suiteOfClients() {
  this.timeout(90_000)
  const on = tlsSuite({ principals: { anne: { dns: 'anne.example.org', user: arnOf('user', 'anne') } } })
  let environment: Record<string, string>

  before(async () => {
    await userWith(on.server, 'anne', allowing('kms:*'))
    const { certificate, key } = on.ca.issue({ names: ['DNS:anne.example.org'] })
    const at = (file: string) => join(on.directory, file)
    writeFileSync(at('anne.pem'), certificate)
    writeFileSync(at('anne.key'), key)
    environment = {
      ...clientEnvironment(on.server, on.directory), AWS_CA_BUNDLE: at('clients.pem'), CLIENT_CERTIFICATE: at('anne.pem'),
      CLIENT_KEY: at('anne.key'), AWS_ACCESS_KEY_ID: 'CVAKUNKNOWNUNKNOWNAA', AWS_SECRET_ACCESS_KEY: 'wrong',
    }
  })

  const lastUser = () => (auditEvents(on.server.dataDir).at(-1)?.userIdentity as { userName?: string } | undefined)?.userName

  it('boto3 needs no credentials', async () => {
    const { code, stderr } = await python(environment, 'clients_boto3_certificate.py')
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
  })

  it('curl needs no signature', async () => {
    const call = (...more: readonly string[]) => curl(on.server.url, '--cacert', environment.AWS_CA_BUNDLE ?? '', '--data', '{}',
      '--header', 'Content-Type: application/x-amz-json-1.1', '--header', 'X-Amz-Target: TrentService.ListKeys', ...more)
    const certificate = ['--cert', environment.CLIENT_CERTIFICATE ?? '', '--key', environment.CLIENT_KEY ?? ''] as const
    const { code, stdout, stderr } = await call(...certificate)
    expect(code, stderr).to.equal(0)
    expect(JSON.parse(stdout)).to.have.property('Keys')
    expect(lastUser()).to.equal('anne')
    for (const version of [['--tlsv1.3'], ['--tls-max', '1.2']]) {
      expect((await call(...certificate, ...version)).stdout).to.contain('Keys')
    }
    expect((await call()).stdout).to.contain('"MissingAuthenticationTokenException"')
    for (const [header, code] of [
      ['Authorization: AWS4-HMAC-SHA256 x', 'IncompleteSignatureException'], ['Origin: https://evil.example', 'UnrecognizedClientException'],
    ] as const) {
      expect((await call(...certificate, '--header', header)).stdout).to.contain(`"${code}"`)
    }
  })

  it('the AWS CLI cannot show one, and has to sign as ever', async () => {
    expect((await aws(environment, 'list-keys', '--no-sign-request')).stderr).to.contain('(MissingAuthenticationTokenException)')
    const { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY } = on.server.admin
    const { code, stderr } = await aws({ ...environment, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }, 'list-keys')
    expect(code, stderr).to.equal(0)
    expect(lastUser()).to.equal('administrator')
  })
})
