import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ConfigError, readConfig } from '../src/config.js'
import { selfSigned } from './http/self-signed.js'
import { removeDirectory, temporaryDirectory } from './support/server.js'

describe('the files of TLS', () => {
  let directory: string
  beforeEach(() => { directory = temporaryDirectory() })
  afterEach(() => removeDirectory(directory))

  const pem = selfSigned()

  function files(certificate: string | undefined, key: string | undefined) {
    const paths = { certificate: join(directory, 'c.pem'), key: join(directory, 'k.pem') }
    if (certificate !== undefined) writeFileSync(paths.certificate, certificate)
    if (key !== undefined) writeFileSync(paths.key, key)
    return paths
  }

  function faultsOf({ certificate, key }: ReturnType<typeof files>, reading: 'server' | 'command' = 'server'): readonly string[] {
    try {
      readConfig({ CLAVIGER_TLS_CERTIFICATE: certificate, CLAVIGER_TLS_KEY: key }, reading)
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
    return []
  }

  it('are taken by a server when they fit together', () => {
    expect(faultsOf(files(pem.certificate, pem.key))).to.deep.equal([])
  })

  it('are looked for by a server, and both named', () => {
    const faults = faultsOf(files(undefined, undefined))
    expect(faults).to.have.length(2)
    expect(faults[0]).to.match(/^tls\.certificate cannot be read: ENOENT.*c\.pem'$/)
    expect(faults[1]).to.match(/^tls\.key cannot be read: ENOENT.*k\.pem'$/)
  })

  it('must be what they are said to be', () => {
    const paths = files('no certificate', 'no key')
    expect(faultsOf(paths)).to.deep.equal([
      `tls.certificate: ${paths.certificate} is not a PEM certificate`,
      `tls.key: ${paths.key} is not a PEM private key without a passphrase`,
    ])
  })

  it('must belong together', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const paths = files(pem.certificate, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    expect(faultsOf(paths)).to.deep.equal([`tls.key (${paths.key}) is not the key of tls.certificate (${paths.certificate})`])
  })

  it('are not read for a command, whose user may not be allowed to', () => {
    expect(faultsOf(files(undefined, undefined), 'command')).to.deep.equal([])
  })
})
