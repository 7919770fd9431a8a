import * as api from '../../api/iam/tags.js'
import type { PrincipalTag } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { identityQuotas, type Role, type User } from '../../domain/identity.js'
import { foldCase } from '../../domain/policy/fold-case.js'
import { nothingAgain, onAccount } from '../operation.js'
import { principalOf } from './boundaries.js'
import { change } from './changes.js'
import { actionOn, checkOneName, holderOf, on } from './subjects.js'

const names = ['UserName', 'RoleName'] as const

interface Tag { readonly Key: string, readonly Value: string }

/** A tag whose key is there already, in any case, replaces that. */
export const tagPrincipal = onAccount(api.tagPrincipal, {
  service: 'iam',
  check(input) {
    checkOneName(input, names)
    checkPrincipalTags(input.Tags)
  },
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Tag*', subject)]),
  async run(call, services) {
    const given = principalTags(call.input.Tags)
    const replaced = keysOf(given.map(({ key }) => key))
    await change(call, principalOf(call.input), services, (stored: User | Role) => {
      const tags = [...stored.tags.filter(({ key }) => !replaced.has(foldCase(key))), ...given]
      if (tags.length > identityQuotas.tags) throw tooMany()
      return { ...stored, tags }
    })
  },
})

export const untagPrincipal = onAccount(api.untagPrincipal, {
  service: 'iam',
  check: input => checkOneName(input, names),
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Untag*', subject)]),
  async run(call, services) {
    const gone = keysOf(call.input.TagKeys)
    await change(call, principalOf(call.input), services, (stored: User | Role) =>
      ({ ...stored, tags: stored.tags.filter(({ key }) => !gone.has(foldCase(key))) }))
  },
  retry: nothingAgain,
})

/** Throws for tags that no user or role may be given. Policies tell their keys apart without regard to case. */
export function checkPrincipalTags(tags: readonly Tag[]): void {
  if (keysOf(tags.map(({ Key }) => Key)).size < tags.length) {
    throw new KmsError('ValidationException', 'Duplicate tag keys found. Tag keys are not told apart by case.')
  }
  if (tags.some(({ Key }) => Key.toLowerCase().startsWith('aws:'))) {
    throw new KmsError('ValidationException', 'Tag keys beginning with aws: are reserved.')
  }
  if (tags.length > identityQuotas.tags) throw tooMany()
}

export function principalTags(tags: readonly Tag[]): readonly PrincipalTag[] {
  return tags.map(({ Key, Value }) => ({ key: Key, value: Value }))
}

function keysOf(keys: readonly string[]): ReadonlySet<string> {
  return new Set(keys.map(foldCase))
}

function tooMany(): KmsError {
  return new KmsError('LimitExceededException', `A user or role can have at most ${identityQuotas.tags} tags`)
}
