import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createAccessKey } from '../../src/api/iam/access-keys.js'
import { createAccount, getAccountAuthorizationDetails } from '../../src/api/iam/accounts.js'
import { createUser } from '../../src/api/iam/users.js'
import { allPages, IamClient } from '../../src/cli/iam/client.js'
import { environmentOf, program, removeDirectory, spawnServer, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { claviger, json } from './claviger.js'

const waitMs = 120_000

interface Report {
  readonly Changes: readonly { readonly Change: string, readonly Kind: string, readonly Name: string, readonly AccountId: string }[]
  readonly Kept: readonly string[]
  readonly Applied: number
  readonly Error?: string
}

describe('claviger iam apply', function suiteOfApply() {
  this.timeout(waitMs)
  let server: SpawnedServer
  let client: IamClient
  let tenant: string

  before(async () => {
    server = await spawnServer()
    const { accessKeyId, secretAccessKey, region } = server.admin
    client = new IamClient({ endpoint: server.url, region, credentials: { accessKeyId, secretAccessKey } })
    tenant = (await client.call(createAccount, { AccountName: 'tenant' })).Account?.AccountId ?? ''
  })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  function written(text: string): string {
    const file = join(temporaryDirectory(), 'identities.yaml')
    writeFileSync(file, text)
    return file
  }
  const run = (text: string, ...more: readonly string[]) => claviger(['iam', 'apply', '-f', written(text), ...more], server.dataDir)
  const report = (text: string, ...more: readonly string[]) =>
    json(['iam', 'apply', '-f', written(text), '--yes', ...more], server.dataDir) as Promise<Report>
  const titles = ({ Changes }: Report) => Changes.map(({ Change, Kind, Name }) => `${Change} ${Kind} ${Name}`)
  const details = (AccountId = server.admin.accountId) =>
    allPages(client, getAccountAuthorizationDetails, { AccountId, Filter: ['User', 'Group', 'Role', 'LocalManagedPolicy'] })

  const whole = () => `
accounts:
  '${server.admin.accountId}':
    policies:
      app:
        path: /app/
        description: what the application may
        document:
          Version: 2012-10-17
          Statement: [{ Sid: Use, Effect: Allow, Action: [kms:Decrypt, kms:GenerateDataKey], Resource: '*' }]
      limit:
        document: { Version: 2012-10-17, Statement: { Effect: Allow, Action: 'kms:*', Resource: '*' } }
    groups:
      developers:
        policies: [app, ClavigerKeyUser]
        inline: { own: '{"Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}' }
    users:
      carol: { path: /dev/, groups: [developers], boundary: limit, tags: { team: blue, __proto__: odd } }
      __proto__:
    roles:
      one: { trust: { Statement: { Effect: Allow, Principal: { AWS: '${roleArn('two')}' }, Action: sts:AssumeRole } } }
      two:
        trust:
          Statement: { Effect: Allow, Principal: { AWS: ['${roleArn('one')}', '${tenantArn('user/dave')}'] }, Action: sts:AssumeRole }
        policies: [app]
        maxSessionDuration: 7200
        description: the second
  '${tenant}':
    users:
      dave:
`
  const roleArn = (name: string) => `arn:aws:iam::${server.admin.accountId}:role/${name}`
  const tenantArn = (rest: string) => `arn:aws:iam::${tenant}:${rest}`

  it('shows what it would do and does nothing without --yes where it cannot ask', async () => {
    const { code, stdout, stderr } = await run(whole())
    expect(code).to.equal(2)
    expect(stdout).to.match(/^\+ policy app \(account [0-9]{12}\)\n {4}path \/app\/$/m).and.to.match(/^9 changes$/m)
      .and.to.match(/^\+ user carol .*\n {4}path \/dev\/\n {4}\+ boundary arn:.*limit\n {4}\+ tag team=blue, \+ tag __proto__=odd$/m)
    expect(stderr).to.include('nothing was changed')
    expect((await details()).UserDetailList).to.have.length(1)
  })

  it('makes everything that the file says, over accounts, and nothing the second time', async () => {
    const { code, stdout, stderr } = await run(whole(), '--yes')
    expect([code, stderr]).to.deep.equal([0, ''])
    expect(stdout.match(/^done: /gm)).to.have.length(9)
    const { UserDetailList: users = [], RoleDetailList: roles = [], GroupDetailList: groups = [] } = await details()
    expect(users.map(({ UserName }) => UserName)).to.deep.equal(['__proto__', 'administrator', 'carol'])
    expect(users[2]).to.deep.include({
      Path: '/dev/', GroupList: ['developers'], Tags: [{ Key: 'team', Value: 'blue' }, { Key: '__proto__', Value: 'odd' }],
    })
    expect(groups[0]?.AttachedManagedPolicies).to.have.length(2)
    expect(roles[0]?.AssumeRolePolicyDocument).to.include(roleArn('two'))
    expect(roles[1]).to.deep.include({ MaxSessionDuration: 7200, Description: 'the second' })
    expect((await details(tenant)).UserDetailList?.map(({ UserName }) => UserName)).to.deep.equal(['administrator', 'dave'])
    const before = [await details(), await details(tenant)]
    const again = await run(whole(), '--yes')
    expect([again.code, again.stdout, again.stderr]).to.deep.equal([0, 'no changes\n', ''])
    expect(await report(whole())).to.deep.equal({ Changes: [], Kept: [], Applied: 0 })
    expect([await details(), await details(tenant)]).to.deep.equal(before)
  })

  it('changes what differs, and prunes what the sections of the file do not have, but never the one who applies', async () => {
    await client.call(createUser, { UserName: 'extra' })
    await client.call(createAccessKey, { UserName: 'extra' })
    const changed = whole().replace('boundary: limit, tags: { team: blue, __proto__: odd }', 'tags: { team: red }')
      .replace('Action: [kms:Decrypt, kms:GenerateDataKey]', 'Action: kms:Decrypt').replace('      __proto__:\n', '')
    expect(titles(await report(changed))).to.deep.equal(['update policy app', 'update user carol'])
    const pruned = await report(changed, '--prune')
    expect(titles(pruned)).to.deep.equal([
      'delete user __proto__', 'delete user extra', 'delete user administrator',
    ])
    expect(pruned.Changes[2]?.AccountId).to.equal(tenant)
    expect(pruned.Kept).to.deep.equal([`user administrator of account ${server.admin.accountId}: it makes these very calls`])
    expect((await details()).UserDetailList?.map(({ UserName }) => UserName)).to.deep.equal(['administrator', 'carol'])
    expect(titles(await report(changed, '--prune'))).to.deep.equal([])
    const none = `accounts: {'${server.admin.accountId}': {policies: {}, groups: {}, users: {}, roles: {}}}`
    expect(titles(await report(none, '--prune'))).to.deep.equal([
      'delete role one', 'delete role two', 'delete user carol', 'delete group developers', 'delete policy app', 'delete policy limit',
    ])
  })

  it('stops at the first failure and says how far it came', async () => {
    const text = `accounts: {'${server.admin.accountId}': {users: {first: }, groups: {a: }, roles: {b: {
      trust: {Statement: {Effect: Allow, Principal: {AWS: '${tenantArn('user/nobody')}'}, Action: 'sts:AssumeRole'}}},
      c: {trust: {Statement: {Effect: Allow, Principal: {AWS: '${tenant}'}, Action: 'sts:AssumeRole'}}}}}}`
    const { code, stdout, stderr } = await run(text, '--yes')
    expect(code).to.equal(1)
    expect(stdout.match(/^done: /gm)).to.have.length(2)
    expect(stderr).to.match(/^claviger: stopped at \+ role b \(account [0-9]{12}\), which may be done in part: /)
      .and.to.include('MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.')
      .and.to.include('\n2 of 4 changes were made; apply the file again when the reason is gone\n')
    const failed = await claviger(['iam', 'apply', '-f', written(text), '--yes', '--json'], server.dataDir)
    expect(failed.code).to.equal(1)
    expect(JSON.parse(failed.stdout) as Report).to.deep.include({ Applied: 0 })
    // What was the reason is gone: the rest is done, and only that.
    const { Changes } = await report(text.replace('user/nobody', 'user/dave'))
    expect(Changes.map(({ Kind, Name }) => `${Kind} ${Name}`)).to.deep.equal(['role b', 'role c'])
  })

  it('refuses a file with every fault of it, before anything is asked of the server', async () => {
    const file = written('accounts: {12: {users: {"a b": {color: red}}}}')
    const { code, stdout, stderr } = await claviger(['iam', 'apply', '-f', file])
    expect([code, stdout]).to.deep.equal([2, ''])
    expect(stderr).to.equal('claviger: the file cannot be used:\n'
      + '  - accounts.12 is not the number of an account: 12 digits, in quotes if they begin with 0\n'
      + '  - accounts.12.users.a b is no name: up to 64 letters, digits and +=,.@_-\n'
      + '  - accounts.12.users.a b.color is not known here; there are path, policies, inline, groups, boundary, tags\n')
    const missing = await claviger(['iam', 'apply', '-f', '/no/such/file'])
    expect(missing.code).to.equal(2)
    expect(missing.stderr).to.match(/^claviger: \/no\/such\/file cannot be read/)
    const impossible = await run(`accounts: {'${server.admin.accountId}': {users: {x: {groups: [none]}, Administrator: }}}`, '--yes')
    expect(impossible.code).to.equal(2)
    expect(impossible.stderr).to.include('users.x.groups[0] names a group that there is not: none')
      .and.to.include('users.Administrator is there as administrator: names are not told apart by case')
  })

  it('asks at a terminal, and takes no for an answer', async () => {
    const file = written(`accounts: {'${server.admin.accountId}': {users: {asked: }}}`)
    const answered = (answer: string) => atTerminal(['iam', 'apply', '-f', file], server.dataDir, answer)
    const isThere = async () => (await details()).UserDetailList?.some(({ UserName }) => UserName === 'asked')
    expect(await answered('n')).to.match(/Make this change\? \[y\/N\]/).and.to.include('nothing was changed')
    expect(await isThere()).to.equal(false)
    // Control-D, the end of the input.
    expect(await answered('\u0004')).to.include('nothing was changed')
    expect(await isThere()).to.equal(false)
    expect(await answered('y')).to.match(/^done: \+ user asked/m)
    expect(await isThere()).to.equal(true)
  })
})

/** Types the answer, once asked, at a terminal that Python makes. Answers what was on it. */
function atTerminal(line: readonly string[], dataDir: string, answer: string): Promise<string> {
  const script = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:-1])
shown = b''
try:
    while True:
        part = os.read(terminal, 4096)
        if not part: break
        shown += part
        if shown.count(b'[y/N]') == 1 and b'typed' not in globals().get('done', b''):
            done = b'typed'
            os.write(terminal, sys.argv[-1].encode() + (b'' if sys.argv[-1] == '\\x04' else b'\\r'))
except OSError:
    pass
sys.stdout.buffer.write(shown)
`
  return new Promise((resolve, reject) => {
    const child = spawn('python3', ['-c', script, process.execPath, program, ...line, answer], {
      env: { PATH: process.env.PATH, TERM: 'dumb', ...environmentOf(dataDir, {}) }, stdio: ['ignore', 'pipe', 'inherit'],
    })
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { shown += text })
    child.on('error', reject).on('close', () => resolve(shown.replaceAll('\r', '')))
  })
}
