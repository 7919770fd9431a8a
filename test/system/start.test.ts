import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { expect } from 'chai'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, spawnProgram, spawnServer, temporaryDirectory, type SpawnedServer } from '../support/server.js'
import { auditText } from './audit-records.js'
import { newKey } from './suite.js'

const startWaitMs = 60_000
const ownerOnly = 0o600
/** Half of it is Node loading the program; other work on the machine may double it. */
const readyMsMax = 2 * 2_000
const credentialNames = [
  'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION', 'AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL_STS', 'CLAVIGER_ACCOUNT_ID',
]

const modeOf = (file: string) => statSync(file).mode & 0o777
const credentialsIn = (dataDir: string) => new Map(readFileSync(join(dataDir, 'admin.env'), 'utf8').trimEnd().split('\n')
  .map(line => line.split(/=(.*)/s).slice(0, 2) as [string, string]))
/** SoftHSM keeps one file for each object; a call that was cut short can leave an empty one, which is no object. */
const objectFiles = (dataDir: string) => readdirSync(join(dataDir, 'softhsm', 'tokens'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.object') && !name.endsWith('token.object'))
  .filter(name => statSync(join(dataDir, 'softhsm', 'tokens', name)).size > 0)

describe('the first start', function suiteOfFirstStart() {
  this.timeout(startWaitMs)
  let server: SpawnedServer
  let keyArn: string

  before(async () => {
    server = await spawnServer()
    ;({ arn: keyArn } = await newKey(kmsClient(server)))
  })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  it('makes a token with a random PIN in a file that only the owner reads', () => {
    const pinFile = join(server.dataDir, 'softhsm', 'pin')
    expect(modeOf(pinFile)).to.equal(ownerOnly)
    expect(readFileSync(pinFile, 'utf8').trim()).to.have.length.above(20)
  })

  it('hands the administrator over in a file of six lines that only the owner reads', () => {
    const credentials = credentialsIn(server.dataDir)
    expect(modeOf(join(server.dataDir, 'admin.env'))).to.equal(ownerOnly)
    expect([...credentials.keys()]).to.deep.equal(credentialNames)
    expect(credentials.get('AWS_REGION')).to.equal('us-east-1')
    for (const name of ['AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL_STS']) expect(credentials.get(name)).to.equal(server.url)
    expect(credentials.get('CLAVIGER_ACCOUNT_ID')).to.match(/^[0-9]{12}$/)
  })

  it('makes a file that a shell can source', () => {
    const script = `set -a; . "${join(server.dataDir, 'admin.env')}"; printf %s "$AWS_SECRET_ACCESS_KEY"`
    expect(execFileSync('sh', ['-c', script]).toString()).to.equal(server.admin.secretAccessKey)
  })

  it('lets nobody else read the database or enter the directories', () => {
    for (const name of readdirSync(server.dataDir).filter(each => each.startsWith('claviger.db'))) {
      expect(modeOf(join(server.dataDir, name)), name).to.equal(ownerOnly)
    }
    for (const name of ['softhsm', 'audit']) expect(modeOf(join(server.dataDir, name)) & 0o077, name).to.equal(0)
  })

  it('says where it listens, where the credentials are, and what to try', () => {
    for (const text of [server.url, join(server.dataDir, 'admin.env'), 'aws kms create-key', 'claviger key list']) {
      expect(server.output()).to.include(text)
    }
  })

  it('tells no secret: not in its output, arguments or environment, nor in the audit log or the database', async () => {
    const { KeyId, Plaintext = new Uint8Array() } = await kmsClient(server).generateDataKey({ KeyId: keyArn, KeySpec: 'AES_256' })
    expect(KeyId).to.equal(keyArn)
    const pin = readFileSync(join(server.dataDir, 'softhsm', 'pin'), 'utf8').trim()
    const places: Readonly<Record<string, Buffer>> = {
      output: Buffer.from(server.output()),
      arguments: readFileSync(`/proc/${server.pid}/cmdline`),
      environment: readFileSync(`/proc/${server.pid}/environ`),
      audit: Buffer.from(auditText(server.dataDir)),
      database: Buffer.concat(readdirSync(server.dataDir).filter(name => name.startsWith('claviger.db'))
        .map(name => readFileSync(join(server.dataDir, name)))),
    }
    expect(places.audit?.includes('GenerateDataKey')).to.equal(true)
    expect(places.database?.includes(server.admin.accessKeyId)).to.equal(true)
    for (const [place, bytes] of Object.entries(places)) {
      for (const secret of [pin, server.admin.secretAccessKey, Buffer.from(server.admin.secretAccessKey, 'base64'), Plaintext,
        Buffer.from(Plaintext).toString('base64')]) {
        expect(bytes.includes(Buffer.from(secret)), place).to.equal(false)
      }
    }
  })
})

describe('a later start', function suiteOfLaterStart() {
  this.timeout(startWaitMs)

  it('uses what is there: credentials, account, keys and their material', async () => {
    const dataDir = temporaryDirectory()
    const first = await spawnServer({ dataDir, environment: { CLAVIGER_ACCOUNT_ID: '012345678901' } })
    const kms = kmsClient(first)
    const { id } = await newKey(kms)
    const { CiphertextBlob } = await kms.encrypt({ KeyId: id, Plaintext: Buffer.from('kept') })
    await kms.rotateKeyOnDemand({ KeyId: id })
    const before = [credentialsIn(dataDir), objectFiles(dataDir).length] as const
    await first.kill('SIGTERM')

    const second = await spawnServer({ dataDir })
    try {
      const moved = new Map(before[0]).set('AWS_ENDPOINT_URL_KMS', second.url).set('AWS_ENDPOINT_URL_STS', second.url)
      expect(credentialsIn(dataDir)).to.deep.equal(moved)
      expect(objectFiles(dataDir)).to.have.length(before[1])
      const again = kmsClient(second)
      expect((await again.listKeys({})).Keys?.map(({ KeyArn }) => KeyArn)).to.deep.equal([`arn:aws:kms:us-east-1:012345678901:key/${id}`])
      expect(Buffer.from((await again.decrypt({ CiphertextBlob })).Plaintext ?? []).toString()).to.equal('kept')
    } finally {
      await second.kill()
      removeDirectory(dataDir)
    }
  })

  it('is ready in time, and does without the credentials file, which the operator may have taken away', async () => {
    const dataDir = temporaryDirectory()
    const first = await spawnServer({ dataDir })
    const { admin } = first
    await first.kill('SIGTERM')
    removeDirectory(join(dataDir, 'admin.env'))
    const began = performance.now()
    const second = await spawnServer({ dataDir })
    const tookMs = performance.now() - began
    try {
      expect(tookMs).to.be.below(readyMsMax)
      expect(existsSync(join(dataDir, 'admin.env'))).to.equal(false)
      expect((await kmsClient({ ...second, admin }).listKeys({})).Keys).to.deep.equal([])
    } finally {
      await second.kill()
      removeDirectory(dataDir)
    }
  })
})

describe('a start that cannot be', function suiteOfRefusedStart() {
  this.timeout(startWaitMs)
  let server: SpawnedServer

  before(async () => { server = await spawnServer() })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  interface Refused {
    readonly title: string
    readonly environment: () => Readonly<Record<string, string>>
    readonly dataDir?: () => string
    readonly code: number
    readonly said: RegExp
  }
  const refused: readonly Refused[] = [
    {
      title: 'on an address that is not loopback, without TLS', environment: () => ({ CLAVIGER_LISTEN: '0.0.0.0:0' }),
      code: 2, said: /not loopback .*needs TLS/,
    },
    {
      title: 'with settings that cannot be used, each of which is named',
      environment: () => ({ CLAVIGER_LISTEN: 'here', CLAVIGER_ACCOUNT_ID: '12', CLAVIGER_REGIONS: 'a,a' }),
      code: 2, said: /listen must be host:port[^]*accountId must be 12 digits[^]*one region twice/,
    },
    {
      title: 'beside a server on the same data directory', environment: () => ({}), dataDir: () => server.dataDir,
      code: 1, said: /already served by another process/,
    },
    {
      title: 'on a port that is taken', environment: () => ({ CLAVIGER_LISTEN: new URL(server.url).host }),
      code: 1, said: /address already in use 127\.0\.0\.1:[0-9]+/,
    },
  ]
  for (const { title, environment, dataDir = temporaryDirectory, code, said } of refused) {
    it(`is refused ${title}`, async () => {
      const exit = await spawnProgram(['server', '--unsupervised'], { dataDir: dataDir(), environment: environment() }).exited
      expect(exit.stderr).to.match(said)
      expect(exit.stderr).not.to.match(/^\s+at /m)
      expect(exit.code).to.equal(code)
    })
  }

  it('leaves the server that was there first at work', async () => {
    expect((await kmsClient(server).listKeys({})).Keys).to.deep.equal([])
  })

  it('is refused with another account id than the first start had', async () => {
    const dataDir = temporaryDirectory()
    await (await spawnServer({ dataDir, environment: { CLAVIGER_ACCOUNT_ID: '111122223333' } })).kill('SIGTERM')
    const exit = await spawnProgram(['server', '--unsupervised'], { dataDir, environment: { CLAVIGER_ACCOUNT_ID: '444455556666' } }).exited
    expect([exit.code, exit.stderr]).to.deep.equal(
      [1, 'claviger: the account id was fixed as 111122223333 at first start and cannot become 444455556666\n'],
    )
    removeDirectory(dataDir)
  })

  it('is refused with another token than the database was made with', async () => {
    const [mine, theirs] = [temporaryDirectory(), temporaryDirectory()]
    for (const dataDir of [mine, theirs]) await (await spawnServer({ dataDir })).kill('SIGTERM')
    removeDirectory(join(mine, 'softhsm'))
    execFileSync('cp', ['-r', join(theirs, 'softhsm'), mine])
    const exit = await spawnProgram(['server', '--unsupervised'], { dataDir: mine }).exited
    expect(exit.code).to.equal(1)
    expect(exit.stderr).to.match(/not the token that the database was made with/)
    for (const dataDir of [mine, theirs]) removeDirectory(dataDir)
  })
})

describe('a listener with TLS', function suiteOfTls() {
  this.timeout(startWaitMs)

  it('may be on every address, and is reached by https', async () => {
    const dataDir = temporaryDirectory()
    const [certificate, key] = [join(dataDir, 'server.pem'), join(dataDir, 'server.key')]
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', certificate, '-days', '2',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    ], { stdio: 'ignore' })
    const server = await spawnServer({ dataDir, settings: { tls: { certificate, key } }, environment: { CLAVIGER_LISTEN: '0.0.0.0:0' } })
    const httpsAgent = new https.Agent({ ca: readFileSync(certificate) })
    try {
      expect(server.url).to.match(/^https:\/\/localhost:[0-9]+$/)
      const trusting = kmsClient(server, { requestHandler: { httpsAgent } })
      expect((await trusting.listKeys({})).Keys).to.deep.equal([])
      const failure = await kmsClient(server, { maxAttempts: 1 }).listKeys({}).catch((error: unknown) => error as NodeJS.ErrnoException)
      expect(failure).to.have.property('code', 'DEPTH_ZERO_SELF_SIGNED_CERT')
    } finally {
      httpsAgent.destroy()
      await server.kill()
      removeDirectory(dataDir)
    }
  })
})

describe('a first start that is killed', function suiteOfKilledStart() {
  this.timeout(startWaitMs)

  const files = (dataDir: string) => existsSync(dataDir) ? readdirSync(dataDir) : []
  const objects = (dataDir: string) => files(dataDir).includes('softhsm') ? objectFiles(dataDir).length : 0
  const moments: Readonly<Record<string, (dataDir: string) => boolean>> = {
    'while the token is made': dataDir => files(dataDir).some(name => name.startsWith('softhsm.new-')),
    'after the third object': dataDir => objects(dataDir) >= 3,
    'once there is a database': dataDir => files(dataDir).includes('claviger.db'),
    'once the credentials are handed over': dataDir => files(dataDir).includes('admin.env'),
    'once there is an audit log': dataDir => files(dataDir).includes('audit'),
  }

  for (const [title, isReached] of Object.entries(moments)) {
    it(`${title} is made up for by the next`, async () => {
      const dataDir = temporaryDirectory()
      const killed = spawnProgram(['server', '--unsupervised'], { dataDir })
      const watch = setInterval(() => { if (isReached(dataDir)) killed.child.kill('SIGKILL') }, 1)
      const { signal, output } = await killed.exited
      clearInterval(watch)
      expect(signal, output).to.equal('SIGKILL')

      const server = await spawnServer({ dataDir })
      try {
        const kms = kmsClient(server)
        const { id } = await newKey(kms)
        const { CiphertextBlob } = await kms.encrypt({ KeyId: id, Plaintext: Buffer.from('x') })
        expect((await kms.decrypt({ CiphertextBlob })).Plaintext).to.have.length(1)
        // Three roots, of which one is a pair, and the key: nothing was made twice.
        expect(objectFiles(dataDir)).to.have.length(5)
        expect(files(dataDir).filter(name => name.includes('.new'))).to.deep.equal([])
        expect([...credentialsIn(dataDir).keys()]).to.deep.equal(credentialNames)
      } finally {
        await server.kill()
        removeDirectory(dataDir)
      }
    })
  }
})
