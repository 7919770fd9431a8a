import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, spawnServer, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { claviger, json } from './claviger.js'
import { missingKeyId, newKey } from './suite.js'

const waitMs = 60_000

describe('claviger', function suiteOfProgram() {
  this.timeout(waitMs)

  const helps: readonly (readonly [line: readonly string[], texts: readonly string[]])[] = [
    [['--help'], ['server', 'hsm', 'audit', 'key', 'CLAVIGER_CONFIG', 'Exit codes: 0 done, 1 the answer is bad, 2 the command cannot run']],
    [['hsm', 'probe', '--help'], ['--module', '--token', '--pin-file', '--config', '--json']],
    [['audit', 'verify', '--help'], ['cut at the very end', '--directory', '--public-key', '--json']],
    [['key', '--help'], ['evidence', 'list', 'create', 'rotate']],
  ]
  it('says with --help what there is', async () => {
    await Promise.all(helps.map(async ([line, texts]) => {
      const { code, stdout, stderr } = await claviger(line)
      expect([code, stderr]).to.deep.equal([0, ''])
      for (const text of texts) expect(stdout).to.include(text)
    }))
  })

  it('says with --version which it is', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }
    const { code, stdout } = await claviger(['--version'])
    expect([code, stdout]).to.deep.equal([0, `${version}\n`])
  })

  it('refuses a line that is no command with exit code 2 and a hint', async () => {
    await Promise.all([['nonsense'], ['key', 'list', '--nonsense'], ['key', 'evidence'], ['hsm'], []].map(async line => {
      const { code, stdout, stderr } = await claviger(line)
      expect([code, stdout], line.join(' ')).to.deep.equal([2, ''])
      expect(stderr).to.match(/--help|Usage/)
    }))
  })

  it('refuses a configuration that it cannot use, with exit code 2', async () => {
    const { code, stderr } = await claviger(['audit', 'verify'], temporaryDirectory(), { CLAVIGER_REGIONS: 'No Region' })
    expect([code, stderr]).to.deep.equal([2, 'claviger: the configuration cannot be used:\n  - "No Region" is not the name of a region\n'])
  })
})

describe('commands on a server', function suiteOfCommands() {
  this.timeout(waitMs)
  let server: SpawnedServer

  before(async () => { server = await spawnServer() })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  interface KeyMetadata {
    readonly KeyId: string
    readonly Arn: string
    readonly CurrentKeyMaterialId: string
    readonly Description: string
  }

  it('key create, rotate and list go through the API with the administrator\'s credentials', async () => {
    const made = await json(['key', 'create', '--description', 'from the shell', '--alias', 'alias/shell'], server.dataDir) as KeyMetadata
    expect(made.Description).to.equal('from the shell')
    const rotated = await json(['key', 'rotate', 'alias/shell'], server.dataDir) as KeyMetadata
    expect(rotated.Arn).to.equal(made.Arn)
    expect(rotated.CurrentKeyMaterialId).not.to.equal(made.CurrentKeyMaterialId)
    const listed = await json(['key', 'list'], server.dataDir) as readonly KeyMetadata[]
    expect(listed.find(({ KeyId }) => KeyId === made.KeyId)).to.deep.equal(rotated)
  })

  it('key create with a name that no alias has is refused before a key is made, with exit code 2', async () => {
    const before = await json(['key', 'list'], server.dataDir)
    const { code, stdout, stderr } = await claviger(['key', 'create', '--alias', 'shell'], server.dataDir)
    expect([code, stdout, stderr]).to.deep.equal([2, '', 'claviger: an alias begins with alias/, so not "shell"\n'])
    expect(await json(['key', 'list'], server.dataDir)).to.deep.equal(before)
  })

  it('key create with a name that is taken schedules the new key for deletion and says so, with exit code 1', async () => {
    await json(['key', 'create', '--alias', 'alias/taken'], server.dataDir)
    const { code, stdout, stderr } = await claviger(['key', 'create', '--alias', 'alias/taken'], server.dataDir)
    expect([code, stdout]).to.deep.equal([1, ''])
    const [, arn] = /^claviger: AlreadyExistsException: .*\nthe new key (arn:.*) is scheduled for deletion in 7 days$/m.exec(stderr) ?? []
    expect((await kmsClient(server).describeKey({ KeyId: arn })).KeyMetadata?.KeyState).to.equal('PendingDeletion')
  })

  it('print lines for a reader without --json', async () => {
    const { stdout: arn } = await claviger(['key', 'create'], server.dataDir)
    expect(arn).to.match(/^arn:aws:kms:us-east-1:[0-9]{12}:key\/[0-9a-f-]{36}\n$/)
    const id = arn.trim().split('/')[1] ?? ''
    const [rotated, listed] = await Promise.all([['key', 'rotate', id], ['key', 'list']].map(line => claviger(line, server.dataDir)))
    expect(rotated?.stdout).to.match(/current key material is now [0-9a-f]{64}/)
    expect(listed?.stdout).to.match(/^KEY ID +STATE +CREATED +DESCRIPTION\n/).and.to.match(new RegExp(`^${id} +Enabled +2`, 'm'))
  })

  it('take the AWS_ variables of the environment when they name an endpoint', async () => {
    const { accessKeyId, secretAccessKey, region } = server.admin
    const environment = {
      AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: region, AWS_ENDPOINT_URL_KMS: server.url,
    }
    expect(await json(['key', 'list'], undefined, environment)).to.be.an('array')
  })

  it('say what the service refused, with exit code 1', async () => {
    const { code, stdout, stderr } = await claviger(['key', 'rotate', missingKeyId], server.dataDir)
    expect([code, stdout]).to.deep.equal([1, ''])
    expect(stderr).to.match(new RegExp(`^claviger: NotFoundException: Key 'arn:.*${missingKeyId}' does not exist$`, 'm'))
  })

  it('say which file is missing without credentials, with exit code 1', async () => {
    const { code, stderr } = await claviger(['key', 'list'])
    expect(code).to.equal(1)
    expect(stderr).to.match(/^claviger: .*there is no \/.*admin\.env$/m)
  })

  it('key evidence shows the attributes of every version, as recorded and as read now', async () => {
    const kms = kmsClient(server)
    const { id, arn, materialId } = await newKey(kms)
    await kms.rotateKeyOnDemand({ KeyId: id })
    const report = await json(['key', 'evidence', id], server.dataDir) as EvidenceReport
    expect([report.keyId, report.region, report.arn]).to.deep.equal([id, 'us-east-1', arn])
    expect(report.versions.map(({ version, state }) => [version, state])).to.deep.equal([[1, 'ready'], [2, 'ready']])
    expect(report.versions[0]?.keyMaterialId).to.equal(materialId)
    for (const { recorded, now } of report.versions) {
      for (const evidence of [recorded, now]) {
        expect(evidence).to.have.length(1)
        expect(evidence[0]?.attributes).to.include({
          sensitive: true, always_sensitive: true, extractable: false, never_extractable: true, local: true, private: true, token: true,
          encrypt: true, decrypt: true, wrap: false, unwrap: false, derive: false,
        })
      }
    }
    const { stdout } = await claviger(['key', 'evidence', id], server.dataDir)
    expect(stdout).to.match(/version 1 \(ready\)[^]*never_extractable=true[^]*same as recorded\nversion 2 \(ready\)/)
    for (const text of ['class=CKO_SECRET_KEY', 'key_type=CKK_AES', 'key_gen_mechanism=CKM_AES_KEY_GEN']) expect(stdout).to.include(text)
  })

  it('key evidence takes every way to name a key', async () => {
    const kms = kmsClient(server)
    const { id, arn } = await newKey(kms)
    await kms.createAlias({ AliasName: 'alias/evidence', TargetKeyId: id })
    for (const name of [arn, 'alias/evidence', arn.replace(`key/${id}`, 'alias/evidence')]) {
      expect((await json(['key', 'evidence', name], server.dataDir) as EvidenceReport).keyId, name).to.equal(id)
    }
    const codes = await Promise.all([
      ['alias/nobody'], [arn.replace('us-east-1', 'eu-west-1')], [arn.replace(/[0-9]{12}/, '999999999999')],
      ['no name'], [arn, '--region', 'eu-west-1'],
    ].map(async line => (await claviger(['key', 'evidence', ...line], server.dataDir)).code))
    expect(codes).to.deep.equal([1, 1, 1, 2, 2])
  })

  it('key evidence of a key that is not there has exit code 1', async () => {
    const { code, stderr } = await claviger(['key', 'evidence', missingKeyId], server.dataDir)
    expect([code, stderr]).to.deep.equal([1, `claviger: there is no key ${missingKeyId} in us-east-1\n`])
  })

  interface EvidenceReport {
    readonly keyId: string
    readonly region: string
    readonly arn: string
    readonly versions: readonly {
      readonly version: number, readonly state: string, readonly keyMaterialId: string
      readonly recorded: readonly Evidence[], readonly now: readonly Evidence[]
    }[]
  }
  interface Evidence { readonly attributes: Readonly<Record<string, unknown>> }
})
