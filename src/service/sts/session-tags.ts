import { assumeRole } from '../../api/sts.js'
import type { Caller, PrincipalTag } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { identityQuotas } from '../../domain/identity.js'
import { foldCase } from '../../domain/policy/fold-case.js'
import { isJsonObject } from '../../domain/policy/json.js'
import { rejectedClaim, type WebIdentity } from '../../domain/web-identity.js'

/** Tags that a session shall have, and the keys of those that go on to the next role. */
export interface SessionTags { readonly tags: readonly PrincipalTag[], readonly transitiveTagKeys: readonly string[] }

const { Key: keyShape, Value: valueShape } = assumeRole.input.Tags.of.members
const keyForm = new RegExp(`^(?:${keyShape.pattern})$`, 'u')
const valueForm = new RegExp(`^(?:${valueShape.pattern})$`, 'u')
const reservedPrefix = /^aws:/i

/** Throws ValidationException for tags that cannot be together. Keys are the same without regard to case. */
export function checkTags({ tags, transitiveTagKeys }: SessionTags): void {
  const keys = new Set(tags.map(({ key }) => foldCase(key)))
  if (keys.size < tags.length) throw invalid('Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  if (tags.some(({ key }) => reservedPrefix.test(key))) throw invalid('Tag keys that begin with aws: are reserved.')
  if (!transitiveTagKeys.every(key => keys.has(foldCase(key)))) throw invalid('Every transitive tag key must be that of a tag.')
}

/**
 * With the transitive tags of the calling session, which nobody can give another value on the way (IAM User Guide, Chaining roles with
 * session tags). Throws ValidationException.
 */
export function withInherited(asked: SessionTags, { tags, session }: Caller): SessionTags {
  const keys = session?.transitiveTagKeys ?? []
  // Those of the session come before those of its role.
  const inherited = keys.flatMap(key => tags.find(tag => sameKey(tag.key, key)) ?? [])
  const again = asked.tags.find(({ key }) => keys.some(one => sameKey(one, key)))
  if (again) throw invalid(`The tag ${again.key} is a transitive tag of the calling session and cannot be passed again.`)
  const all = [...inherited, ...asked.tags]
  if (all.length > identityQuotas.tags) throw invalid(`A session has at most ${identityQuotas.tags} tags, those that it inherits included.`)
  return { tags: all, transitiveTagKeys: [...keys, ...asked.transitiveTagKeys] }
}

/** What an identity provider asks for in its token (IAM User Guide, Passing session tags using AssumeRoleWithWebIdentity). */
const tagsClaim = 'https://aws.amazon.com/tags'
const sourceIdentityClaim = 'https://aws.amazon.com/source_identity'
const sourceIdentityForm = /^[\w+=,.@-]{2,64}$/

/** Throws IDPRejectedClaimException for a claim that is no set of tags. */
export function claimedTags({ claims }: WebIdentity): SessionTags {
  const claim = claims.get(tagsClaim)
  if (claim === undefined) return { tags: [], transitiveTagKeys: [] }
  if (!isJsonObject(claim)) throw rejectedClaim(tagsClaim)
  const { principal_tags: pairs = {}, transitive_tag_keys: keys = [] } = claim
  if (!isJsonObject(pairs) || !isTexts(keys)) throw rejectedClaim(tagsClaim)
  const tags = Object.entries(pairs).map(([key, values]) => ({ key, value: onlyText(values) }))
  if (tags.length > identityQuotas.tags || !tags.every(isTag)) throw rejectedClaim(tagsClaim)
  return { tags, transitiveTagKeys: keys }
}

/** Throws IDPRejectedClaimException for a claim that cannot be one. */
export function claimedSourceIdentity({ claims }: WebIdentity): string | undefined {
  const claim = claims.get(sourceIdentityClaim)
  if (claim === undefined) return undefined
  if (typeof claim !== 'string' || !sourceIdentityForm.test(claim)) throw rejectedClaim(sourceIdentityClaim)
  return claim
}

function onlyText(values: unknown): string {
  const list: readonly unknown[] = Array.isArray(values) ? values : [values]
  const [value] = list
  if (list.length !== 1 || typeof value !== 'string') throw rejectedClaim(tagsClaim)
  return value
}

function isTag({ key, value }: PrincipalTag): boolean {
  return key.length <= keyShape.max && keyForm.test(key) && value.length <= valueShape.max && valueForm.test(value)
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

function sameKey(one: string, other: string): boolean {
  return foldCase(one) === foldCase(other)
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
