import { expect } from 'chai'
import { contracts } from '../../src/api/operations.js'
import { encrypt } from '../../src/api/encryption.js'
import type { Contract, Members, Shape } from '../../src/api/shape.js'
import type { AuditEvent } from '../../src/domain/audit-chain.js'
import { KmsError } from '../../src/domain/errors.js'
import { CallRecord } from '../../src/service/call-record.js'
import { onAccount, type Operation } from '../../src/service/operation.js'
import { MovedClock } from '../support/clock.js'
import { accountId, administrator, region } from '../support/services.js'

/** What stands in the log: members without a value are not written. */
const asWritten = (event: Partial<AuditEvent>) => JSON.parse(JSON.stringify(event)) as Partial<AuditEvent>

const secretText = 'marker-of-a-secret'
const secretBytes = Buffer.from(secretText)
const plainText = 'marker-of-a-text'
const origin = { requestId: 'request-1', sourceIp: '192.0.2.1', userAgent: 'test', secureTransport: false }

/** An operation of that contract, of which everything is recorded that ever is. */
function operationOf(contract: Contract): Operation {
  return onAccount(contract, { run: async () => { throw new Error('never run') } })
}

function recordOf(contract: Contract, input: unknown, output?: unknown): CallRecord {
  const record = new CallRecord(origin, new MovedClock())
  record.identified({ caller: administrator, region })
  record.operation = operationOf(contract)
  record.input = input
  record.output = output
  return record
}

/** A structure with every member filled: what is secret with a marker, at any depth. */
function filled(members: Members, secret: Filler): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).map(([name, shape]) => [name, valueOf(name, shape, secret)]))
}

interface Filler { text: string, bytes: Uint8Array }

function valueOf(name: string, shape: Shape, secret: Filler): unknown {
  switch (shape.type) {
    case 'blob': return secret.bytes
    case 'string': return shape.sensitive || name.startsWith('GrantToken') ? secret.text : plainText
    case 'enum': return shape.values[0]
    case 'integer': return 42
    case 'boolean': return true
    case 'timestamp': return new Date(0)
    case 'list': return [valueOf(name, shape.of, secret), valueOf(name, shape.of, secret)]
    case 'map': return { [plainText]: valueOf(name, shape.value, secret) }
    case 'structure': return filled(shape.members, secret)
  }
}

function hasSecret(members: Members): boolean {
  return JSON.stringify(filled(members, { text: secretText, bytes: secretBytes }))
    !== JSON.stringify(filled(members, { text: plainText, bytes: Buffer.from(plainText) }))
}

/** Every way in which the marker could stand in a line of JSON. */
const traces = [
  secretText, secretBytes.toString('base64'), secretBytes.toString('base64url'), secretBytes.toString('hex'),
  JSON.stringify([...secretBytes]).slice(1, -1), JSON.stringify({ ...secretBytes }).slice(1, -1),
]

function expectNoTrace(recorded: unknown): void {
  const text = JSON.stringify(recorded)
  for (const trace of traces) expect(text).to.not.contain(trace)
}

describe('call record', () => {
  it('knows of 56 operations, many of which have something to keep secret', () => {
    expect(contracts.size).to.equal(56)
    const secretive = [...contracts.values()].filter(({ input, output }) => hasSecret(input) || hasSecret(output ?? {}))
    expect(secretive.length).to.be.greaterThan(20)
  })

  for (const contract of contracts.values()) {
    it(`of ${contract.name} holds no blob, nothing sensitive and no grant token`, () => {
      const secret = { text: secretText, bytes: secretBytes }
      const record = recordOf(contract, filled(contract.input, secret), filled(contract.output ?? {}, secret))
      expectNoTrace(record.succeeded())
      expectNoTrace(record.refused(new KmsError('ValidationException', 'wrong')))
    })
  }

  it('holds the members that are no secrets, at any depth, named as CloudTrail names them', () => {
    const describeStores = contracts.get('DescribeCustomKeyStores')
    if (!describeStores) throw new Error('no such operation')
    const event = recordOf(describeStores, {}, {
      CustomKeyStores: [{ CustomKeyStoreName: 'a', XksProxyConfiguration: { AccessKeyId: secretText, UriPath: '/b' } }], Truncated: false,
    }).succeeded()
    expect(event.responseElements).to.deep.equal({
      customKeyStores: [{ customKeyStoreName: 'a', xksProxyConfiguration: { uriPath: '/b' } }], truncated: false,
    })
  })

  it('holds who called what with which encryption context, from where and when', () => {
    const record = recordOf(encrypt, { KeyId: 'alias/a', Plaintext: secretBytes, EncryptionContext: { Purpose: 'test' } })
    record.resource(`arn:aws:kms:${region}:${accountId}:key/1`)
    record.used(`arn:aws:kms:${region}:${accountId}:key/1`, 3, 'abc')
    const { eventID, ...event } = record.succeeded()
    expect(eventID).to.match(/^[0-9a-f-]{36}$/)
    expect(asWritten(event)).to.deep.equal({
      eventVersion: '1.11',
      eventTime: '2026-01-01T00:00:00.000Z',
      eventSource: 'kms.amazonaws.com',
      eventName: 'Encrypt',
      eventType: 'AwsApiCall',
      requestID: 'request-1',
      awsRegion: region,
      sourceIPAddress: '192.0.2.1',
      userAgent: 'test',
      userIdentity: {
        type: 'IAMUser', principalId: administrator.uniqueId, arn: administrator.arn, accountId, accessKeyId: administrator.accessKeyId,
        userName: 'administrator',
      },
      readOnly: false,
      requestParameters: { keyId: 'alias/a', encryptionContext: { Purpose: 'test' } },
      responseElements: null,
      additionalEventData: { keyVersions: [{ keyArn: `arn:aws:kms:${region}:${accountId}:key/1`, keyVersion: 3, keyMaterialId: 'abc' }] },
      resources: [{ ARN: `arn:aws:kms:${region}:${accountId}:key/1`, type: 'AWS::KMS::Key', accountId }],
    })
  })

  it('holds no answer of an operation that only reads', () => {
    const contract = contracts.get('DescribeKey')
    if (!contract) throw new Error('no such operation')
    const record = recordOf(contract, { KeyId: 'a' }, { KeyMetadata: { KeyId: 'a' } })
    record.operation = onAccount(contract, { readOnly: true, run: async () => { throw new Error('never run') } })
    expect(record.succeeded()).to.deep.include({ readOnly: true, responseElements: null })
  })

  it('of a refusal holds its code and message', () => {
    const event = recordOf(encrypt, { KeyId: 'a' }).refused(new KmsError('DisabledException', 'a is disabled.'))
    expect(event).to.deep.include({ errorCode: 'DisabledException', errorMessage: 'a is disabled.', responseElements: null })
    expect(asWritten(recordOf(encrypt, {}).refused(new KmsError('InvalidCiphertextException')))).to.not.have.property('errorMessage')
  })

  it('of a caller who never got further holds only the origin', () => {
    const event = new CallRecord(origin, new MovedClock()).refused(new KmsError('MissingAuthenticationTokenException'))
    expect(event).to.deep.include({ eventName: 'Unknown', requestID: 'request-1', requestParameters: null })
    expect(asWritten(event)).to.not.have.property('userIdentity')
    expect(asWritten(event)).to.not.have.property('awsRegion')
  })

  it('cuts a User-Agent at 512 characters', () => {
    const record = new CallRecord({ ...origin, userAgent: 'a'.repeat(10_000) }, new MovedClock())
    expect(record.succeeded().userAgent).to.equal('a'.repeat(512))
  })
})
