import { expect } from 'chai'
import { suite, type NewKey } from './suite.js'

interface Listing {
  readonly operation: string
  /** The member with the items. */
  readonly items: string
  /** What tells items apart. */
  readonly id: string
  readonly count: number
  readonly input: () => object
}

describe('paging', () => {
  const on = suite()
  let key: NewKey
  let other: NewKey

  before(async () => {
    key = await on.newKey({ Tags: Array.from({ length: 7 }, (_, at) => ({ TagKey: `tag ${at}`, TagValue: '' })) })
    other = await on.newKey()
    for (let at = 0; at < 5; at++) await on.newKey()
    for (let at = 0; at < 7; at++) {
      await on.kms.createAlias({ AliasName: `alias/page-${at}`, TargetKeyId: key.id })
      await on.kms.rotateKeyOnDemand({ KeyId: key.id })
    }
  })

  const listings: readonly Listing[] = [
    { operation: 'ListKeys', items: 'Keys', id: 'KeyId', count: 7, input: () => ({}) },
    { operation: 'ListAliases', items: 'Aliases', id: 'AliasName', count: 7, input: () => ({}) },
    { operation: 'ListAliases', items: 'Aliases', id: 'AliasName', count: 7, input: () => ({ KeyId: key.id }) },
    { operation: 'ListResourceTags', items: 'Tags', id: 'TagKey', count: 7, input: () => ({ KeyId: key.id }) },
    { operation: 'ListKeyRotations', items: 'Rotations', id: 'KeyMaterialId', count: 7, input: () => ({ KeyId: key.id }) },
    {
      operation: 'ListKeyRotations', items: 'Rotations', id: 'KeyMaterialId', count: 8,
      input: () => ({ KeyId: key.id, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' }),
    },
  ]

  for (const { operation, items, id, count, input } of listings) {
    const pages = async (limit: number): Promise<readonly (readonly unknown[])[]> => {
      const all: unknown[][] = []
      let Marker: unknown
      do {
        const { json } = await on.call(operation, { ...input(), Limit: limit, Marker })
        all.push((json[items] as Record<string, unknown>[]).map(item => item[id]))
        expect([json.Truncated, 'NextMarker' in json]).to.be.deep.oneOf([[true, true], [false, false]])
        Marker = json.NextMarker
      } while (Marker !== undefined && all.length <= count)
      return all
    }

    for (const limit of [1, 3, count, 1000]) {
      it(`${operation} gives each of ${count} once in pages of ${limit}`, async () => {
        const got = await pages(limit)
        expect(got.map(page => page.length)).to.deep.equal(Array.from(
          { length: Math.ceil(count / limit) }, (_, at) => Math.min(limit, count - at * limit),
        ))
        expect(new Set(got.flat())).to.have.property('size', count)
      })
    }

    it(`${operation} refuses a marker that it did not give out`, async () => {
      const { NextMarker } = (await on.call(operation, { ...input(), Limit: 2 })).json
      const marker = String(NextMarker)
      const changed = marker.slice(0, -3) + (marker.endsWith('AAA') ? 'BBB' : 'AAA')
      const elsewhere = `${Buffer.from('somewhere').toString('base64url')}.${marker.split('.')[1]}`
      for (const Marker of [changed, elsewhere, `${marker}.x`, `.${marker}`, 'x', ' ']) {
        expect((await on.call(operation, { ...input(), Marker })).json.__type, Marker).to.equal('InvalidMarkerException')
      }
    })
  }

  it('refuses a marker of another listing', async () => {
    const { NextMarker: Marker } = (await on.call('ListAliases', { Limit: 2 })).json
    for (const [operation, input] of [
      ['ListKeys', {}], ['ListAliases', { KeyId: key.id }], ['ListResourceTags', { KeyId: key.id }],
      ['ListKeyRotations', { KeyId: key.id }], ['ListKeyPolicies', { KeyId: key.id }],
    ] as const) {
      expect((await on.call(operation, { ...input, Marker })).json.__type, operation).to.equal('InvalidMarkerException')
    }
    const { NextMarker: ofKey } = (await on.call('ListAliases', { KeyId: key.id, Limit: 2 })).json
    expect((await on.call('ListAliases', { KeyId: other.id, Marker: ofKey })).json.__type).to.equal('InvalidMarkerException')
  })

  it('goes on behind an item that went away meanwhile', async () => {
    const first = (await on.call('ListAliases', { Limit: 3 })).json
    const last = (first.Aliases as { AliasName: string }[]).at(-1)
    await on.kms.deleteAlias({ AliasName: last?.AliasName })
    const { json } = await on.call('ListAliases', { Marker: first.NextMarker })
    expect((json.Aliases as { AliasName: string }[]).map(({ AliasName }) => AliasName))
      .to.deep.equal(['alias/page-3', 'alias/page-4', 'alias/page-5', 'alias/page-6'])
    await on.kms.createAlias({ AliasName: last?.AliasName, TargetKeyId: key.id })
  })

  it('is followed by the SDK from page to page', async () => {
    const { paginateListKeys } = await import('@aws-sdk/client-kms')
    const ids: (string | undefined)[] = []
    for await (const { Keys } of paginateListKeys({ client: on.kms, pageSize: 2 }, {})) ids.push(...(Keys ?? []).map(({ KeyId }) => KeyId))
    expect(new Set(ids)).to.have.property('size', 7)
  })
})
