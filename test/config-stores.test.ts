import { expect } from 'chai'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig, type ConfigError } from '../src/config.js'
import { selfSigned } from './http/self-signed.js'
import { configSuite } from './support/config-suite.js'

describe('configuration of key stores', () => {
  const on = configSuite()
  const { read, faultsOf } = on

  const pinNeeded = (at: string) => `${at} needs exactly one of pinFile, pinEnvironment, pinDescriptor and pinCredential`
  const tokenNeeded = (at: string) => `${at} needs exactly one of tokenLabel and tokenSerial`
  const good = { module: '/m.so', tokenLabel: 'a', pinFile: '/pin' }

  for (const [what, settings, faults] of [
    ['without a module', { tokenLabel: 'a', pinFile: 'b' }, ['hsm.module is missing']],
    ['without a module but with a PIN', { pinCredential: 'pin' }, ['hsm.module is missing']],
    ['without a module but with a profile', { profile: 'luna' }, ['hsm.module is missing']],
    ['without a module but with an environment', { environment: { A: 'b' } }, ['hsm.module is missing']],
    ['without a module but with parameters for one', { libraryParameters: 'a' }, ['hsm.module is missing']],
    ['without a PIN', { module: 'a', tokenLabel: 'b' }, [pinNeeded('hsm')]],
    ['with two PINs', { ...good, pinDescriptor: 3 }, [pinNeeded('hsm')]],
    ['without a token', { module: 'a', pinFile: 'b' }, [tokenNeeded('hsm')]],
    ['with a token named twice', { ...good, tokenSerial: 'd' }, [tokenNeeded('hsm')]],
    ['whose PIN comes from stderr', { module: '/m.so', tokenLabel: 'a', pinDescriptor: 2 },
      ['hsm.pinDescriptor must be a whole number from 3 to 1023', pinNeeded('hsm')]],
    ['with a host that there is not', { ...good, host: 'thread' }, ['hsm.host must be one of inline, process']],
    ['with no lane', { ...good, lanes: { count: 0 } }, ['hsm.lanes.count must be a whole number from 1 to 256']],
    ['with too many lanes', { ...good, lanes: { count: 257 } }, ['hsm.lanes.count must be a whole number from 1 to 256']],
    ['with lanes that are a number', { ...good, lanes: 4 }, ['hsm.lanes must be a map of settings']],
    ['with an unknown setting of lanes', { ...good, lanes: { number: 4 } }, ['there is no setting hsm.lanes.number']],
    ['with an unknown setting', { ...good, pin: '1234' }, ['there is no setting hsm.pin']],
    ['without room', { ...good, objectsMax: 0 }, ['hsm.objectsMax must be a whole number from 1 to 100000000']],
  ] as const) {
    it(`refuses an HSM ${what}`, () => {
      expect(faultsOf({ hsm: settings })).to.deep.equal(faults)
    })
  }

  it('never repeats what stands where the name of a variable or of a credential should', () => {
    const { pinFile: _, ...token } = good
    for (const setting of ['pinEnvironment', 'pinCredential']) {
      const [fault = '', ...others] = faultsOf({ hsm: { ...token, [setting]: '12 34/56' } })
      expect(fault).to.contain(`hsm.${setting} must be the name of a`).and.to.not.contain('34')
      expect(others).to.deep.equal([])
    }
    for (const name of ['.', '..', '../pin', '/pin', '']) {
      expect(faultsOf({ hsm: { ...token, pinCredential: name } })[0], name).to.not.equal(undefined)
    }
  })

  it('knows the variable that holds a PIN, whatever it is called', () => {
    const { pinFile: _, ...token } = good
    const settings = { keyStores: { a: { ...token, pinEnvironment: 'CLAVIGER_HSM_PIN_A' } } }
    expect(faultsOf(settings, { CLAVIGER_HSM_PIN_A: '1234' })).to.deep.equal([])
    expect(faultsOf(settings, { CLAVIGER_HSM_PIN_B: '1234' })).to.deep.equal(['there is no variable CLAVIGER_HSM_PIN_B'])
  })

  it('lets the embedded token be worked with otherwise', () => {
    const { hsm } = read({ hsm: { host: 'process', objectsMax: 50, lanes: { count: 2 } } })
    expect(hsm).to.deep.equal({ host: 'process', objectsMax: 50, lanes: { count: 2 }, verifySeals: true })
  })

  for (const name of ['default', '', 'a b', 'a.b', 'a/b', 'ä', 'a'.repeat(65)]) {
    it(`does not let a key store be called ${JSON.stringify(name)}`, () => {
      const [fault, ...others] = faultsOf({ keyStores: { [name]: good } })
      expect(fault).to.equal(`"${name}" cannot name a key store: 1 to 64 letters, digits, _ or -, and not default`)
      expect(others).to.deep.equal([])
    })
  }

  it('tells the faults of one key store by its name', () => {
    expect(faultsOf({
      keyStores: {
        a: good, b: { tokenLabel: 'b' }, c: { ...good, tokenSerial: '1' }, d: null, e: { ...good, tokenLabel: 'e', colour: 1 }, f: 'g',
      },
    })).to.have.members([
      'keyStores.b.module is missing', tokenNeeded('keyStores.c'), 'keyStores.d.module is missing',
      'there is no setting keyStores.e.colour', 'keyStores.f.module is missing', 'keyStores.f must be a map of settings',
    ])
  })

  for (const [what, keyStores] of [['a text', 'a'], ['a list', ['a']]] as const) {
    it(`refuses key stores that are ${what}`, () => {
      expect(faultsOf({ keyStores })).to.deep.equal(['keyStores must be a map of settings'])
    })
  }

  it('refuses one token under two names', () => {
    expect(faultsOf({ hsm: good, keyStores: { b: { ...good, host: 'process' } } })).to.deep.equal(['keyStores.b is the same token as hsm'])
    expect(faultsOf({ hsm: good, keyStores: { b: { ...good, environment: { SOFTHSM2_CONF: '/b' } } } })).to.deep.equal([])
  })

  it('refuses to make new keys in a store that there is not', () => {
    expect(faultsOf({ defaultKeyStore: 'b', keyStores: { a: good } }))
      .to.deep.equal(['defaultKeyStore is "b", which keyStores does not have'])
    expect(read({ defaultKeyStore: 'default' }).defaultKeyStore).to.equal('default')
  })

  it('refuses to keep the keys of a region in a store, or a region, that there is not', () => {
    expect(faultsOf({ regionKeyStores: { 'us-east-1': 'b', 'eu-west-3': 'a' }, keyStores: { a: good } })).to.deep.equal([
      'regionKeyStores.us-east-1 is "b", which keyStores does not have', 'regionKeyStores names eu-west-3, which regions does not have',
    ])
    const regionKeyStores = { 'eu-west-3': 'a', 'us-east-1': 'default' }
    expect(read({ regions: Object.keys(regionKeyStores), regionKeyStores, keyStores: { a: good } }).regionKeyStores)
      .to.deep.equal(regionKeyStores)
  })

  describe('clusters', () => {
    const other = { ...good, tokenLabel: 'b' }

    for (const clusterId of [
      'cluster-abcdefg234', 'cluster-abcdefg234567abcd', 'cluster-abcdefg2310', 'abcdefg2345', 'Cluster-abcdefg2345',
    ]) {
      it(`cannot be called ${clusterId}`, () => {
        expect(faultsOf({ keyStores: { a: { ...good, clusterId } } }))
          .to.deep.equal(['keyStores.a.clusterId must be cluster- and 11 to 16 letters or digits from 2 to 7'])
      })
    }

    it('are not two with one id', () => {
      const clusterId = 'cluster-abcdefg2345'
      expect(faultsOf({ keyStores: { a: { ...good, clusterId }, b: { ...other, clusterId } } }))
        .to.deep.equal(['keyStores.b has the cluster id of keyStores.a'])
      const { clusters: { a } } = read({ keyStores: { a: good } })
      expect(faultsOf({ keyStores: { a: good, b: { ...other, clusterId: a?.clusterId } } })).to.have.length(1)
    })

    it('are not what holds the roots', () => {
      expect(faultsOf({ hsm: { ...good, clusterId: 'cluster-abcdefg2345' } })).to.deep.equal(['there is no setting hsm.clusterId'])
    })

    it('have a trust anchor that a server can read, if they have any', () => {
      const anchored = (trustAnchor: string) => ({ keyStores: { a: { ...good, trustAnchor } } })
      const faultOf = (trustAnchor: string) => {
        try {
          writeFileSync(join(on.directory, 'claviger.yaml'), JSON.stringify(anchored(trustAnchor)))
          readConfig({ CLAVIGER_CONFIG: join(on.directory, 'claviger.yaml') }, 'server')
          return undefined
        } catch (error) {
          return (error as ConfigError).faults.join()
        }
      }
      const { certificate } = selfSigned()
      for (const [name, text] of [['good', certificate], ['two', certificate + certificate], ['none', 'a certificate']] as const) {
        writeFileSync(join(on.directory, `${name}.pem`), text)
      }
      expect(faultOf('good.pem')).to.equal(undefined)
      expect(read(anchored('good.pem')).clusters.a?.trustAnchor).to.equal(join(on.directory, 'good.pem'))
      for (const name of ['two', 'none']) {
        expect(faultOf(`${name}.pem`)).to.equal(`keyStores.a.trustAnchor: ${join(on.directory, name)}.pem is not one PEM certificate`)
      }
      expect(faultOf('missing.pem')).to.contain('keyStores.a.trustAnchor cannot be read: ENOENT')
      // Who runs a command need not be able to read it.
      expect(faultsOf(anchored('missing.pem'))).to.deep.equal([])
    })
  })

  for (const seconds of [1, 601, '10']) {
    it(`does not let the supervisor wait for ${JSON.stringify(seconds)} seconds`, () => {
      expect(faultsOf({ supervisor: { hangSeconds: seconds } }))
        .to.deep.equal(['supervisor.hangSeconds must be a whole number from 2 to 600'])
    })
  }
})
