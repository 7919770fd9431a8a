import { expect } from 'chai'
import { listAliases } from '../../src/api/aliases.js'
import { listKeys } from '../../src/api/keys.js'
import { listResourceTags, tagResource } from '../../src/api/tags.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { Pages } from '../../src/service/paging.js'
import { refused } from '../support/refusal.js'
import { call, newKey, openTestHsm, openTestStore, servicesOver, type TestStore } from '../support/services.js'

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

describe('paging', () => {
  let hsm: Hsm
  let pages: Pages

  before(async () => {
    hsm = await openTestHsm()
    pages = new Pages(hsm, 1)
  })
  after(() => hsm.close())

  async function markerOf(listing: string, position = 'b'): Promise<string> {
    const { end } = await pages.cut(listing, [position, 'z'], 1, item => item)
    return end.NextMarker ?? ''
  }

  it('cuts a list that is longer than the page, and marks where the next begins', async () => {
    const { items, end } = await pages.cut('list', ['a', 'b', 'c'], 2, item => item)
    expect(items).to.deep.equal(['a', 'b'])
    expect(end.Truncated).to.equal(true)
    expect(await pages.after('list', end.NextMarker)).to.equal('b')
  })

  it('marks nothing when there is no more', async () => {
    for (const list of [[], ['a'], ['a', 'b']]) {
      expect(await pages.cut('list', list, 2, item => item)).to.deep.equal({ items: list, end: { Truncated: false } })
    }
  })

  it('begins at the beginning without a marker', async () => {
    expect(await pages.after('list', undefined)).to.equal(undefined)
  })

  it('carries any position', async () => {
    for (const position of ['', '.', 'größe', '\0', 'a'.repeat(300)]) {
      expect(await pages.after('list', await markerOf('list', position))).to.equal(position)
    }
  })

  it('has markers of at most 1,024 characters for the longest tag key (KMS API Reference, Marker)', async () => {
    expect(await markerOf('list', '鍵'.repeat(128))).to.have.length.at.most(1_024)
  })

  it('refuses a marker of another listing', async () => {
    const marker = await markerOf('ListKeys eu-central-1')
    for (const listing of ['ListKeys us-east-1', 'ListAliases eu-central-1', 'ListKeys eu-central-', 'ListKeys eu-central-1b', '']) {
      await refused(pages.after(listing, marker), 'InvalidMarkerException')
    }
  })

  it('refuses a marker with any character changed, added or taken away', async () => {
    const marker = await markerOf('list')
    for (let at = 0; at < marker.length; at++) {
      for (const character of `${base64url}.=`) {
        const altered = marker.slice(0, at) + character + marker.slice(at + 1)
        if (altered !== marker) await refused(pages.after('list', altered), 'InvalidMarkerException')
      }
      await refused(pages.after('list', marker.slice(0, at) + marker.slice(at + 1)), 'InvalidMarkerException')
    }
    for (const altered of [`${marker}A`, `${marker}=`, `${marker}.`, `A${marker}`, `${marker} `]) {
      await refused(pages.after('list', altered), 'InvalidMarkerException')
    }
  })

  it('refuses what never was a marker', async () => {
    for (const marker of ['', '.', '..', 'a', 'YQ', 'YQ.', '.YQ', `YQ.${'A'.repeat(43)}`, 'ü', '😀']) {
      await refused(pages.after('list', marker), 'InvalidMarkerException')
    }
  })

  describe('of operations', () => {
    let opened: TestStore
    beforeEach(async () => { opened = await openTestStore(hsm) })
    afterEach(() => opened.close())

    it('walks over every key once, whatever the page size', async () => {
      const services = servicesOver({ hsm, store: opened.store })
      const made: string[] = []
      for (let count = 0; count < 5; count++) made.push((await newKey(services)).key.keyId)
      for (const limit of [1, 2, 5, 6]) {
        const seen: string[] = []
        let marker: string | undefined
        do {
          const page = await call(services, listKeys, { Limit: limit, ...marker !== undefined && { Marker: marker } })
          seen.push(...(page.Keys ?? []).map(({ KeyId }) => KeyId ?? ''))
          marker = page.NextMarker
          expect(page.Truncated).to.equal(marker !== undefined)
        } while (marker !== undefined)
        expect(seen).to.deep.equal([...made].sort())
      }
    })

    it('refuses the marker of one operation in another', async () => {
      const services = servicesOver({ hsm, store: opened.store })
      const { key } = await newKey(services)
      await newKey(services)
      const { NextMarker: ofKeys = '' } = await call(services, listKeys, { Limit: 1 })
      await call(services, tagResource, { KeyId: key.keyId, Tags: ['a', 'b'].map(name => ({ TagKey: name, TagValue: '' })) })
      const { NextMarker: ofTags = '' } = await call(services, listResourceTags, { KeyId: key.keyId, Limit: 1 })
      await refused(call(services, listAliases, { Marker: ofKeys }), 'InvalidMarkerException')
      await refused(call(services, listKeys, { Marker: ofTags }), 'InvalidMarkerException')
      expect(await call(services, listResourceTags, { KeyId: key.keyId, Marker: ofTags })).to.deep.equal({
        Tags: [{ TagKey: 'b', TagValue: '' }], Truncated: false,
      })
    })
  })
})
