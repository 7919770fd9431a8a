import * as api from '../../api/iam/access-keys.js'
import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, identityQuotas, type User } from '../../domain/identity.js'
import type { AccessKey } from '../../ports/credentials.js'
import { newAccessKey } from '../credentials.js'
import { nothingAgain, onAccount, type Call } from '../operation.js'
import { firstRoots } from '../roots.js'
import type { Services } from '../services.js'
import { refuseAccessKey } from './approvers.js'
import { pageOf } from './lists.js'
import { ownUser } from './own-user.js'
import { accountIdOf, checkPermitted, on, storedEntity, type OfAccount } from './subjects.js'
import { checkAccount, inTurn } from './turns.js'

type OfUser = OfAccount & { readonly UserName?: string }

function onUser(action: string) {
  return on<OfUser>((input, { caller }) => ({ kind: 'user', name: ownUser(input, caller) }), () => [action])
}

/** The user that the call is about, as it is stored. */
async function userOf(call: Call<OfUser>, services: Services): Promise<User> {
  const { input, scope, caller } = call
  return checkPermitted(await storedEntity(services, accountIdOf(input, scope), 'user', ownUser(input, caller)), call)
}

/**
 * The answer is the one time that the secret is shown. A retry of a call whose answer was lost neither shows it again, because nobody has
 * it, nor makes another access key unnoticed: it is refused and names the one that was made.
 */
export const createAccessKey = onAccount(api.createAccessKey, {
  service: 'iam',
  permissions: onUser('iam:CreateAccessKey'),
  run: (call, services) => inTurn(accountIdOf(call.input, call.scope), services, async () => {
    const user = await userOf(call, services)
    refuseAccessKey(arnOfEntity(user), services, call.caller)
    const { accessKeysPerUser: max } = identityQuotas
    if ((await storedKeys(user, services)).length >= max) {
      throw new KmsError('LimitExceededException', `A user can have at most ${max} access keys`)
    }
    return { AccessKey: await storeNewKey(user, services) }
  }),
  retry: {
    outcome: ({ AccessKey: made }) => made?.AccessKeyId ?? '',
    async answer(id) {
      throw new KmsError('EntityAlreadyExistsException', `An earlier try of this call has made the access key ${id}, and its answer `
        + 'had the secret. If that did not arrive, delete this access key and make another.')
    },
  },
})

/** Makes an access key and stores it; what it answers is not to be found anywhere else. */
export async function storeNewKey(user: User, { hsm, clock, store }: Services) {
  const roots = (await store.instance.get())?.roots ?? firstRoots
  const { accessKey, secret } = await newAccessKey(hsm, clock, roots.seal, user)
  await store.credentials.put(accessKey)
  return {
    UserName: user.name, AccessKeyId: accessKey.accessKeyId, Status: statusOf(accessKey), SecretAccessKey: secret,
    CreateDate: new Date(accessKey.createdAt),
  }
}

export const listAccessKeys = onAccount(api.listAccessKeys, {
  service: 'iam',
  readOnly: true,
  permissions: onUser('iam:ListAccessKeys'),
  async run(call, services) {
    const { input, scope } = call
    await checkAccount(accountIdOf(input, scope), services)
    const user = await userOf(call, services)
    const keys = await storedKeys(user, services)
    const { items, end } = await pageOf(services, `ListAccessKeys ${user.id}`, input, [{
      name: 'key',
      read: async (after, limit) => keys.filter(({ accessKeyId: id }) => after === undefined || id > after).slice(0, limit),
      position: ({ accessKeyId }) => accessKeyId,
    }])
    return { AccessKeyMetadata: await Promise.all(items.map(key => metadataOf(user, key, services))), ...end }
  },
})

async function metadataOf({ name }: User, accessKey: AccessKey, { accessKeyUsages }: Services) {
  const { accessKeyId, createdAt } = accessKey
  const last = await accessKeyUsages.of(accessKeyId)
  return {
    UserName: name, AccessKeyId: accessKeyId, Status: statusOf(accessKey), CreateDate: new Date(createdAt),
    ...last && { AccessKeyLastUsed: { LastUsedDate: new Date(last.usedAt), ServiceName: last.service, Region: last.region } },
  }
}

export const updateAccessKey = onAccount(api.updateAccessKey, {
  service: 'iam',
  permissions: onUser('iam:UpdateAccessKey'),
  async run(call, services) {
    const { AccessKeyId: id, Status: status } = call.input
    await inTurn(accountIdOf(call.input, call.scope), services, async () => {
      const accessKey = await keyOf(id, await userOf(call, services), services)
      if (status === 'Inactive') refuseInUse(call, id)
      await services.store.credentials.put({ ...accessKey, active: status === 'Active' })
    })
  },
})

export const deleteAccessKey = onAccount(api.deleteAccessKey, {
  service: 'iam',
  permissions: onUser('iam:DeleteAccessKey'),
  async run(call, services) {
    const { AccessKeyId: id } = call.input
    await inTurn(accountIdOf(call.input, call.scope), services, async () => {
      await keyOf(id, await userOf(call, services), services)
      refuseInUse(call, id)
      await services.store.credentials.remove(id)
      services.accessKeyUsages.forget(id)
    })
  },
  retry: nothingAgain,
})

/** Of the user, and not of one who had its name before. */
async function storedKeys(user: User, { store }: Services): Promise<readonly AccessKey[]> {
  return (await store.credentials.ofPrincipal(arnOfEntity(user))).filter(({ principalId }) => principalId === user.id)
}

/** Of an access key of somebody else nothing is told. */
async function keyOf(accessKeyId: string, user: User, { store }: Services): Promise<AccessKey> {
  const accessKey = await store.credentials.get(accessKeyId)
  if (accessKey?.principalId !== user.id) {
    throw new KmsError('NoSuchEntityException', `The Access Key with id ${accessKeyId} cannot be found.`)
  }
  return accessKey
}

/** The last administrator would lock itself out. */
function refuseInUse({ caller }: Call, accessKeyId: string): void {
  if (caller.accessKeyId !== accessKeyId) return
  throw new KmsError('ConflictException', `${accessKeyId} signs this very call. Make the call with another access key.`)
}

function statusOf({ active }: AccessKey): 'Active' | 'Inactive' {
  return active ? 'Active' : 'Inactive'
}
