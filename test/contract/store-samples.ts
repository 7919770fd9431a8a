import { expect } from 'chai'
import type { Key, KeyVersion } from '../../src/domain/key.js'

export const region = 'eu-central-1'

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
    suite: 'gcm',
    keyMaterialId: version.toString(16).padStart(64, '0'),
    createdAt: 1_700_000_000_000 + version,
    evidence: [{ object: 'label', readAt: 1_700_000_000_000, attributes: { sensitive: true, value_len: 32, label: 'label' } }],
    owner: 'process-1',
    ...of,
  }
}

/** Fails unless the promise is rejected, with an error of that class. */
export async function rejected(promise: Promise<unknown>, type: abstract new (...of: never[]) => Error = Error): Promise<Error> {
  const outcome = await promise.then(() => undefined, (error: unknown) => error)
  expect(outcome).to.be.instanceOf(type)
  return outcome as Error
}
