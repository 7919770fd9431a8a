import * as api from '../api/tags.js'
import { KmsError } from '../domain/errors.js'
import type { Tag } from '../domain/key.js'
import { changeKey } from './change-key.js'
import { onKey } from './operation.js'

/** KMS developer guide, Quotas. */
const tagsPerKeyMax = 50
const tagPageMax = 50

export const tagResource = onKey(api.tagResource, {
  state: 'change',
  key: input => input.KeyId,
  check: input => checkTags(input.Tags),
  async run({ key, input }, services) {
    await changeKey(key, 'change', services, stored => {
      const given = new Set(input.Tags.map(tag => tag.TagKey))
      const tags = [...stored.tags.filter(tag => !given.has(tag.TagKey)), ...input.Tags]
      if (tags.length > tagsPerKeyMax) throw tooMany()
      return { ...stored, tags }
    })
  },
})

export const untagResource = onKey(api.untagResource, {
  state: 'change',
  key: input => input.KeyId,
  async run({ key, input }, services) {
    const gone = new Set(input.TagKeys)
    await changeKey(key, 'change', services, stored => ({ ...stored, tags: stored.tags.filter(tag => !gone.has(tag.TagKey)) }))
  },
})

export const listResourceTags = onKey(api.listResourceTags, {
  readOnly: true,
  state: 'read',
  key: input => input.KeyId,
  async run({ key: { key }, input }, { pages }) {
    const listing = `ListResourceTags ${key.arn}`
    const limit = Math.min(input.Limit ?? tagPageMax, tagPageMax)
    const after = await pages.after(listing, input.Marker)
    const tags = key.tags.toSorted((a, b) => a.TagKey < b.TagKey ? -1 : 1).filter(tag => after === undefined || tag.TagKey > after)
    const { items, end } = await pages.cut(listing, tags, limit, tag => tag.TagKey)
    return { Tags: items, ...end }
  },
})

/** Throws TagException for tags that no key may be given. */
export function checkTags(tags: readonly Tag[]): void {
  if (new Set(tags.map(tag => tag.TagKey)).size < tags.length) throw new KmsError('TagException', 'Duplicate tag keys')
  if (tags.some(tag => tag.TagKey.toLowerCase().startsWith('aws:'))) {
    throw new KmsError('TagException', 'Tags beginning with aws: are reserved')
  }
  if (tags.length > tagsPerKeyMax) throw tooMany()
}

function tooMany(): KmsError {
  return new KmsError('TagException', 'Too many tags')
}
