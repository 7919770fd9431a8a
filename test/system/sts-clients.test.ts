import { expect } from 'chai'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import { awsOf, clientEnvironment, endpointRules, python, type Ended } from '../support/foreign-clients.js'
import { jwt, keySet, newPair } from '../support/identity-provider.js'
import { newRole, trusting, trustingProvider, trustPolicy } from '../support/roles.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'
import { suite } from './suite.js'

const idp = 'https://idp.example'
const home = temporaryDirectory()
const pair = newPair('P-256', 'one')
const jwksFile = join(home, 'jwks.json')
writeFileSync(jwksFile, keySet(pair))

describe('clients of the distribution, with roles', function () {
  this.timeout(90_000)
  // Not us-east-1, for which old clients sign what they send to the one endpoint of STS that they know.
  const issuers = { idp: { issuer: idp, jwksFile, audiences: ['claviger'] } }
  const on = suite({ settings: { regions: ['eu-central-1'], sts: { issuers } } })
  let environment: Readonly<Record<string, string>>
  let roleArn: string
  let keyId: string

  before(async () => {
    const { services, admin: { accountId, accessKeyId, secretAccessKey } } = on.server
    keyId = (await on.newKey()).id
    roleArn = await newRole(services, 'worker', {
      accountId, attachedPolicies: [administratorAccess.arn],
      trustPolicy: trustPolicy(trusting({ AWS: accountId }), trustingProvider(`arn:aws:iam::${accountId}:oidc-provider/idp.example`)),
    })
    environment = clientEnvironment(on.server, home)
    const seconds = Math.floor(Date.now() / 1000)
    const claims = { iss: idp, aud: ['claviger'], sub: 'system:serviceaccount:a:b', iat: seconds, exp: seconds + 600 }
    const tokenFile = join(home, 'token')
    writeFileSync(tokenFile, jwt({ claims, algorithm: 'ES256', by: pair }))
    mkdirSync(join(home, '.aws'))
    writeFileSync(join(home, '.aws', 'config'), [
      '[profile base]', `aws_access_key_id = ${accessKeyId}`, `aws_secret_access_key = ${secretAccessKey}`,
      '[profile by-role]', `role_arn = ${roleArn}`, 'source_profile = base', 'role_session_name = by-role',
      '[profile by-token]', `role_arn = ${roleArn}`, `web_identity_token_file = ${tokenFile}`, 'role_session_name = by-token',
    ].join('\n'))
  })
  after(() => removeDirectory(home))

  /** Without an access key of its own: the profile says where credentials come from. */
  function withProfile(profile: string): Readonly<Record<string, string>> {
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...rest } = environment
    const AWS_DATA_PATH = endpointRules(home, on.server.url)
    return { ...rest, AWS_PROFILE: profile, AWS_DATA_PATH, ROLE_ARN: roleArn, KEY_ID: keyId }
  }

  for (const profile of ['by-role', 'by-token']) {
    it(`boto3 takes the credentials of a role from the profile ${profile}, and encrypts with them`, async () => {
      const { code, stderr } = await python(withProfile(profile), 'clients_boto3_sts.py')
      expect(stderr).to.equal('')
      expect(code).to.equal(0)
    })

    it(`the AWS CLI takes them from the profile ${profile}`, async () => {
      const { Arn: arn } = answer<{ Arn: string }>(await awsOf('sts', withProfile(profile), 'get-caller-identity'))
      expect(arn).to.equal(`arn:aws:sts::${on.server.admin.accountId}:assumed-role/worker/${profile}`)
      expect(answer<{ Keys: unknown[] }>(await awsOf('kms', withProfile(profile), 'list-keys')).Keys).to.have.length(1)
    })
  }

  it('the AWS CLI says who it is', async () => {
    const { accountId } = on.server.admin
    expect(answer(await awsOf('sts', environment, 'get-caller-identity'))).to.include({
      Account: accountId, Arn: `arn:aws:iam::${accountId}:user/administrator`,
    })
  })

  it('the AWS CLI assumes a role, and uses what it gets', async () => {
    const assuming = ['assume-role', '--role-arn', roleArn, '--role-session-name', 'cli', '--tags', 'Key=team,Value=red'] as const
    const { Credentials: of } = answer<{ Credentials: Readonly<Record<string, string>> }>(await awsOf('sts', environment, ...assuming))
    const session = {
      ...environment, AWS_ACCESS_KEY_ID: of.AccessKeyId ?? '', AWS_SECRET_ACCESS_KEY: of.SecretAccessKey ?? '',
      AWS_SESSION_TOKEN: of.SessionToken ?? '',
    }
    const { Plaintext: plaintext } = answer<{ Plaintext: string }>(
      await awsOf('kms', session, 'generate-data-key', '--key-id', keyId, '--key-spec', 'AES_256'))
    expect(Buffer.from(plaintext, 'base64')).to.have.length(32)
    const refused = await awsOf('kms', { ...session, AWS_SESSION_TOKEN: '' }, 'list-keys')
    expect(refused.stderr).to.contain('(UnrecognizedClientException)')
  })

  it('the AWS CLI gets a session of its user, and tells why it gets no role', async () => {
    expect(answer(await awsOf('sts', environment, 'get-session-token', '--duration-seconds', '900')))
      .to.have.nested.property('Credentials.AccessKeyId').that.matches(/^CVAS/)
    const missing = await awsOf('sts', environment, 'assume-role', '--role-arn', `${roleArn}x`, '--role-session-name', 'cli')
    expect(missing.stderr).to.match(/\(AccessDenied\) when calling the AssumeRole operation.*: User: .* is not authorized/)
  })
})

function answer<T>({ code, stdout, stderr }: Ended): T {
  expect(code, stderr).to.equal(0)
  return JSON.parse(stdout) as T
}
