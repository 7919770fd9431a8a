import { KmsError } from '../../domain/errors.js'
import { aliasArn, keyArn, parseKeyRef } from '../../domain/key-ref.js'
import type { Key } from '../../domain/key.js'
import { explain } from '../../domain/policy/explain.js'
import type { RequestKeys } from '../../domain/policy/request.js'
import type { Access, KeyQuestion } from '../authorization/access.js'
import type { KeyNeed } from '../operation.js'
import type { Services } from '../services.js'
import { refusalOf, shown, verdictOf, type Explained, type Thought } from './explained-answer.js'

interface Asked {
  readonly need: KeyNeed
  readonly given: RequestKeys
  readonly about: Thought
  /** A call of the one who asks, of which nothing is given. */
  readonly asker: Thought
}

/**
 * What a call on a key would be answered, and why: all of it to who may read the policy of the key, which is of their own account; of a key
 * of the account of who is asked about, its own side; of any other no more than the call itself would tell.
 */
export async function onKey({ need, given, about, asker }: Asked, services: Services): Promise<Explained> {
  const { access, caller } = about
  const found = await questionOn(access, need)
  const isReadable = found !== undefined && await mayRead(asker, found.key, services)
  if (!isReadable) checkGiven(need, given, access)
  const refusal = await refusalOf(async () => { await access.requireKeys([need]) })
  const own = isReadable || found?.key.accountId === caller.accountId ? found : undefined
  // Of a key of another account nothing is taken but the name: neither whether there is such a key, nor what it is like.
  const name = namedArn(need.ref, access)
  const question = own ?? access.questionOf({ action: need.action, resource: name })
  return {
    ...verdictOf(about.reason(), refusal, isReadable ? 'all' : own ? 'own side' : 'outcome'),
    ...shown(explain(question).filter(({ by }) => isReadable || by !== 'resource policy')),
    KeyPolicyShown: isReadable,
    ...!found && await isKnownMissing(asker.access, name) && { KeyNotFound: true },
  }
}

/** Of a foreign key a real call shows what its policy says to what is true; to what could be true it shows to nobody. */
function checkGiven({ ref }: KeyNeed, given: RequestKeys, { facts: { region, caller: { accountId } } }: Access): void {
  if (given.size === 0 || parseKeyRef(ref, { region, accountId }).accountId === accountId) return
  throw new KmsError('ValidationException',
    'Condition keys can be given for keys of the account of the principal only, and to who may read the policy of the key.')
}

/** Who may read the policy of a key learns nothing from its statements. */
async function mayRead({ access, caller }: Thought, key: Key, { keyPolicies }: Services): Promise<boolean> {
  return key.accountId === caller.accountId && access.wouldAllow(key, 'kms:GetKeyPolicy', keyPolicies.of(key))
}

/** Whether a call of the one who asks would be told so. */
async function isKnownMissing(access: Access, arn: string): Promise<boolean> {
  const refusal = await refusalOf(async () => {
    await access.questionOn({ ref: arn, action: 'kms:DescribeKey', state: 'read', aliases: true })
  })
  return refusal?.code === 'NotFoundException'
}

/** undefined: the call would not get as far as to be asked about. */
async function questionOn(access: Access, need: KeyNeed): Promise<KeyQuestion | undefined> {
  let found: KeyQuestion | undefined
  await refusalOf(async () => { found = await access.questionOn(need) })
  return found
}

/** The ARN that the text stands for, whether or not there is such a key; the text itself if it cannot be one. */
function namedArn(text: string, { facts: { region, caller: { accountId } } }: Access): string {
  try {
    const ref = parseKeyRef(text, { region, accountId })
    const scope = { region, accountId: ref.accountId }
    return ref.kind === 'key' ? keyArn(scope, ref.keyId) : aliasArn(scope, ref.name)
  } catch (error) {
    if (error instanceof KmsError) return text
    throw error
  }
}
