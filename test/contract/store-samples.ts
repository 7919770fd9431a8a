import { expect } from 'chai'
import type { Key, KeyVersion } from '../../src/domain/key.js'
import type { CustomKeyStore } from '../../src/ports/custom-key-stores.js'
import type { Grant } from '../../src/ports/grants.js'
import type { ApprovalRequest } from '../../src/domain/approval.js'
import type { Invocation } from '../../src/ports/invocations.js'

export const region = 'eu-central-1'
export const accountId = '111122223333'

/** A version 4 UUID that sorts as its number. */
export function keyId(number: number): string {
  return `${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
}

export function sampleKey(number: number, of: Partial<Key> = {}): Key {
  return {
    keyId: keyId(number),
    region,
    accountId: '111122223333',
    arn: `arn:aws:kms:${region}:111122223333:key/${keyId(number)}`,
    createdAt: 1_700_000_000_000,
    description: 'a key',
    keySpec: 'SYMMETRIC_DEFAULT',
    keyUsage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    manager: 'CUSTOMER',
    keyStore: 'default',
    state: 'Enabled',
    currentVersion: 1,
    onDemandRotations: 0,
    policy: '{}',
    tags: [],
    revision: 0,
    ...of,
  }
}

export function sampleVersion(number: number, version: number, of: Partial<KeyVersion> = {}): KeyVersion {
  return {
    keyId: keyId(number),
    region,
    version,
    state: 'ready',
    kind: 'gcm',
    keyMaterialId: version.toString(16).padStart(64, '0'),
    createdAt: 1_700_000_000_000 + version,
    evidence: [{ object: 'label', readAt: 1_700_000_000_000, attributes: { sensitive: true, value_len: 32, label: 'label' } }],
    owner: 'process-1',
    ...of,
  }
}

/** Sorts as its number among the grants of all keys. */
export function sampleGrant(key: number, grant: number, of: Partial<Grant> = {}): Grant {
  return {
    region,
    keyId: keyId(key),
    grantId: grant.toString(16).padStart(64, '0'),
    createdAt: 1_700_000_000_000 + grant,
    granteePrincipal: 'arn:aws:iam::111122223333:user/grantee',
    issuingAccount: 'arn:aws:iam::111122223333:root',
    operations: ['Encrypt', 'Decrypt'],
    ...of,
  }
}

export function sampleCustomKeyStore(number: number, of: Partial<CustomKeyStore> = {}): CustomKeyStore {
  return {
    accountId,
    region,
    id: `cks-${number.toString(16).padStart(17, '0')}`,
    name: `store ${number}`,
    keyStore: `token-${number}`,
    clusterId: `cluster-${number}`,
    trustAnchorCertificate: '-----BEGIN CERTIFICATE-----\n',
    createdAt: 1_700_000_000_000 + number,
    connected: false,
    ...of,
  }
}

export function sampleInvocation(number: number, of: Partial<Invocation> = {}): Invocation {
  return {
    caller: 'arn:aws:iam::111122223333:user/caller',
    invocationId: `invocation-${number}`,
    region,
    operation: 'CreateKey',
    inputHash: number.toString(16).padStart(64, '0'),
    outcome: keyId(number),
    madeAt: 1_700_000_000_000 + number,
    ...of,
  }
}

export function sampleApproval(number: number, of: Partial<ApprovalRequest> = {}): ApprovalRequest {
  const arn = 'arn:aws:iam::111122223333:user/caller'
  return {
    id: `0000000${number}-0000-4000-8000-000000000000`, revision: 1, rule: 'a-rule', service: 'kms', operation: 'ScheduleKeyDeletion',
    region, requester: { type: 'User', arn, principalArn: arn, accountId, uniqueId: 'AIDAA', accessKeyId: 'CVAKA', origin: 'AIDAA' },
    origin: { sourceIp: '192.0.2.1', userAgent: 'a client', secureTransport: true }, requestId: `request-${number}`,
    input: `{"KeyId":"${keyId(number)}"}`, inputHash: number.toString(16).padStart(64, '0'), keys: [sampleKey(number).arn],
    createdAt: 1_700_000_000_000 + number, expiresAt: 1_700_000_100_000 + number, status: 'PENDING', decisions: [], ...of,
  }
}

/** Fails unless the promise is rejected, with an error of that class. */
export async function rejected(promise: Promise<unknown>, type: abstract new (...of: never[]) => Error = Error): Promise<Error> {
  const outcome = await promise.then(() => undefined, (error: unknown) => error)
  expect(outcome).to.be.instanceOf(type)
  return outcome as Error
}
