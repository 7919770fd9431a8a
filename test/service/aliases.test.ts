import { expect } from 'chai'
import { createAlias, updateAlias } from '../../src/api/aliases.js'
import { createKey, describeKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, region } from '../support/services.js'

type Asked = Parameters<typeof call<typeof createKey>>[2]

const AliasName = 'alias/a'
const kinds = {
  'symmetric': {},
  'imported symmetric': { Origin: 'EXTERNAL' },
  'HMAC': { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
  'longer HMAC': { KeySpec: 'HMAC_512', KeyUsage: 'GENERATE_VERIFY_MAC' },
  'signing': { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
  'other signing': { KeySpec: 'ECC_NIST_P384', KeyUsage: 'SIGN_VERIFY' },
  'agreement': { KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' },
  'RSA encryption': { KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT', Origin: 'EXTERNAL' },
} as const satisfies Record<string, Asked>

type Kind = keyof typeof kinds

/** KMS developer guide, Quotas. */
const aliasesPerKeyMax = 50

describe('aliases', () => {
  const on = serviceSuite()

  async function newKey(kind: Kind): Promise<string> {
    return (await call(on.services, createKey, kinds[kind])).KeyMetadata?.KeyId ?? ''
  }

  async function pair(from: Kind, to: Kind): Promise<readonly [string, string]> {
    const [old, target] = [await newKey(from), await newKey(to)]
    await call(on.services, createAlias, { AliasName, TargetKeyId: old })
    return [old, target]
  }

  for (const [from, to] of [['symmetric', 'imported symmetric'], ['HMAC', 'longer HMAC'], ['signing', 'other signing']] as const) {
    it(`UpdateAlias moves from a key of kind ${from} to ${to}`, async () => {
      const [, target] = await pair(from, to)
      await call(on.services, updateAlias, { AliasName, TargetKeyId: target })
      expect((await call(on.services, describeKey, { KeyId: AliasName })).KeyMetadata?.KeyId).to.equal(target)
    })
  }

  for (const [from, to] of [
    ['symmetric', 'HMAC'], ['signing', 'agreement'], ['symmetric', 'RSA encryption'], ['HMAC', 'signing'],
  ] as const) {
    it(`UpdateAlias does not move from a key of kind ${from} to ${to}`, async () => {
      const [old, target] = await pair(from, to)
      await refused(call(on.services, updateAlias, { AliasName, TargetKeyId: target }), 'ValidationException')
      expect((await call(on.services, describeKey, { KeyId: AliasName })).KeyMetadata?.KeyId).to.equal(old)
    })
  }

  it('are not more than a key may have, however many are made at once', async () => {
    const key = await newKey('symmetric')
    const make = (number: number) => call(on.services, createAlias, { AliasName: `alias/${number}`, TargetKeyId: key })
    const results = await Promise.allSettled(Array.from({ length: aliasesPerKeyMax + 5 }, (_, number) => make(number)))
    expect(results.filter(({ status }) => status === 'fulfilled')).to.have.length(aliasesPerKeyMax)
    expect(await on.store.aliases.count(region, key)).to.equal(aliasesPerKeyMax)
  })

  it('UpdateAlias moves away from a key that is pending deletion, and to none', async () => {
    const [old, target] = await pair('symmetric', 'symmetric')
    await call(on.services, scheduleKeyDeletion, { KeyId: old })
    await call(on.services, updateAlias, { AliasName, TargetKeyId: target })
    await refused(call(on.services, updateAlias, { AliasName, TargetKeyId: old }), 'KMSInvalidStateException')
  })
})
