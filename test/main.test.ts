import { execFileSync } from 'node:child_process'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { greeting } from '../src/main.js'
import { adminCredentials } from '../src/inspect.js'
import { TestCa } from './support/pki.js'
import { removeDirectory, spawnProgram, spawnServer, temporaryDirectory } from './support/server.js'

const startWaitMs = 60_000

describe('the greeting', () => {
  let directory: string
  beforeEach(() => {
    directory = join(temporaryDirectory(), "it's a directory")
    mkdirSync(directory)
  })

  it('can be pasted, wherever the data are', () => {
    const credentialsFile = join(directory, 'admin.env')
    writeFileSync(credentialsFile, 'AWS_REGION=here-1\n')
    const lines = greeting({ url: 'http://127.0.0.1:1', credentialsFile }, undefined).map(line => line.trim())
    const pasted = lines.filter(line => /^(cd|set|export) /.test(line)).join('; ')
    expect(execFileSync('sh', ['-euc', `${pasted}; printf %s "$AWS_REGION"`], { encoding: 'utf8' })).to.equal('here-1')
    expect(lines.join('\n')).to.match(/^cd '.*'$/m).and.not.to.include('AWS_CA_BUNDLE')
  })

  it('names no credentials file that is not there', () => {
    expect(greeting({ url: 'a', credentialsFile: join(directory, 'admin.env') }, undefined).join('\n')).not.to.include(directory)
  })

  it('says how clients come to trust the certificate', () => {
    const ca = new TestCa('a CA')
    const [own, issued] = [join(temporaryDirectory(), 'own.pem'), join(temporaryDirectory(), 'issued.pem')]
    writeFileSync(own, ca.certificate)
    writeFileSync(issued, ca.issue({}).certificate)
    const said = (certificate: string) => greeting({ url: 'a', credentialsFile: 'b' }, { certificate, key: '' }).join('\n')
    expect(said(own)).to.include(`export AWS_CA_BUNDLE='${own}' NODE_EXTRA_CA_CERTS='${own}'`)
    expect(said(issued)).to.include('AWS_CA_BUNDLE=<the certificate of its CA>').and.not.to.include(issued)
  })
})

describe('a start', function suiteOfMain() {
  this.timeout(startWaitMs)

  it('on a port that is taken says which setting to change', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const environment = { CLAVIGER_LISTEN: `127.0.0.1:${port}` }
    const { code, stderr } = await spawnProgram(['server', '--unsupervised'], { dataDir: temporaryDirectory(), environment }).exited
    other.close()
    expect(code).to.equal(1)
    expect(stderr).to.include(`claviger: address already in use 127.0.0.1:${port}: stop what listens there, or set CLAVIGER_LISTEN`)
  })

  it('with TLS files that are not there ends with exit code 2, before anything is made', async () => {
    const { code, stderr } = await spawnProgram(['server', '--unsupervised'], {
      dataDir: temporaryDirectory(), environment: { CLAVIGER_TLS_CERTIFICATE: '/no/c.pem', CLAVIGER_TLS_KEY: '/no/k.pem' },
    }).exited
    expect(code).to.equal(2)
    expect(stderr).to.match(/tls\.certificate cannot be read: .*\/no\/c\.pem[^]*tls\.key cannot be read: .*\/no\/k\.pem/)
  })

  it('with another home region writes it into the credentials file', async () => {
    const dataDir = temporaryDirectory()
    const file = join(dataDir, 'admin.env')
    await (await spawnServer({ dataDir })).kill('SIGTERM')
    expect(adminCredentials(file)?.AWS_REGION).to.equal('us-east-1')
    await (await spawnServer({ dataDir, environment: { CLAVIGER_REGIONS: 'onprem-1' } })).kill('SIGTERM')
    expect(adminCredentials(file)?.AWS_REGION).to.equal('onprem-1')
    removeDirectory(dataDir)
  })
})
