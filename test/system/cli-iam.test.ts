import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createAccessKey, deleteAccessKey, updateAccessKey } from '../../src/api/iam/access-keys.js'
import { iamContracts } from '../../src/api/iam/operations.js'
import { attachPolicy, putInlinePolicy } from '../../src/api/iam/policies.js'
import { createRole } from '../../src/api/iam/roles.js'
import { createUser } from '../../src/api/iam/users.js'
import { IamClient } from '../../src/cli/iam/client.js'
import { withoutCommand } from '../../src/cli/iam/commands.js'
import { adminCredentials } from '../../src/inspect.js'
import { kmsClient, refusal } from '../support/clients.js'
import { removeDirectory, spawnServer, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { claviger, json } from './claviger.js'

const waitMs = 120_000
const use = JSON.stringify({ Version: '2012-10-17', Statement: { Sid: 'Use', Effect: 'Allow', Action: 'kms:*', Resource: '*' } })

interface AccessKey { readonly AccessKeyId: string, readonly SecretAccessKey: string, readonly UserName: string }

describe('claviger iam', function suiteOfIam() {
  this.timeout(waitMs)
  let server: SpawnedServer

  before(async () => { server = await spawnServer() })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  /** For what a test needs beforehand: the client that the commands use. */
  function prepare(): IamClient {
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } =
      adminCredentials(join(server.dataDir, 'admin.env')) ?? {}
    return new IamClient({ endpoint: server.url, region: server.admin.region, credentials: { accessKeyId, secretAccessKey } })
  }

  const iam = (...line: readonly string[]) => claviger(['iam', ...line], server.dataDir)
  const iamJson = <T>(...line: readonly string[]) => json(['iam', ...line], server.dataDir) as Promise<T>
  const arn = (kind: string, name: string) => `arn:aws:iam::${server.admin.accountId}:${kind}/${name}`

  /** The environment of a shell that somebody has set up with an access key, and the options of a client with it. */
  function as({ AccessKeyId, SecretAccessKey }: AccessKey) {
    return {
      environment: {
        AWS_ACCESS_KEY_ID: AccessKeyId, AWS_SECRET_ACCESS_KEY: SecretAccessKey, AWS_REGION: server.admin.region,
        AWS_ENDPOINT_URL_IAM: server.url,
      },
      client: () => kmsClient(
        { ...server, admin: { ...server.admin, accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } }, { maxAttempts: 1 }),
    }
  }

  async function newAccessKey(UserName: string): Promise<AccessKey> {
    return (await prepare().call(createAccessKey, { UserName })).AccessKey as AccessKey
  }

  it('has a command for every operation, but those that other commands stand for', async () => {
    const { stdout } = await iam('--help')
    const elsewhere = ['ExplainDecision', 'ListApprovalRequests', 'GetApprovalRequest', 'ApproveRequest', 'RejectRequest', 'LookupEvents']
    expect(withoutCommand).to.deep.equal(elsewhere)
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+) \[/gm)].map(([, name]) => name)
    expect(commands).to.have.length(iamContracts.size - elsewhere.length + 3 + 1)
    expect(commands).to.include.members(['create-account', 'delete-inline-policy', 'rotate-access-key', 'apply', 'explain'])
  })

  it('makes and shows, for a reader and as JSON', async () => {
    const { code, stdout } = await iam('create-user', '--user-name', 'carol', '--path', '/dev/', '--tags', 'team=blue', 'sum=a=b')
    expect(code).to.equal(0)
    expect(stdout).to.match(/^UserName +carol$/m).and.to.match(/^Tags +team=blue sum=a=b$/m)
      .and.to.match(new RegExp(`^Arn +${arn('user', 'dev/carol')}$`, 'm'))
    const { User } = await iamJson<{ User: { Tags: unknown, Path: string } }>('get-user', '--user-name', 'carol')
    expect(User).to.deep.include({ Path: '/dev/', Tags: [{ Key: 'team', Value: 'blue' }, { Key: 'sum', Value: 'a=b' }] })
    const listed = await iam('list-users', '--path-prefix', '/dev/')
    expect(listed.stdout).to.match(/^USER NAME +USER ID +ARN .*\n/).and.to.match(/^carol +AIDA/m).and.not.include('administrator')
    expect((await iam('tag-principal', '--user-name', 'carol', '--tags', 'x=y')).stdout).to.equal('')
    expect(await iamJson('untag-principal', '--user-name', 'carol', '--tag-keys', 'x', 'team')).to.deep.equal({})
  })

  it('takes documents as they are and from files, and shows them laid out', async () => {
    const file = join(temporaryDirectory(), 'policy.json')
    writeFileSync(file, use)
    await iamJson('create-policy', '--policy-name', 'use', '--policy-document', `file://${file}`)
    const { Policy } = await iamJson<{ Policy: object }>('get-policy', '--policy-arn', arn('policy', 'use'))
    expect(Policy).to.deep.include({ PolicyDocument: use })
    const { stdout } = await iam('get-policy', '--policy-arn', arn('policy', 'use'))
    expect(stdout).to.include('PolicyDocument:\n  {\n    "Version": "2012-10-17",')
    await iamJson('create-group', '--group-name', 'makers')
    await iamJson('put-inline-policy', '--group-name', 'makers', '--policy-name', 'own', '--policy-document', use)
    const missing = await iam('update-policy', '--policy-arn', arn('policy', 'use'), '--policy-document', `file://${file}.none`)
    expect([missing.code, missing.stdout]).to.deep.equal([2, ''])
    expect(missing.stderr).to.match(/policy\.json\.none cannot be read: /)
  })

  it('tells what the service refuses, with exit code 1', async () => {
    const refused = async (...line: readonly string[]) => {
      const { code, stdout, stderr } = await iam(...line)
      expect([code, stdout]).to.deep.equal([1, ''])
      return stderr
    }
    expect(await refused('get-user', '--user-name', 'none'))
      .to.equal('claviger: NoSuchEntityException: The user with name none cannot be found.\n')
    expect(await refused('create-policy', '--policy-name', 'bad', '--policy-document', use.replace('Allow', 'allow')))
      .to.equal('claviger: MalformedPolicyDocumentException: In statement 1 (Use): Effect must be Allow or Deny\n')
    expect(await refused('attach-policy', '--policy-arn', arn('policy', 'use')))
      .to.equal('claviger: ValidationException: You must specify exactly one of UserName, GroupName, RoleName.\n')
    expect(await refused('attach-policy', '--user-name', 'carol', '--policy-arn', 'app'))
      .to.match(/ValidationException: .*\ngive an ARN, such as arn:aws:iam::aws:policy\/ClavigerKeyUser\n$/)
    expect(await refused('explain', '--principal', 'carol', '--action', 'kms:ListKeys'))
      .to.match(/\ngive an ARN, such as arn:aws:iam::111122223333:user\/anne\n$/)
    expect(await refused('create-user', '--user-name', 'a b')).to.include('ValidationException: 1 validation error detected')
  })

  it('refuses a line that it cannot use, with exit code 2', async () => {
    const lines: readonly (readonly [line: readonly string[], told: RegExp])[] = [
      [['create-user'], /required option '--user-name <value>' not specified/],
      [['update-access-key', '--access-key-id', 'CVAKAAAAAAAAAAAAAAAA', '--status', 'Gone'], /Allowed choices are Active, Inactive/],
      [['create-role', '--role-name', 'r', '--assume-role-policy-document', '{}', '--max-session-duration', '1h'], /whole number/],
      [['tag-principal', '--user-name', 'carol', '--tags', 'team'], /--tags takes name=value, so not "team"/],
      [['create-user', '--user-name', 'x', '--secret', 'y'], /unknown option '--secret'/],
      [['explain', '--principal', arn('user', 'carol')], /required option '--action <name>' not specified/],
    ]
    await Promise.all(lines.map(async ([line, told]) => {
      const { code, stdout, stderr } = await iam(...line)
      expect([code, stdout], line.join(' ')).to.deep.equal([2, ''])
      expect(stderr).to.match(told)
    }))
  })

  it('shows the secret of an access key once, and when the access key was last used', async () => {
    await prepare().call(createUser, { UserName: 'dave' })
    const { stdout } = await iam('create-access-key', '--user-name', 'dave')
    const [, AccessKeyId = ''] = /^AccessKeyId +(CVAK[A-Z2-7]{16})$/m.exec(stdout) ?? []
    const [, SecretAccessKey = ''] = /^SecretAccessKey +([A-Za-z0-9+/]{40})$/m.exec(stdout) ?? []
    expect(stdout).to.include('the only time that the secret is shown')
    const before = await iamJson<{ AccessKeyMetadata: readonly object[] }>('list-access-keys', '--user-name', 'dave')
    expect(before.AccessKeyMetadata).to.have.length(1)
    expect(before.AccessKeyMetadata[0]).to.not.have.property('AccessKeyLastUsed')
    const client = as({ AccessKeyId, SecretAccessKey, UserName: 'dave' }).client()
    expect((await refusal(client.listKeys({}))).code).to.equal('AccessDeniedException')
    client.destroy()
    const { stdout: listed } = await iam('list-access-keys', '--user-name', 'dave')
    expect(listed).to.match(/LAST USED DATE +SERVICE NAME +REGION$/m).and.to.match(new RegExp(`${AccessKeyId} .* kms +us-east-1$`, 'm'))
      .and.not.include(SecretAccessKey)
  })

  it('acts as whoever the environment names: a user looks after its own access keys and nobody else\'s', async () => {
    await prepare().call(createUser, { UserName: 'erin' })
    const own = JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Action: 'iam:*AccessKey*', Resource: arn('user', '${aws:username}') },
    })
    await prepare().call(putInlinePolicy, { UserName: 'erin', PolicyName: 'own', PolicyDocument: own })
    const { environment } = as(await newAccessKey('erin'))
    const made = await json(['iam', 'create-access-key'], undefined, environment) as { AccessKey: AccessKey }
    expect(made.AccessKey.UserName).to.equal('erin')
    const others = await claviger(['iam', 'create-access-key', '--user-name', 'dave'], undefined, environment)
    expect([others.code, others.stderr]).to.deep.equal([1, 'claviger: AccessDeniedException: User: '
      + `${arn('user', 'erin')} is not authorized to perform: iam:CreateAccessKey on resource: user dave because no identity-based policy `
      + 'allows the iam:CreateAccessKey action\n'])
    const ofKms = { ...environment, AWS_ENDPOINT_URL_IAM: '', AWS_ENDPOINT_URL_KMS: server.url }
    await json(['iam', 'delete-access-key', '--access-key-id', made.AccessKey.AccessKeyId], undefined, ofKms)
    const { AWS_SECRET_ACCESS_KEY: _, ...withoutSecret } = environment
    const { AWS_REGION: __, ...withoutRegion } = environment
    for (const [incomplete, told] of [[withoutSecret, /AWS_SECRET_ACCESS_KEY is not/], [withoutRegion, /AWS_REGION is not set/]] as const) {
      const { code, stderr } = await claviger(['iam', 'list-access-keys'], undefined, incomplete)
      expect(code).to.equal(2)
      expect(stderr).to.match(told)
    }
  })

  it('makes an account whose administrator is at home there, and nowhere else', async () => {
    const { Account, AccessKey } = await iamJson<{ Account: { AccountId: string }, AccessKey: AccessKey }>(
      'create-account', '--account-name', 'a tenant')
    const { environment, client } = as(AccessKey)
    const tenant = (...line: readonly string[]) => claviger(['iam', ...line], undefined, environment)
    const kms = client()
    expect((await kms.createKey({})).KeyMetadata?.AWSAccountId).to.equal(Account.AccountId)
    kms.destroy()
    expect((await tenant('create-user', '--user-name', 'carol')).stdout).to.include(`arn:aws:iam::${Account.AccountId}:user/carol`)
    const told = new Set<string>()
    for (const account of [server.admin.accountId, '999999999999']) {
      const { code, stderr } = await tenant('get-user', '--user-name', 'carol', '--account-id', account)
      expect(code).to.equal(1)
      told.add(stderr)
    }
    expect([...told]).to.have.length(1)
    expect((await tenant('list-accounts')).stderr).to.include('AccessDeniedException')
    const seen = await iamJson<{ User: { Arn: string } }>('get-user', '--user-name', 'carol', '--account-id', Account.AccountId)
    expect(seen.User.Arn).to.equal(`arn:aws:iam::${Account.AccountId}:user/carol`)
    const { stdout } = await iam('list-accounts')
    expect(stdout).to.match(/^[0-9]{12} +a tenant +arn:aws:iam::[0-9]{12}:root/m)
  })

  describe('rotate-access-key', () => {
    it('of somebody else leaves the old one active and says how to end it', async () => {
      await prepare().call(createUser, { UserName: 'frank' })
      const old = await newAccessKey('frank')
      const { code, stdout } = await iam('rotate-access-key', '--user-name', 'frank')
      expect(code).to.equal(0)
      expect(stdout).to.include(`${old.AccessKeyId} is still active`)
      expect(stdout).to.include(`claviger iam update-access-key --user-name frank --access-key-id ${old.AccessKeyId} --status Inactive`)
      const client = as(old).client()
      expect((await refusal(client.listKeys({}))).code).to.equal('AccessDeniedException')
      const third = await iam('rotate-access-key', '--user-name', 'frank')
      expect([third.code, third.stdout]).to.deep.equal([1, ''])
      expect(third.stderr).to.include('claviger: LimitExceededException: A user can have at most 2 access keys\n')
        .and.include(`${old.AccessKeyId} is active. Only when nothing uses it any more (iam list-access-keys shows it):\n`)
      await prepare().call(updateAccessKey, { UserName: 'frank', AccessKeyId: old.AccessKeyId, Status: 'Inactive' })
      const fourth = await iam('rotate-access-key', '--user-name', 'frank')
      expect(fourth.stderr).to.include(`\n${old.AccessKeyId} is inactive, and can be deleted:\n`
        + `  claviger iam delete-access-key --user-name frank --access-key-id ${old.AccessKeyId}\n`)
      await prepare().call(updateAccessKey, { UserName: 'frank', AccessKeyId: old.AccessKeyId, Status: 'Active' })
      await prepare().call(deleteAccessKey, { UserName: 'frank', AccessKeyId: old.AccessKeyId })
      expect((await refusal(client.listKeys({}))).code).to.equal('UnrecognizedClientException')
      client.destroy()
    })

    it('of the administrator puts the new one into the credentials file, and ends the old one with it', async () => {
      const file = join(server.dataDir, 'admin.env')
      const before = readFileSync(file, 'utf8')
      const { AccessKey, Old, File } = await iamJson<{ AccessKey: AccessKey, Old: readonly string[], File: string }>(
        'rotate-access-key', '--deactivate-old')
      expect(Old).to.deep.equal([server.admin.accessKeyId])
      expect(File).to.equal(file)
      expect(readFileSync(file, 'utf8')).to.equal(before.replace(server.admin.accessKeyId, AccessKey.AccessKeyId)
        .replace(server.admin.secretAccessKey, AccessKey.SecretAccessKey))
      expect(statSync(file).mode & 0o777).to.equal(0o600)
      const client = kmsClient(server, { maxAttempts: 1 })
      expect((await refusal(client.listKeys({}))).code).to.equal('UnrecognizedClientException')
      client.destroy()
      const keys = await iamJson<{ AccessKeyMetadata: readonly { AccessKeyId: string, Status: string }[] }>('list-access-keys')
      expect(keys.AccessKeyMetadata.map(({ AccessKeyId, Status }) => [AccessKeyId, Status])).to.have.deep.members([
        [server.admin.accessKeyId, 'Inactive'], [AccessKey.AccessKeyId, 'Active'],
      ])
      const own = await iam('delete-access-key', '--access-key-id', AccessKey.AccessKeyId)
      expect([own.code, own.stderr]).to.deep.equal([1, `claviger: ConflictException: ${AccessKey.AccessKeyId} signs this very call. `
        + 'Make the call with another access key.\n'])
      await iamJson('delete-access-key', '--access-key-id', server.admin.accessKeyId)
    })
  })

  it('explain says what has decided, with exit code 1 for a no', async () => {
    await prepare().call(createUser, { UserName: 'grace' })
    const { Arn } = await json(['key', 'create'], server.dataDir) as { Arn: string }
    const asked = ['explain', '--principal', arn('user', 'grace'), '--action', 'kms:Decrypt', '--key', Arn]
    const no = await iam(...asked)
    expect(no.code).to.equal(1)
    expect(no.stdout).to.match(/^NOT ALLOWED: .*grace kms:Decrypt on arn:.*\n {2}nothing in: identity policy\n/)
      .and.to.match(/^\* Allow resource policy: key policy, statement 1 \(Enable IAM User Permissions\)$/m)
      .and.to.match(/^ {2}answered: AccessDeniedException: User: /m)
    const condition = use.replace('"Resource"', '"Condition":{"StringEquals":{"kms:EncryptionContext:aws:s3":"x"},'
      + '"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}},"Resource"')
    await prepare().call(putInlinePolicy, { UserName: 'grace', PolicyName: 'own', PolicyDocument: condition })
    const { stdout, code } = await iam(...asked, '--context', 'aws:SourceIp=192.0.2.1', 'kms:EncryptionContext:aws:s3=x', 'plain=1')
    expect(code).to.equal(0)
    expect(stdout).to.match(/^ALLOWED: /).and.to.match(/together with inline policy own: statement 1 \(Use\)$/m)
      .and.to.include('condition holds: IpAddress aws:SourceIp ["192.0.2.0/24"], the call has ["192.0.2.1"]')
    const half = await iam(...asked, '--context', 'aws:SourceIp=192.0.2.1')
    expect(half.stdout).to.include('condition does not hold: StringEquals kms:EncryptionContext:aws:s3 ["x"], the call has none')
    const explained = await iamJson<{ EvalDecision: string }>(
      'explain', '--principal', arn('user', 'administrator'), '--action', 'kms:ListKeys', '--region', 'us-east-1')
    expect(explained.EvalDecision).to.equal('allowed')
  })

  it('explain says what it cannot show, and why', async () => {
    await prepare().call(createUser, { UserName: 'heidi' })
    const asked = ['explain', '--principal', arn('user', 'heidi'), '--action']
    const missing = await iam(...asked, 'kms:Decrypt', '--key', 'alias/none')
    expect([missing.code, missing.stderr]).to.deep.equal([1, ''])
    expect(missing.stdout).to.include('  NotFoundException: there is no such key or alias\n').and.not.include('is not shown')
    const role = await iam(...asked, 'sts:AssumeRole', '--resource', arn('role', 'none'))
    expect(role.stdout).to.match(/^NOT ALLOWED: .*heidi sts:AssumeRole on arn:.*role\/none\n/)
      .and.include('  the trust policy is not shown: there is no such role, or who asks may not get it\n')
    const trust = JSON.stringify({ Statement: { Effect: 'Allow', Principal: { AWS: arn('user', 'heidi') }, Action: 'sts:AssumeRole' } })
    await prepare().call(createRole, { RoleName: 'app9', AssumeRolePolicyDocument: trust })
    const assuming = await iam(...asked, 'sts:AssumeRole', '--resource', arn('role', 'app9'))
    expect([assuming.code, assuming.stdout]).to.deep.equal([0, `ALLOWED: ${arn('user', 'heidi')} sts:AssumeRole on ${arn('role', 'app9')}\n`
      + '  by: resource policy, trust policy, statement 1\n\n* Allow resource policy: trust policy, statement 1\n'
      + '    principal (user) fits, action fits, resource fits\n'])
    const tagging = await iam(...asked, 'sts:TagSession', '--resource', arn('role', 'app9'))
    expect(tagging.stdout).to.include('\n  nothing in: trust policy\n')
    for (const [action, told] of [
      ['kms:Decrypt', 'kms:Decrypt is asked of a key: name it with --key.'],
      ['sts:AssumeRole', 'sts:AssumeRole is asked of a role: name it with --resource.'],
    ] as const) expect((await iam(...asked, action)).stderr).to.equal(`claviger: ValidationException: ${told}\n`)
    const elsewhere = await iam(...asked, 'kms:DisableKey', '--key',
      'arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-44cd-96ef-1234567890ab')
    expect(elsewhere.stdout).to.include('\n  by: service, which lets nobody do this outside of their own account\n')
      .and.not.include('is not shown')
  })

  it('key create keeps administrators and users of a key apart', async () => {
    for (const UserName of ['boss', 'worker', 'auditor']) await prepare().call(createUser, { UserName })
    await prepare().call(attachPolicy, { UserName: 'auditor', PolicyArn: 'arn:aws:iam::aws:policy/ClavigerAuditor' })
    const trust = JSON.stringify({ Statement: { Effect: 'Allow', Principal: { AWS: server.admin.accountId }, Action: 'sts:AssumeRole' } })
    await prepare().call(createRole, { RoleName: 'deputy', Path: '/x/', AssumeRolePolicyDocument: trust })
    const line = ['key', 'create', '--administrators', `boss, deputy,${arn('user', 'administrator')}`, '--users', 'worker']
    const { KeyId = '' } = await json(line, server.dataDir) as { KeyId: string }
    const [boss, worker, auditor] = (await Promise.all(['boss', 'worker', 'auditor'].map(newAccessKey)))
      .map(key => as(key).client()) as [ReturnType<typeof kmsClient>, ReturnType<typeof kmsClient>, ReturnType<typeof kmsClient>]
    const { CiphertextBlob } = await worker.encrypt({ KeyId, Plaintext: Buffer.from('secret') })
    expect(Buffer.from((await worker.decrypt({ CiphertextBlob })).Plaintext ?? []).toString()).to.equal('secret')
    expect((await refusal(boss.decrypt({ KeyId, CiphertextBlob }))).code).to.equal('AccessDeniedException')
    expect((await refusal(auditor.decrypt({ KeyId, CiphertextBlob }))).code).to.equal('AccessDeniedException')
    expect((await refusal(worker.scheduleKeyDeletion({ KeyId }))).code).to.equal('AccessDeniedException')
    expect((await auditor.getKeyPolicy({ KeyId })).Policy).to.include(arn('role', 'x/deputy')).and.to.include(arn('user', 'boss'))
    expect((await refusal(auditor.disableKey({ KeyId }))).code).to.equal('AccessDeniedException')
    await boss.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 })
    const signing = await json([
      'key', 'create', '--users', 'worker', '--key-spec', 'ECC_NIST_P256', '--key-usage', 'SIGN_VERIFY', '--multi-region',
    ], server.dataDir) as { KeyId: string, KeySpec: string, MultiRegion: boolean }
    expect(signing).to.deep.include({ KeySpec: 'ECC_NIST_P256', MultiRegion: true })
    const message = { KeyId: signing.KeyId, Message: Buffer.from('m'), SigningAlgorithm: 'ECDSA_SHA_256' } as const
    await worker.sign(message)
    expect((await refusal(boss.sign(message))).code).to.equal('AccessDeniedException')
    for (const client of [boss, worker, auditor]) client.destroy()
  })

  it('key create refuses whom there is not, before a key is made', async () => {
    const before = await json(['key', 'list'], server.dataDir)
    const lines: readonly (readonly [line: readonly string[], told: string])[] = [
      [['--users', 'none'], 'claviger: there is neither a user nor a role none\n'],
      [['--administrators', ' ,'], 'claviger: --administrators and --users take names with commas between\n'],
      [['--users', 'carol', '--key-spec', 'RSA_2048'], 'claviger: --key-usage is needed: a key RSA_2048 can have several\n'],
    ]
    for (const [line, told] of lines) {
      const { code, stderr } = await claviger(['key', 'create', ...line], server.dataDir)
      expect([code, stderr]).to.deep.equal([2, told])
    }
    expect(await json(['key', 'list'], server.dataDir)).to.deep.equal(before)
  })
})
