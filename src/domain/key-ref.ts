import { KmsError } from './errors.js'
import { isKeyId } from './key-id.js'

/** Where a call was made: what a bare key id or alias name is relative to. */
export interface Scope { readonly region: string, readonly accountId: string }

export type KeyRef =
  | { readonly kind: 'key', readonly accountId: string, readonly keyId: string }
  | { readonly kind: 'alias', readonly accountId: string, readonly name: string }

const arnPattern = /^arn:aws:kms:([a-z0-9-]{1,64}):([0-9]{12}):(key|alias)\/(.+)$/
const aliasNamePattern = /^alias\/[a-zA-Z0-9/_-]+$/

/**
 * Reads a KeyId member: key id, key ARN, alias name or alias ARN (KMS API Reference, KeyId). Throws NotFoundException for a
 * text that can name no key here, InvalidArnException for a broken ARN.
 */
export function parseKeyRef(text: string, scope: Scope): KeyRef {
  if (text.startsWith('arn:')) return parseArn(text, scope)
  if (isKeyId(text)) return { kind: 'key', accountId: scope.accountId, keyId: text }
  if (aliasNamePattern.test(text)) return { kind: 'alias', accountId: scope.accountId, name: text }
  throw new KmsError('NotFoundException', `Invalid keyId '${text}'`)
}

function parseArn(text: string, scope: Scope): KeyRef {
  const [, region, accountId, type, rest] = arnPattern.exec(text) ?? []
  if (!region || !accountId || !rest) throw new KmsError('InvalidArnException', `Invalid arn ${text}`)
  if (region !== scope.region) throw new KmsError('NotFoundException', `Invalid arn ${region}`)
  if (type === 'alias') return { kind: 'alias', accountId, name: `alias/${rest}` }
  if (!isKeyId(rest)) throw new KmsError('NotFoundException', `Invalid keyId '${rest}'`)
  return { kind: 'key', accountId, keyId: rest }
}

export function keyArn({ region, accountId }: Scope, keyId: string): string {
  return `arn:aws:kms:${region}:${accountId}:key/${keyId}`
}

/** `name` has its `alias/` prefix. */
export function aliasArn({ region, accountId }: Scope, name: string): string {
  return `arn:aws:kms:${region}:${accountId}:${name}`
}

/** Throws unless `name` may be given to an alias by a user (KMS API Reference, CreateAlias). */
export function checkAliasName(name: string): void {
  if (!name.startsWith('alias/')) {
    throw new KmsError('ValidationException', 'Alias must start with the prefix "alias/". '
      + 'Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html')
  }
  if (name.startsWith('alias/aws/')) throw new KmsError('NotAuthorizedException')
  if (!aliasNamePattern.test(name)) {
    throw new KmsError('ValidationException', 'Alias contains invalid characters. Alphanumeric characters, "/", "_" and "-" are allowed')
  }
}
