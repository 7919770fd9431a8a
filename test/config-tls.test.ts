import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ConfigError, readConfig } from '../src/config.js'
import { selfSigned } from './http/self-signed.js'
import { TestCa } from './support/pki.js'
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

  describe('of client certificates', () => {
    let ca: TestCa
    before(() => { ca = new TestCa('a CA') })

    function faultsOfClients(clientCa: string | undefined, clientCrl?: string): readonly string[] {
      const { certificate, key } = files(pem.certificate, pem.key)
      if (clientCa !== undefined) writeFileSync(join(directory, 'ca.pem'), clientCa)
      if (clientCrl !== undefined) writeFileSync(join(directory, 'crl.pem'), clientCrl)
      const CLAVIGER_CONFIG = join(directory, 'claviger.yaml')
      const tls = { certificate, key, clientCa: ['ca.pem'], ...clientCrl !== undefined && { clientCrl: ['crl.pem'] } }
      writeFileSync(CLAVIGER_CONFIG, JSON.stringify({ tls }))
      try {
        readConfig({ CLAVIGER_CONFIG }, 'server')
      } catch (error) {
        if (error instanceof ConfigError) return error.faults.map(fault => fault.replace(directory, ''))
        throw error
      }
      return []
    }

    it('are taken, several in a file', () => {
      const other = new TestCa('another CA')
      expect(faultsOfClients(ca.certificate + other.certificate, ca.crl() + other.crl())).to.deep.equal([])
      expect(faultsOfClients(`# ours\n${ca.certificate}`)).to.deep.equal([])
    })

    it('must be there, whole, and of CAs', () => {
      const { certificate } = ca.issue({})
      const notCas = ['tls.clientCa: /ca.pem is not a PEM file of CA certificates']
      expect(faultsOfClients(undefined)[0]).to.match(/^tls\.clientCa cannot be read: ENOENT/)
      for (const [how, text] of Object.entries({
        'empty': '', 'text': 'a CA', 'a certificate of somebody': certificate, 'one of somebody behind': ca.certificate + certificate,
        'half a certificate': ca.certificate.slice(0, 300), 'half a certificate behind': ca.certificate + ca.certificate.slice(0, 300),
        'the end of one in front': ca.certificate.slice(300) + ca.certificate, 'a key': ca.key,
        'bytes changed': ca.certificate.replace(/\nMII/, '\nMIX'),
      })) expect(faultsOfClients(text), how).to.deep.equal(notCas)
    })

    it('must be lists of revoked certificates', () => {
      const noLists = ['tls.clientCrl: /crl.pem is not a PEM file of revocation lists']
      for (const text of ['', ca.certificate, ca.crl().slice(0, 100), ca.crl() + ca.crl().slice(0, 100)]) {
        expect(faultsOfClients(ca.certificate, text)).to.deep.equal(noLists)
      }
    })
  })
})
