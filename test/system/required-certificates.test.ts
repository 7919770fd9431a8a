import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { claviger } from './claviger.js'
import { tlsSuite } from './tls-suite.js'

describe('a server that requires client certificates', function suiteOfRequired() {
  this.timeout(60_000)
  const on = tlsSuite({ clientCertificates: 'required' })
  let environment: Record<string, string>

  before(() => {
    const { certificate, key } = on.ca.issue({})
    const [certificateFile, keyFile] = [join(on.directory, 'own.pem'), join(on.directory, 'own.key')]
    writeFileSync(certificateFile, certificate)
    writeFileSync(keyFile, key)
    environment = {
      NODE_EXTRA_CA_CERTS: join(on.directory, 'clients.pem'), CLAVIGER_CLIENT_CERTIFICATE: certificateFile, CLAVIGER_CLIENT_KEY: keyFile,
    }
  })

  it('is reached by our own commands, which sign all the same', async () => {
    const { NODE_EXTRA_CA_CERTS = '', ...own } = environment
    for (const command of [['key', 'list'], ['iam', 'list-users'], ['approvals', 'list']]) {
      expect((await claviger(command, on.server.dataDir, { NODE_EXTRA_CA_CERTS, ...own })).code, command.join(' ')).to.equal(0)
      const without = await claviger(command, on.server.dataDir, { NODE_EXTRA_CA_CERTS })
      expect(without.code, command.join(' ')).to.equal(1)
      expect(without.stderr, command.join(' ')).to.match(/^claviger: no answer came from https:.*\n/)
        .and.include('\nif this server requires a client certificate, name it with CLAVIGER_CLIENT_CERTIFICATE and CLAVIGER_CLIENT_KEY\n')
    }
  })

  it('is not asked with half a certificate, or one that is not there', async () => {
    const { CLAVIGER_CLIENT_KEY: _, ...half } = environment
    const [missing, broken] = [
      await claviger(['key', 'list'], on.server.dataDir, half),
      await claviger(['key', 'list'], on.server.dataDir, { ...environment, CLAVIGER_CLIENT_KEY: '/nowhere' }),
    ]
    expect([missing.code, broken.code]).to.deep.equal([2, 2])
    expect(missing.stderr).to.contain('needed together')
    expect(broken.stderr).to.match(/cannot be read: ENOENT/)
  })

  it('is found ready by the health check of a container, which has no certificate', async () => {
    expect(await health(new URL(on.server.url).port, on.server.dataDir)).to.equal(0)
    expect(await health(new URL(on.server.url).port, on.directory)).to.equal(1)
  })

  it('is not found ready where nobody listens, whatever the control socket says', async () => {
    expect(await health('1', on.server.dataDir)).to.equal(1)
  })
})

/** The exit code of the health check. */
function health(port: string, dataDir: string): Promise<number> {
  return new Promise(resolve => {
    const env = { CLAVIGER_LISTEN: `0.0.0.0:${port}`, CLAVIGER_DATA_DIR: dataDir }
    execFile(process.execPath, ['scripts/docker-health.js'], { env }, error => resolve(typeof error?.code === 'number' ? error.code : 0))
  })
}
