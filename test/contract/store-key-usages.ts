import { expect } from 'chai'
import type { KeyUsageRecord } from '../../src/ports/key-usages.js'
import type { Store } from '../../src/ports/store.js'
import { keyId, region, rejected } from './store-samples.js'

export function keyUsagesContract(store: () => Store): void {
  const usage = (number: number, usedAt: number, of: Partial<KeyUsageRecord> = {}): KeyUsageRecord =>
    ({ region, keyId: keyId(number), operation: 'Encrypt', usedAt, eventId: `event-${usedAt}`, requestId: `request-${usedAt}`, ...of })

  it('does not know a key that was never used', async () => {
    await store().keyUsages.put([])
    expect(await store().keyUsages.get(region, keyId(1))).to.equal(undefined)
  })

  it('gives back what was put, of each key in each region', async () => {
    const records = [usage(1, 2 ** 42), usage(2, 1, { operation: 'Sign' }), usage(1, 3, { region: 'us-east-1' })]
    await store().keyUsages.put(records)
    for (const record of records) expect(await store().keyUsages.get(record.region, record.keyId)).to.deep.equal(record)
  })

  it('keeps the newest, in whatever order they come', async () => {
    await store().keyUsages.put([usage(1, 5), usage(1, 7), usage(1, 6)])
    expect(await store().keyUsages.get(region, keyId(1))).to.deep.equal(usage(1, 7))
    await store().keyUsages.put([usage(1, 6), usage(2, 1)])
    expect(await store().keyUsages.get(region, keyId(1))).to.deep.equal(usage(1, 7))
    await store().keyUsages.put([usage(1, 8, { operation: 'Decrypt' })])
    expect(await store().keyUsages.get(region, keyId(1))).to.deep.equal(usage(1, 8, { operation: 'Decrypt' }))
  })

  it('writes all or none', async () => {
    const broken = { ...usage(2, 1), operation: null } as unknown as KeyUsageRecord
    await rejected(store().keyUsages.put([usage(1, 1), broken]))
    expect(await store().keyUsages.get(region, keyId(1))).to.equal(undefined)
  })
}
