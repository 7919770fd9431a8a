import { join, relative, resolve } from 'node:path'
import { expect } from 'chai'
import { readConfig, type Config } from '../src/config.js'
import { signatureAlgorithms } from '../src/domain/web-identity.js'
import { configSuite } from './support/config-suite.js'

describe('configuration', () => {
  const on = configSuite()
  const { inFile, read, faultsOf } = on

  const defaults: Config = {
    dataDir: resolve('data'),
    listen: { host: '127.0.0.1', port: 8080 },
    tls: undefined,
    trustedProxies: [],
    attestation: { roots: [] },
    accountId: undefined,
    regions: ['us-east-1'],
    hsm: { verifySeals: true },
    keyStores: {},
    clusters: {},
    defaultKeyStore: 'default',
    regionKeyStores: {},
    limits: { bodyBytesMax: 524_288, inFlightMax: 1_024, inFlightPerAccountMax: 512, connectionsMax: 10_000 },
      sts: { issuers: [] },
      throttle: {
        account: { perSecond: 50_000, burst: 100_000 }, principalAction: { perSecond: 50_000, burst: 100_000 },
        failures: { perSecond: 1, burst: 1_000 }, accounts: {}, actions: { LookupEvents: { perSecond: 2, burst: 30 } },
      },
      dualControl: [],
    kms: { onDemandRotationsMax: 25, sealsPerVersionMax: 4_294_967_296 },
    supervisor: { hangSeconds: 10 },
    jobs: { intervalMs: 60_000 },
    audit: { directory: resolve('data/audit'), segmentBytesMax: 67_108_864 },
    acceptRollback: false,
    log: { level: 'info', format: 'auto' },
  }

  it('has a default for everything', () => {
    expect(readConfig({})).to.deep.equal(defaults)
    expect(read('')).to.deep.equal(defaults)
    expect(read({})).to.deep.equal(defaults)
  })

  it('takes every setting from the file', () => {
    const approvers = ['arn:aws:iam::111122223333:user/team/a', 'arn:aws:iam::444455556666:role/b']
    const lanes = {
      count: 256, callDeadlineMs: 10, slowCallDeadlineMs: 3_600_000, queueMax: 1, queueWaitMs: 600_000, openGapMs: 0, keepAliveMs: 0,
    }
    expect(read({
      dataDir: '/data', listen: '[::1]:9443', accountId: '000000000001',
      tls: {
        certificate: '/c.pem', key: '/k.pem', clientCa: ['/ca.pem', 'ca-2.pem'], clientCrl: ['/crl.pem'], clientCertificates: 'required',
        principals: {
          pay: { spiffe: 'spiffe://example.org/pay/*', role: 'arn:aws:iam::111122223333:role/apps/pay' },
          anne: { dns: '*.anne.example.org', user: 'arn:aws:iam::111122223333:user/anne', region: 'onprem-1' },
          backup: { subject: 'O=Example', service: 'backup.example.internal' },
        },
      },
      trustedProxies: ['10.0.0.0/8', '::1'],
      regions: ['eu-central-1', 'onprem-1'],
      hsm: {
        module: '/m.so', tokenLabel: 'token', pinFile: '/pin', profile: 'luna', host: 'process', environment: { A: 'b' },
        libraryParameters: 'p=q', objectsMax: 100, verifySeals: false, lanes,
      },
      keyStores: {
        'cloud': {
          module: '/c.so', tokenSerial: '1', pinEnvironment: 'CLAVIGER_PIN', lanes: { count: 4 },
          clusterId: 'cluster-abcdefg2345', trustAnchor: '/ca.pem',
        },
        ['__proto__']: { module: '/y.so', tokenLabel: 'y', pinDescriptor: 3, host: 'inline' },
        'usb-2': { module: '/z.so', tokenLabel: 'z', pinCredential: 'hsm-pin' },
      },
      attestation: { roots: ['/nitro.pem', 'nitro-2.pem'] },
      defaultKeyStore: 'cloud',
      regionKeyStores: { 'onprem-1': 'usb-2' },
      sts: { issuers: { idp: { issuer: 'https://idp.example', jwksUrl: 'https://idp.example/keys', audiences: ['claviger'] } } },
      supervisor: { hangSeconds: 60 },
      limits: { bodyBytes: 16_384, inFlight: 3, inFlightPerAccount: 1, connections: 2 },
      throttle: {
        accountPerSecond: 1, accountBurst: 2, principalActionPerSecond: 3, principalActionBurst: 4,
        failedSignaturesPerSecond: 5, failedSignaturesBurst: 6,
        accounts: { '000000000001': { perSecond: 7, burst: 8 } }, actions: { CreateKey: { perSecond: 9 } },
      },
      dualControl: { 'a_rule-1': { operations: ['PutKeyPolicy', 'ScheduleKeyDeletion'], approvals: 1, approvers, expiresHours: 2 } },
      kms: { onDemandRotationsMax: 0, sealsPerVersionMax: 1_000 },
      jobs: { intervalSeconds: 5 },
      audit: { directory: '/audit', segmentBytes: 65_536 },
      acceptRollback: true,
      log: { level: 'debug', format: 'json' },
    })).to.deep.equal({
      dataDir: '/data', listen: { host: '::1', port: 9443 }, accountId: '000000000001',
      tls: {
        certificate: '/c.pem', key: '/k.pem',
        clients: {
          ca: ['/ca.pem', join(on.directory, 'ca-2.pem')], crl: ['/crl.pem'], required: true,
          principals: [
            {
              name: 'pay', match: { by: 'spiffe', pattern: 'spiffe://example.org/pay/*' },
              principal: { kind: 'role', name: 'arn:aws:iam::111122223333:role/apps/pay' },
            },
            {
              name: 'anne', match: { by: 'dns', pattern: '*.anne.example.org' }, region: 'onprem-1',
              principal: { kind: 'user', name: 'arn:aws:iam::111122223333:user/anne' },
            },
            {
              name: 'backup', match: { by: 'subject', pattern: 'O=Example' },
              principal: { kind: 'service', name: 'backup.example.internal' },
            },
          ],
        },
      },
      trustedProxies: [{ network: [10, 0, 0, 0], bits: 8 }, { network: [...new Array<number>(15).fill(0), 1], bits: 128 }],
      regions: ['eu-central-1', 'onprem-1'],
      hsm: {
        module: '/m.so', tokenLabel: 'token', pin: { file: '/pin' }, profile: 'luna', host: 'process', environment: { A: 'b' },
        libraryParameters: 'p=q', objectsMax: 100, verifySeals: false, lanes,
      },
      keyStores: {
        'cloud': { module: '/c.so', tokenSerial: '1', pin: { environment: 'CLAVIGER_PIN' }, lanes: { count: 4 }, verifySeals: true },
        ['__proto__']: { module: '/y.so', tokenLabel: 'y', pin: { descriptor: 3 }, host: 'inline', verifySeals: true },
        'usb-2': { module: '/z.so', tokenLabel: 'z', pin: { credential: 'hsm-pin' }, verifySeals: true },
      },
      clusters: {
        'cloud': { clusterId: 'cluster-abcdefg2345', trustAnchor: '/ca.pem' },
        ['__proto__']: { clusterId: 'cluster-3dt4mg2dodx' },
        'usb-2': { clusterId: 'cluster-mtxsny5zszx' },
      },
      attestation: { roots: ['/nitro.pem', join(on.directory, 'nitro-2.pem')] },
      defaultKeyStore: 'cloud',
      regionKeyStores: { 'onprem-1': 'usb-2' },
      sts: {
        issuers: [{
          issuer: 'https://idp.example', audiences: ['claviger'], algorithms: signatureAlgorithms, keys: { url: 'https://idp.example/keys' },
        }],
      },
      supervisor: { hangSeconds: 60 },
      limits: { bodyBytesMax: 16_384, inFlightMax: 3, inFlightPerAccountMax: 1, connectionsMax: 2 },
      throttle: {
        account: { perSecond: 1, burst: 2 }, principalAction: { perSecond: 3, burst: 4 }, failures: { perSecond: 5, burst: 6 },
        accounts: { '000000000001': { perSecond: 7, burst: 8 } },
        actions: { LookupEvents: { perSecond: 2, burst: 30 }, CreateKey: { perSecond: 9, burst: 9 } },
      },
      dualControl: [
        { name: 'a_rule-1', operations: ['PutKeyPolicy', 'ScheduleKeyDeletion'], approvals: 1, approvers, expiresMs: 7_200_000 },
      ],
      kms: { onDemandRotationsMax: 0, sealsPerVersionMax: 1_000 },
      jobs: { intervalMs: 5_000 },
      audit: { directory: '/audit', segmentBytesMax: 65_536 },
      acceptRollback: true,
      log: { level: 'debug', format: 'json' },
    })
  })

  it('takes what the environment says over what the file says', () => {
    const config = read(
      { dataDir: 'a', listen: '127.0.0.1:1', accountId: '111122223333', regions: ['a-1'], tls: { certificate: 'a', key: 'b' } },
      {
        CLAVIGER_DATA_DIR: '/data', CLAVIGER_LISTEN: '0.0.0.0:2', CLAVIGER_ACCOUNT_ID: '444455556666', CLAVIGER_REGIONS: 'b-1, c-1',
        CLAVIGER_TLS_CERTIFICATE: '/c.pem', CLAVIGER_TLS_KEY: '/k.pem',
      },
    )
    expect(config).to.deep.include({
      dataDir: '/data', listen: { host: '0.0.0.0', port: 2 }, accountId: '444455556666', regions: ['b-1', 'c-1'],
      tls: { certificate: '/c.pem', key: '/k.pem' },
    })
  })

  it('takes an empty variable for one that is not set', () => {
    const empty = { CLAVIGER_DATA_DIR: '', CLAVIGER_LISTEN: '', CLAVIGER_ACCOUNT_ID: '', CLAVIGER_REGIONS: '', CLAVIGER_CONFIG: '' }
    expect(readConfig(empty)).to.deep.equal(defaults)
    expect(read({ accountId: '111122223333' }, { CLAVIGER_ACCOUNT_ID: '' }).accountId).to.equal('111122223333')
  })

  it('takes an empty section for one that is not there', () => {
    expect(read('limits:\nkms:\nhsm:\n')).to.deep.equal(defaults)
  })

  it('is frozen, to its leaves', () => {
    const config = read({ hsm: { module: '/m.so', tokenLabel: 'a', pinFile: '/pin', environment: { A: 'b' } } })
    const frozen = (value: unknown): boolean => typeof value !== 'object' || value === null
      || (Object.isFrozen(value) && Object.values(value).every(frozen))
    expect(frozen(config)).to.equal(true)
  })

  describe('paths', () => {
    it('in the file are relative to the file', () => {
      const config = read({
        dataDir: 'd', tls: { certificate: '../c.pem', key: './k.pem' }, audit: { directory: 'a' },
        hsm: { module: 'lib/m.so', tokenSerial: '1', pinFile: 'pin' },
      })
      expect(config.dataDir).to.equal(join(on.directory, 'd'))
      expect(config.tls).to.deep.equal({ certificate: resolve(on.directory, '../c.pem'), key: join(on.directory, 'k.pem') })
      expect(config.audit.directory).to.equal(join(on.directory, 'a'))
      expect(config.hsm).to.deep.include({ module: join(on.directory, 'lib/m.so'), pin: { file: join(on.directory, 'pin') } })
    })

    it('in the environment are relative to the working directory', () => {
      const { CLAVIGER_CONFIG } = inFile({ log: { level: 'warn' } })
      const config = readConfig({
        CLAVIGER_CONFIG: relative('.', CLAVIGER_CONFIG),
        CLAVIGER_DATA_DIR: 'd', CLAVIGER_TLS_CERTIFICATE: 'c.pem', CLAVIGER_TLS_KEY: 'k.pem',
      })
      expect(config.dataDir).to.equal(resolve('d'))
      expect(config.tls).to.deep.equal({ certificate: resolve('c.pem'), key: resolve('k.pem') })
      expect(config.log.level).to.equal('warn')
    })

    it('of the audit log are below the data directory unless said otherwise', () => {
      expect(readConfig({ CLAVIGER_DATA_DIR: '/d' }).audit.directory).to.equal('/d/audit')
    })
  })

  describe('listener', () => {
    for (const [text, listen] of [
      ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
      ['127.5.5.5:65535', { host: '127.5.5.5', port: 65_535 }],
      ['localhost:8080', { host: 'localhost', port: 8080 }],
      ['[::1]:8080', { host: '::1', port: 8080 }],
    ] as const) {
      it(`may be ${text}`, () => {
        expect(read({ listen: text }).listen).to.deep.equal(listen)
      })
    }

    for (const host of ['0.0.0.0', '[::]', '192.0.2.1', 'example.com', '127.0.0.1.example.com', '127.1', 'localhost.example.com']) {
      it(`on ${host} is refused without TLS, and taken with it`, () => {
        const [fault] = faultsOf({ listen: `${host}:8080` })
        expect(fault).to.match(/needs TLS/)
        const config = read({ listen: `${host}:8080`, tls: { certificate: 'c', key: 'k' } })
        expect(config.listen.port).to.equal(8080)
      })
    }

    for (const text of ['8080', ':8080', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:-1', '::1:8080', 'http://a:80', 'a:b', ' ']) {
      it(`must not be ${JSON.stringify(text)}`, () => {
        expect(faultsOf({ listen: text })).to.deep.equal([`listen must be host:port, not "${text}"`])
      })
    }

    it('needs certificate and key together', () => {
      expect(faultsOf({ tls: { certificate: 'c' } })).to.deep.equal(['tls needs both certificate and key'])
      expect(faultsOf({ tls: { key: 'k' } })).to.deep.equal(['tls needs both certificate and key'])
    })
  })

  describe('acceptRollback', () => {
    for (const [variable, inYaml, accepted] of [
      ['yes', undefined, true], ['yes', false, true], ['no', true, false], ['', true, true], ['', undefined, false],
    ] as const) {
      it(`is ${accepted} with "${variable}" in the environment and ${inYaml} in the file`, () => {
        expect(read({ acceptRollback: inYaml }, { CLAVIGER_ACCEPT_ROLLBACK: variable }).acceptRollback).to.equal(accepted)
      })
    }

    it('is nothing but yes or no', () => {
      expect(faultsOf({}, { CLAVIGER_ACCEPT_ROLLBACK: 'true' })).to.deep.equal(['CLAVIGER_ACCEPT_ROLLBACK must be yes or no'])
    })
  })

  describe('a variable', () => {
    it('that nobody knows is a fault', () => {
      expect(faultsOf({}, { CLAVIGER_LISTN: '127.0.0.1:1', CLAVIGER_PORT: '8443' })).to.deep.equal([
        'there is no variable CLAVIGER_LISTN', 'there is no variable CLAVIGER_PORT',
      ])
    })

    it('of the scripts, of Kubernetes, of somebody else, or without a value is none', () => {
      expect(faultsOf({}, {
        CLAVIGER_TLS_NAMES: 'a', CLAVIGER_NODE_HEADERS: '/n', OTHER: 'a', CLAVIGER_LISTN: '', CLAVIGER_PORT: 'tcp://10.0.0.1:8443',
        CLAVIGER_PORT_8443_TCP_ADDR: '10.0.0.1', CLAVIGER_SERVICE_HOST: '10.0.0.1', CLAVIGER_SERVICE_PORT_HTTPS: '8443',
      })).to.deep.equal([])
    })
  })
})
