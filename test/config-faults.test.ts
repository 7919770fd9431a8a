import { join } from 'node:path'
import { expect } from 'chai'
import { ConfigError, readConfig } from '../src/config.js'
import { configSuite } from './support/config-suite.js'

describe('a fault of the configuration', () => {
  const on = configSuite()
  const { read, faultsOf } = on

  for (const [what, settings, fault] of [
    ['an account id of 11 digits', { accountId: '11112222333' }, 'accountId must be 12 digits (in YAML within quotes)'],
    ['an account id that YAML takes for a number', 'accountId: 111122223333', 'accountId must be a text'],
    ['a name that no Region has', { regions: ['us_east_1'] }, '"us_east_1" is not the name of a region'],
    ['a Region named twice', { regions: ['a-1', 'a-1'] }, 'regions names one region twice'],
    ['no Region', { regions: [] }, 'regions must name at least one region'],
    ['Regions in one text', { regions: 'a-1,b-1' }, 'regions must be a list of texts'],
    ['a body too small', { limits: { bodyBytes: 1 } }, 'limits.bodyBytes must be a whole number from 16384 to 16777216'],
    ['a number that is not whole', { limits: { inFlight: 1.5 } }, 'limits.inFlight must be a whole number from 1 to 100000'],
    ['a number in quotes', { limits: { connections: '1' } }, 'limits.connections must be a whole number from 1 to 1000000'],
    ['a share that is more than all', { limits: { inFlight: 2, inFlightPerAccount: 3 } },
      'limits.inFlightPerAccount must not be more than limits.inFlight'],
    ['a negative count', { kms: { onDemandRotationsMax: -1 } }, 'kms.onDemandRotationsMax must be a whole number from 0 to 10000'],
    ['more seals than SP 800-38D allows', { kms: { sealsPerVersionMax: 2 ** 32 + 1 } },
      'kms.sealsPerVersionMax must be a whole number from 1 to 4294967296'],
    ['no seal at all', { kms: { sealsPerVersionMax: 0 } }, 'kms.sealsPerVersionMax must be a whole number from 1 to 4294967296'],
    ['a job without a pause', { jobs: { intervalSeconds: 0 } }, 'jobs.intervalSeconds must be a whole number from 1 to 86400'],
    ['tiny segments', { audit: { segmentBytes: 1 } }, 'audit.segmentBytes must be a whole number from 65536 to 2147483648'],
    ['an unknown level', { log: { level: 'trace' } }, 'log.level must be one of error, warn, info, debug'],
    ['an unknown format', { log: { format: 'xml' } }, 'log.format must be one of json, readable, auto'],
    ['a yes that is a text', { hsm: { verifySeals: 'yes' } }, 'hsm.verifySeals must be true or false'],
    ['an empty path', { dataDir: '' }, 'dataDir must be a text'],
    ['an environment that is a list', { hsm: { environment: ['a'] } }, 'hsm.environment must be a map of texts'],
    ['a section that is a text', { limits: 'large' }, 'limits must be a map of settings'],
    ['a section that is a list', { kms: [{ sealsPerVersionMax: 1 }] }, 'kms must be a map of settings'],
    ['a file that is a text', 'claviger', 'the file must be a map of settings'],
    ['a file that is a list', '- listen', 'the file must be a map of settings'],
    ['an unknown setting', { color: 'blue' }, 'there is no setting color'],
    ['an unknown setting in a section', { limits: { bodyBites: 1 } }, 'there is no setting limits.bodyBites'],
    ['an unknown section', { tsl: { key: 'k' } }, 'there is no setting tsl'],
    ['a setting that only looks known', { dataDi: 'a' }, 'there is no setting dataDi'],
  ] as const) {
    it(`is ${what}`, () => {
      expect(faultsOf(settings)).to.deep.equal([fault])
    })
  }

  it('is a file that is not there, or not YAML', () => {
    expect(() => readConfig({ CLAVIGER_CONFIG: join(on.directory, 'none.yaml') })).to.throw(ConfigError, 'none.yaml')
    expect(() => read('a: [')).to.throw(ConfigError, 'claviger.yaml')
  })

  it('does not hide another: all are listed at once', () => {
    const faults = faultsOf({
      listen: '0.0.0.0:80', accountId: 'x', regions: ['A'], hsm: { pinFile: 'p' }, limits: { inFlight: 0 },
      log: { level: 'loud' }, color: 1,
    })
    expect(faults).to.have.length(7)
    for (const name of ['0.0.0.0', 'accountId', '"A"', 'hsm.module', 'limits.inFlight', 'log.level', 'color']) {
      expect(faults.some(fault => fault.includes(name)), name).to.equal(true)
    }
    expect(() => read({ color: 1, size: 2 })).to.throw(ConfigError, /- there is no setting color\n {2}- there is no setting size/)
  })

  it('of the environment is told like one of the file', () => {
    expect(faultsOf({}, { CLAVIGER_LISTEN: '80', CLAVIGER_ACCOUNT_ID: '1', CLAVIGER_REGIONS: 'a-1,' })).to.deep.equal([
      'listen must be host:port, not "80"', 'accountId must be 12 digits (in YAML within quotes)', '"" is not the name of a region',
    ])
  })
})
