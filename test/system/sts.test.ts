import type { KMS } from '@aws-sdk/client-kms'
import { STS, STSServiceException, type STSClientConfig } from '@aws-sdk/client-sts'
import { fromTemporaryCredentials, fromTokenFile, fromWebToken } from '@aws-sdk/credential-providers'
import { expect } from 'chai'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import { allowing } from '../support/callers.js'
import { kmsClient, refusal } from '../support/clients.js'
import { jwt, keySet, newPair } from '../support/identity-provider.js'
import { newRole, trusting, trustingProvider, trustPolicy } from '../support/roles.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'
import { auditEvents, auditText } from './audit-records.js'
import { claviger } from './claviger.js'
import { suite } from './suite.js'

const idp = 'https://idp.example/realm'
const directory = temporaryDirectory()
const jwksFile = join(directory, 'jwks.json')
const pair = newPair('RSA', 'one')
writeFileSync(jwksFile, keySet(pair))

describe('the JavaScript SDK', () => {
  const on = suite({ settings: { sts: { issuers: { idp: { issuer: idp, jwksFile, audiences: ['claviger'] } } } } })
  const clients: { destroy(): void }[] = []
  let keyId: string
  let roleArn: string

  before(async () => {
    const { services, admin: { accountId } } = on.server
    keyId = (await on.newKey()).id
    const account = trusting({ AWS: accountId })
    const provider = trustingProvider(`arn:aws:iam::${accountId}:oidc-provider/idp.example/realm`, {
      Condition: { StringEquals: { 'idp.example/realm:aud': 'claviger', 'idp.example/realm:sub': 'job:1' } },
    })
    roleArn = await newRole(services, 'worker', {
      accountId, path: '/team/', trustPolicy: trustPolicy(account, provider), attachedPolicies: [administratorAccess.arn],
    })
    await newRole(services, 'second', {
      accountId, trustPolicy: trustPolicy(trusting({ AWS: roleArn })), attachedPolicies: [administratorAccess.arn],
    })
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy()
  })
  after(() => removeDirectory(directory))

  function stsClient(config: STSClientConfig = {}): STS {
    const { url, admin: { region, accessKeyId, secretAccessKey } } = on.server
    const client = new STS({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1, ...config })
    clients.push(client)
    return client
  }

  function kmsWith(credentials: NonNullable<STSClientConfig['credentials']>): KMS {
    const client = kmsClient(on.server, { credentials, maxAttempts: 1 })
    clients.push(client)
    return client
  }

  /** Encrypts and decrypts with the key, and answers who the audit log says it was. */
  async function used(kms: KMS): Promise<unknown> {
    const { CiphertextBlob } = await kms.encrypt({ KeyId: keyId, Plaintext: Buffer.from('secret') })
    const { Plaintext } = await kms.decrypt({ CiphertextBlob })
    expect(Buffer.from(Plaintext ?? []).toString()).to.equal('secret')
    return (auditEvents(on.server.dataDir).at(-1) as { userIdentity?: unknown }).userIdentity
  }

  const token = (more: object = {}) => {
    const seconds = Math.floor(Date.now() / 1000)
    return jwt({ claims: { iss: idp, aud: 'claviger', sub: 'job:1', iat: seconds, exp: seconds + 300, ...more }, by: pair })
  }
  const clientConfig = () => ({ endpoint: on.server.url, region: on.server.admin.region, maxAttempts: 1 })
  const master = () => {
    const { accessKeyId, secretAccessKey } = on.server.admin
    return { accessKeyId, secretAccessKey }
  }

  it('asks who it is', async () => {
    const { accountId } = on.server.admin
    const { UserId: id, ...answer } = await stsClient().getCallerIdentity({})
    expect(answer).to.deep.include({ Account: accountId, Arn: `arn:aws:iam::${accountId}:user/administrator` })
    expect(id).to.match(/^AIDA[A-Z2-7]{16}$/)
  })

  it('assumes a role with everything that it can ask for, and is its session from then on', async () => {
    const { accountId } = on.server.admin
    const answer = await stsClient().assumeRole({
      RoleArn: roleArn, RoleSessionName: 'me@example.com', DurationSeconds: 900, ExternalId: 'contract/1', SourceIdentity: 'admin',
      Tags: [{ Key: 'team', Value: 'Zoë + Co' }, { Key: 'empty', Value: '' }], TransitiveTagKeys: ['team'],
      Policy: JSON.stringify(allowing('kms:*')), PolicyArns: [{ arn: administratorAccess.arn }], MinimumSessionTokenSize: 1_500,
    })
    expect(answer).to.deep.include({
      SourceIdentity: 'admin',
      AssumedRoleUser: { AssumedRoleId: 'AROAWORKER:me@example.com', Arn: `arn:aws:sts::${accountId}:assumed-role/worker/me@example.com` },
    })
    expect(answer.PackedPolicySize).to.be.within(1, 20)
    expect(answer.SessionTokenSize).to.be.within(1_500, 1_503)
    const { AccessKeyId: accessKeyId = '', SecretAccessKey: secretAccessKey = '', SessionToken: sessionToken = '', Expiration: end } =
      answer.Credentials ?? {}
    expect(end?.getTime()).to.be.within(Date.now() + 890_000, Date.now() + 900_000)
    const credentials = { accessKeyId, secretAccessKey, sessionToken }
    expect(await stsClient({ credentials }).getCallerIdentity({})).to.deep.include({
      UserId: answer.AssumedRoleUser?.AssumedRoleId, Arn: answer.AssumedRoleUser?.Arn,
    })
    expect(await used(kmsWith(credentials))).to.deep.include({
      type: 'AssumedRole', arn: answer.AssumedRoleUser?.Arn, accessKeyId, sessionIssuer: roleArn, sourceIdentity: 'admin',
    })
  })

  it('takes temporary credentials from fromTemporaryCredentials, and encrypts with them', async () => {
    const credentials = fromTemporaryCredentials({
      params: { RoleArn: roleArn, RoleSessionName: 'temporary' }, masterCredentials: master(), clientConfig: clientConfig(),
    })
    expect(await used(kmsWith(credentials))).to.have.property('arn').that.matches(/assumed-role\/worker\/temporary$/)
  })

  it('goes from role to role with it', async () => {
    const first = fromTemporaryCredentials({
      params: { RoleArn: roleArn, RoleSessionName: 'first' }, masterCredentials: master(), clientConfig: clientConfig(),
    })
    const second = fromTemporaryCredentials({
      params: { RoleArn: `arn:aws:iam::${on.server.admin.accountId}:role/second`, RoleSessionName: 'second' },
      masterCredentials: first, clientConfig: clientConfig(),
    })
    expect(await used(kmsWith(second))).to.have.property('arn').that.matches(/assumed-role\/second\/second$/)
  })

  it('takes them from fromWebToken, without any other', async () => {
    const credentials = fromWebToken({
      roleArn, roleSessionName: 'job', webIdentityToken: token(), clientConfig: clientConfig(),
    })
    expect(await used(kmsWith(credentials))).to.deep.include({
      type: 'AssumedRole', identityProvider: `arn:aws:iam::${on.server.admin.accountId}:oidc-provider/idp.example/realm`,
    })
  })

  it('takes them from fromTokenFile, as in a pod of Kubernetes', async () => {
    const webIdentityTokenFile = join(directory, 'token')
    writeFileSync(webIdentityTokenFile, token())
    const credentials = fromTokenFile({ webIdentityTokenFile, roleArn, roleSessionName: 'pod', clientConfig: clientConfig() })
    expect(await used(kmsWith(credentials))).to.have.property('arn').that.matches(/assumed-role\/worker\/pod$/)
  })

  it('finds everything in the environment, as in a pod of Kubernetes', async () => {
    const { url, admin: { region } } = on.server
    const file = join(directory, 'token-of-pod')
    writeFileSync(file, token())
    const environment = {
      AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: roleArn, AWS_ROLE_SESSION_NAME: 'by-environment', AWS_REGION: region,
      AWS_ENDPOINT_URL_STS: url, AWS_ENDPOINT_URL_KMS: url, AWS_EC2_METADATA_DISABLED: 'true',
      HOME: directory, AWS_CONFIG_FILE: join(directory, 'none'), AWS_SHARED_CREDENTIALS_FILE: join(directory, 'none'),
    }
    const before = Object.keys(environment).map(name => [name, process.env[name]] as const)
    Object.assign(process.env, environment)
    try {
      const { KMS: Client } = await import('@aws-sdk/client-kms')
      const kms = new Client({ maxAttempts: 1 })
      clients.push(kms)
      expect(await used(kms)).to.have.property('arn').that.matches(/assumed-role\/worker\/by-environment$/)
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) Reflect.deleteProperty(process.env, name)
        else process.env[name] = value
      }
    }
  })

  it('gets what the token says beside the credentials', async () => {
    const { accountId } = on.server.admin
    const answer = await stsClient().assumeRoleWithWebIdentity({ RoleArn: roleArn, RoleSessionName: 'job', WebIdentityToken: token() })
    expect(answer).to.deep.include({
      SubjectFromWebIdentityToken: 'job:1', Audience: 'claviger', Provider: `arn:aws:iam::${accountId}:oidc-provider/idp.example/realm`,
    })
  })

  it('is named by its token in the list of events', async () => {
    const { url, admin: { region, accessKeyId, secretAccessKey, accountId } } = on.server
    await stsClient().assumeRoleWithWebIdentity({ RoleArn: roleArn, RoleSessionName: 'listed', WebIdentityToken: token() })
    const { code, stdout } = await claviger(['audit', 'list', '--event-name', 'AssumeRoleWithWebIdentity', '--limit', '1'], undefined, {
      AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: region, AWS_ENDPOINT_URL_IAM: url,
    })
    expect(code).to.equal(0)
    expect(stdout).to.match(new RegExp(
      ` ok +job:1 of arn:aws:iam::${accountId}:oidc-provider/idp\\.example/realm +127\\.0\\.0\\.1 +${roleArn}\n$`))
  })

  it('gets credentials of its user, which end with the access key', async () => {
    const { Credentials: of } = await stsClient().getSessionToken({ DurationSeconds: 900 })
    const { AccessKeyId: accessKeyId = '', SecretAccessKey: secretAccessKey = '', SessionToken: sessionToken = '' } = of ?? {}
    expect(await used(kmsWith({ accessKeyId, secretAccessKey, sessionToken }))).to.deep.include({ type: 'IAMUser', accessKeyId })
  })

  it('throws the exceptions of STS', async () => {
    const thrown = async (call: Promise<unknown>) => {
      const error = await call.catch((one: unknown) => one)
      expect(error).to.be.instanceOf(STSServiceException)
      const { name, message, $metadata: { httpStatusCode: status } } = error as STSServiceException
      return { name, message, status }
    }
    const sts = stsClient()
    const [RoleArn, RoleSessionName] = [roleArn, 'me']
    const missing = `${roleArn}x`
    const { accountId } = on.server.admin
    expect(await thrown(sts.assumeRole({ RoleArn: missing, RoleSessionName }))).to.deep.equal({
      name: 'AccessDenied', status: 403,
      message: `User: arn:aws:iam::${accountId}:user/administrator is not authorized to perform: sts:AssumeRole on resource: ${missing}`,
    })
    expect(await thrown(sts.assumeRole({ RoleArn, RoleSessionName, Policy: '{}' })))
      .to.include({ name: 'MalformedPolicyDocumentException', status: 400 })
    expect(await thrown(sts.assumeRole({ RoleArn, RoleSessionName, DurationSeconds: 3_601 })))
      .to.include({ name: 'ValidationError', status: 400 })
    const withToken = (WebIdentityToken: string) => thrown(sts.assumeRoleWithWebIdentity({ RoleArn, RoleSessionName, WebIdentityToken }))
    expect(await withToken('token')).to.include({ name: 'InvalidIdentityTokenException', status: 400 })
    expect(await withToken(token({ exp: 1 }))).to.include({ name: 'ExpiredTokenException', status: 400 })
    expect(await withToken(token({ nbf: 4e9 }))).to.include({ name: 'IDPRejectedClaimException', status: 403 })
    expect(await withToken(token({ sub: 'job:2' }))).to.deep.equal({
      name: 'AccessDenied', status: 403, message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
    })
  })

  it('is limited by the policy of the session: a wider one than the role gives nothing, a narrower one takes away', async () => {
    const { services, admin: { accountId } } = on.server
    const RoleArn = await newRole(services, 'reader', {
      accountId, inlinePolicies: { read: JSON.stringify(allowing('kms:DescribeKey', 'kms:ListKeys')) },
    })
    const withPolicy = (policy: object) => kmsWith(fromTemporaryCredentials({
      params: { RoleArn, RoleSessionName: 'me', Policy: JSON.stringify(policy) },
      masterCredentials: master(), clientConfig: clientConfig(),
    }))
    const wide = withPolicy(allowing('*'))
    expect(await wide.describeKey({ KeyId: keyId })).to.have.property('KeyMetadata')
    expect((await refusal(wide.encrypt({ KeyId: keyId, Plaintext: Buffer.from('x') }))).code).to.equal('AccessDeniedException')
    const narrow = withPolicy(allowing('kms:ListKeys'))
    expect(await narrow.listKeys({})).to.have.property('Keys')
    const { message } = await refusal(narrow.describeKey({ KeyId: keyId }))
    expect(message).to.match(/because no session policy allows the kms:DescribeKey action$/)
  })

  it('leaves a record of each of its calls, and no secret or token in any', () => {
    const events = auditEvents(on.server.dataDir).filter(({ eventSource }) => eventSource === 'sts.amazonaws.com')
    const names = new Set(events.map(({ eventName }) => eventName))
    expect([...names]).to.have.members(['GetCallerIdentity', 'AssumeRole', 'AssumeRoleWithWebIdentity', 'GetSessionToken'])
    const text = auditText(on.server.dataDir)
    expect(text).not.to.match(/"(?:secretAccessKey|sessionToken|webIdentityToken)"/i)
    // Tokens of ours begin with format and root, those of providers with a header.
    expect(text).not.to.match(/AQAAAAE|eyJ/)
  })
})
