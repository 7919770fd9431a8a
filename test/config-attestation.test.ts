import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ConfigError, readConfig } from '../src/config.js'
import { makeCertificate } from './support/attestation.js'
import { environmentOf, removeDirectory, temporaryDirectory } from './support/server.js'

describe('the roots of attestation', () => {
  let directory: string
  beforeEach(() => { directory = temporaryDirectory() })
  afterEach(() => removeDirectory(directory))

  function faultsOf(roots: unknown, reading: 'server' | 'command' = 'server'): readonly string[] {
    try {
      readConfig(environmentOf(directory, { attestation: { roots } }), reading)
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
    return []
  }

  it('are PEM files, of which a server needs to find every one', () => {
    const [good, bad, none] = ['good.pem', 'bad.pem', 'none.pem'].map(name => join(directory, name)) as [string, string, string]
    writeFileSync(good, makeCertificate(Date.now()).certificate.toString())
    writeFileSync(bad, 'no certificate')
    expect(faultsOf([good])).to.deep.equal([])
    const faults = faultsOf([good, bad, none])
    expect(faults).to.have.length(2)
    expect(faults[0]).to.equal(`attestation.roots: ${bad} is not a PEM certificate`)
    expect(faults[1]).to.match(/^attestation\.roots cannot be read: ENOENT/)
  })

  it('are not read for a command', () => expect(faultsOf([join(directory, 'none.pem')], 'command')).to.deep.equal([]))

  it('are a list', () => expect(faultsOf('root.pem')).to.deep.equal(['attestation.roots must be a list of texts']))
})
