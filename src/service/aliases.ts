import * as api from '../api/aliases.js'
import { KmsError } from '../domain/errors.js'
import { aliasArn, checkAliasName, keyArn, parseKeyRef, type Scope } from '../domain/key-ref.js'
import { keySpecRow } from '../domain/key-spec.js'
import { isVisible, notFound } from '../domain/key-state.js'
import type { Key } from '../domain/key.js'
import { nothingAgain, onAccount, onKeys, type Permission } from './operation.js'
import type { Services } from './services.js'

/** KMS developer guide, Quotas. */
const aliasesPerKeyMax = 50
const aliasPageDefault = 50
const aliasPageMax = 100

export const createAlias = onKeys(api.createAlias, {
  check: input => checkAliasName(input.AliasName),
  permissions: onAlias('kms:CreateAlias'),
  needs: input => [{ ref: input.TargetKeyId, action: 'kms:CreateAlias', state: 'change', aliases: false }],
  async run({ keys: [target], input, scope }, services) {
    if (!target) return
    const { store, directory, clock } = services
    const now = clock.now()
    const alias = { ...scope, name: input.AliasName, targetKeyId: target.key.keyId, createdAt: now, updatedAt: now }
    const added = await withinQuota(target.key, services, () => store.aliases.insert(alias))
    directory.forgetAlias(scope, input.AliasName)
    if (!added) throw new KmsError('AlreadyExistsException', `An alias with the name ${aliasArn(scope, input.AliasName)} already exists`)
  },
  retry: nothingAgain,
})

export const updateAlias = onKeys(api.updateAlias, {
  check: input => checkAliasName(input.AliasName),
  permissions: onAlias('kms:UpdateAlias'),
  needs: input => [
    { ref: input.AliasName, action: 'kms:UpdateAlias', state: 'read', aliases: true },
    { ref: input.TargetKeyId, action: 'kms:UpdateAlias', state: 'change', aliases: false },
  ],
  async run({ keys: [old, target], input, scope }, services) {
    if (!old || !target) return
    const { store, directory, clock } = services
    if (!isAlike(old.key, target.key)) {
      throw new KmsError('ValidationException', 'An alias can only be moved to a key of the same type and usage')
    }
    const move = async () => {
      const alias = await store.aliases.get(scope.accountId, scope.region, input.AliasName)
      // Away from the key that the caller may move it from, and from no other that it may have been given meanwhile.
      return alias && await store.aliases.update({ ...alias, targetKeyId: target.key.keyId, updatedAt: clock.now() }, old.key.keyId)
    }
    const moved = await (old.key.keyId === target.key.keyId ? move() : withinQuota(target.key, services, move))
    directory.forgetAlias(scope, input.AliasName)
    if (!moved) throw aliasNotFound(aliasArn(scope, input.AliasName))
  },
})

export const deleteAlias = onKeys(api.deleteAlias, {
  check: input => checkAliasName(input.AliasName),
  permissions: onAlias('kms:DeleteAlias'),
  needs: input => [{ ref: input.AliasName, action: 'kms:DeleteAlias', state: 'read', aliases: true }],
  async run({ keys: [target], input, scope }, { store, directory }) {
    if (!target) return
    const removed = await store.aliases.remove(scope.accountId, scope.region, input.AliasName, target.key.keyId)
    directory.forgetAlias(scope, input.AliasName)
    if (!removed) throw aliasNotFound(aliasArn(scope, input.AliasName))
  },
  retry: nothingAgain,
})

export const listAliases = onAccount(api.listAliases, {
  readOnly: true,
  async run({ input, scope }, { store, directory, pages }) {
    const target = input.KeyId === undefined ? undefined : parseKeyRef(input.KeyId, scope)
    if (target?.kind === 'alias') throw new KmsError('NotFoundException', `Invalid keyId '${input.KeyId}'`)
    const key = target && await directory.key(scope.region, target.keyId)
    const isOwn = target?.accountId === scope.accountId && key?.key.accountId === scope.accountId
    if (target && (!isOwn || !isVisible(key.key.state))) {
      throw notFound({ arn: keyArn({ ...scope, accountId: target.accountId }, target.keyId) })
    }
    const listing = `ListAliases ${scope.accountId} ${scope.region} ${target?.keyId ?? ''}`
    const limit = Math.min(input.Limit ?? aliasPageDefault, aliasPageMax)
    const after = await pages.after(listing, input.Marker)
    const aliases = await store.aliases.list(scope.accountId, scope.region, target?.keyId, after, limit + 1)
    const { items, end } = await pages.cut(listing, aliases, limit, alias => alias.name)
    return {
      Aliases: items.map(alias => ({
        AliasName: alias.name,
        AliasArn: aliasArn(scope, alias.name),
        TargetKeyId: alias.targetKeyId,
        CreationDate: new Date(alias.createdAt),
        LastUpdatedDate: new Date(alias.updatedAt),
      })),
      ...end,
    }
  },
})

/** The half of an alias operation that is about the alias: by the policies of the caller alone. The other is about its key. */
function onAlias(action: string) {
  return ({ AliasName: name }: { readonly AliasName: string }, scope: Scope): readonly Permission[] => [
    { action, resource: aliasArn(scope, name) },
  ]
}

/** The same type, however large, and the same use (KMS API Reference, UpdateAlias). */
function isAlike(one: Key, other: Key): boolean {
  return one.keyUsage === other.keyUsage && keySpecRow(one.keySpec).type === keySpecRow(other.keySpec).type
}

/** Gives a key one more alias, if it may have one more; in turns, so that several at once are not all taken for the last. */
function withinQuota<T>({ arn, region, keyId }: Key, { store, turns }: Services, act: () => Promise<T>): Promise<T> {
  return turns.take(`aliases of ${arn}`, async () => {
    if (await store.aliases.count(region, keyId) >= aliasesPerKeyMax) {
      throw new KmsError('LimitExceededException', `A key can have at most ${aliasesPerKeyMax} aliases`)
    }
    return act()
  })
}

function aliasNotFound(arn: string): KmsError {
  return new KmsError('NotFoundException', `Alias ${arn} is not found.`)
}
