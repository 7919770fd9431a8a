import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ConfigError, readConfig } from '../src/config.js'
import { signatureAlgorithms } from '../src/domain/web-identity.js'
import { configSuite } from './support/config-suite.js'
import { keySet, newPair } from './support/identity-provider.js'

const good = { issuer: 'https://idp.example/realm', jwksUrl: 'https://idp.example/keys', audiences: ['claviger'] }

describe('the configuration of identity providers', () => {
  const on = configSuite()
  const of = (issuers: object) => ({ sts: { issuers } })
  const faults = (issuers: object) => on.faultsOf(of(issuers))

  it('has none by default', () => {
    expect(readConfig({}).sts.issuers).to.deep.equal([])
    expect(on.read({ sts: {} }).sts.issuers).to.deep.equal([])
  })

  it('takes all its settings', () => {
    const { sts } = on.read(of({
      idp: good,
      cluster: {
        issuer: 'http://127.0.0.1:8080', jwksFile: 'jwks.json', audiences: ['a', 'b'], accounts: ['111122223333'],
        algorithms: ['ES256', 'RS256'],
      },
    }))
    expect(sts.issuers).to.deep.equal([
      {
        issuer: 'https://idp.example/realm', audiences: ['claviger'], algorithms: signatureAlgorithms,
        keys: { url: 'https://idp.example/keys' },
      },
      {
        issuer: 'http://127.0.0.1:8080', audiences: ['a', 'b'], algorithms: ['RS256', 'ES256'], accounts: ['111122223333'],
        keys: { file: join(on.directory, 'jwks.json') },
      },
    ])
  })

  const issuers = [
    'idp.example', 'http://idp.example', 'ftp://idp.example', 'https://', 'https:idp.example', 'https://user@idp.example',
    'https://idp.example/?a=b', 'https://idp.example/#', 'https://idp.example/ ', 'https://aws', 'https://sts', 'https://kms/realm', '',
  ]
  for (const issuer of issuers) {
    it(`refuses "${issuer}" for an issuer`, () => {
      expect(faults({ idp: { ...good, issuer } }).join()).to.contain('sts.issuers.idp.issuer must be')
    })
  }

  it('needs audiences', () => {
    for (const audiences of [undefined, [], ['']]) expect(faults({ idp: { ...good, audiences } })).to.have.length(1)
  })

  it('never takes none or a MAC for an algorithm', () => {
    for (const algorithm of ['none', 'HS256', 'HS512', 'RS1', 'ES256K', 'toString']) {
      expect(faults({ idp: { ...good, algorithms: ['RS256', algorithm] } })).to.have.length(1)
    }
    expect(faults({ idp: { ...good, algorithms: [] } })).to.have.length(1)
    expect(faults({ idp: { ...good, algorithms: ['RS256', 'RS256'] } })).to.have.length(1)
  })

  it('needs one place of the keys, which is https or on this machine', () => {
    const { jwksUrl, ...without } = good
    expect(faults({ idp: without })).to.have.length(1)
    expect(faults({ idp: { ...good, jwksFile: 'jwks.json' } })).to.have.length(1)
    for (const url of ['http://idp.example/keys', 'file:///etc/passwd', 'keys', 'https://u:p@idp.example/']) {
      expect(faults({ idp: { ...good, jwksUrl: url } }), url).to.have.length(1)
    }
    for (const url of [jwksUrl, 'http://localhost:1/keys', 'http://127.0.0.1/keys', 'http://[::1]:8080/keys']) {
      expect(faults({ idp: { ...good, jwksUrl: url } }), url).to.deep.equal([])
    }
  })

  it('names accounts by their 12 digits', () => {
    expect(faults({ idp: { ...good, accounts: ['1234'] } })).to.have.length(1)
  })

  it('has each issuer once: condition keys do not tell them apart by case or scheme', () => {
    for (const issuer of [good.issuer, 'https://idp.example/REALM']) {
      expect(faults({ idp: good, other: { ...good, issuer } })).to.deep.equal(['sts.issuers.other.issuer is that of sts.issuers.idp'])
    }
  })

  it('refuses what cannot name one, and settings that there are not', () => {
    expect(faults({ 'a.b': good })).to.have.length(1)
    expect(faults({ idp: { ...good, secret: 'x' } })).to.deep.equal(['there is no setting sts.issuers.idp.secret'])
  })

  it('of a server has keys that can be read', () => {
    const { jwksUrl: _, ...without } = good
    const file = join(on.directory, 'jwks.json')
    const read = () => readConfig(on.inFile(of({ idp: { ...without, jwksFile: file } })), 'server')
    expect(read).to.throw(ConfigError, 'sts.issuers.idp.jwksFile')
    writeFileSync(file, '{"keys":')
    expect(read).to.throw(ConfigError, 'is not a JSON Web Key Set')
    writeFileSync(file, keySet(newPair('P-256', 'one')))
    expect(read().sts.issuers).to.have.length(1)
  })
})
