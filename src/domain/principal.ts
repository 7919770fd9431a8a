/*
 * The names of those who call, and of those whom policies and grants speak of (IAM User Guide, IAM identifiers). Names are unique without
 * regard to case within an account, and an ARN is compared to the letter: no two of them look alike.
 */

export type PrincipalRef =
  | { readonly kind: 'account', readonly accountId: string }
  | { readonly kind: 'user' | 'role', readonly accountId: string, readonly name: string, readonly path: string }
  | { readonly kind: 'session', readonly accountId: string, readonly role: string, readonly session: string }
  | { readonly kind: 'federated', readonly accountId: string, readonly name: string }

const accountIdForm = /^[0-9]{12}$/
const name = '[\\w+=,.@-]+'
const account = /^arn:aws:iam::([0-9]{12}):root$/
const identity = new RegExp(`^arn:aws:iam::([0-9]{12}):(user|role)(/(?:${name}/)*)(${name})$`)
const session = new RegExp(`^arn:aws:sts::([0-9]{12}):assumed-role/(${name})/(${name})$`)
const federated = new RegExp(`^arn:aws:sts::([0-9]{12}):federated-user/(${name})$`)
/** IAM API Reference, CreateUser and CreateRole: at most 64 characters; paths at most 512. */
const nameForm = /^[\w+=,.@-]{1,64}$/
/** Fewer characters than IAM has: no wildcard, and nothing that looks like another segment. */
const pathForm = /^\/(?:[\w+=,.@-]+\/)*$/
const pathCharactersMax = 512

export function isAccountId(text: string): boolean {
  return accountIdForm.test(text)
}

/** Whether a user, group, role or policy may be called that, and a session of a role. */
export function isPrincipalName(text: string): boolean {
  return nameForm.test(text)
}

/** `/`, or segments between slashes. */
export function isPrincipalPath(text: string): boolean {
  return text.length <= pathCharactersMax && pathForm.test(text)
}

/** Strict: undefined for whatever is not the ARN of a principal, or a bare account id, which stands for its root. */
export function parsePrincipal(text: string): PrincipalRef | undefined {
  if (accountIdForm.test(text)) return { kind: 'account', accountId: text }
  const [, ofAccount] = account.exec(text) ?? []
  if (ofAccount !== undefined) return { kind: 'account', accountId: ofAccount }
  const [, ofIdentity = '', kind, path = '', identityName = ''] = identity.exec(text) ?? []
  if (kind !== undefined) return { kind: kind as 'user' | 'role', accountId: ofIdentity, path, name: identityName }
  const [, ofSession = '', role, sessionName = ''] = session.exec(text) ?? []
  if (role !== undefined) return { kind: 'session', accountId: ofSession, role, session: sessionName }
  const [, ofFederated = '', federatedName] = federated.exec(text) ?? []
  return federatedName === undefined ? undefined : { kind: 'federated', accountId: ofFederated, name: federatedName }
}

export function rootArn(accountId: string): string {
  return `arn:aws:iam::${accountId}:root`
}

export interface NamedEntity { readonly accountId: string, readonly name: string, readonly path: string }

/** `path` begins and ends with a slash. */
export function entityArn(kind: 'user' | 'group' | 'role' | 'policy', { accountId, path, name: entity }: NamedEntity): string {
  return `arn:aws:iam::${accountId}:${kind}${path}${entity}`
}

/** Of a session of a role; the path of the role is no part of it. */
export function sessionArn({ accountId, name: role }: Pick<NamedEntity, 'accountId' | 'name'>, sessionName: string): string {
  return `arn:aws:sts::${accountId}:assumed-role/${role}/${sessionName}`
}

const policyArn = /^arn:aws:iam::([0-9]{12}|aws):policy(\/(?:[\w+=,.@-]+\/)*)([\w+=,.@-]+)$/

/** `accountId`: `aws` for a built-in one. */
export interface PolicyRef { readonly accountId: string, readonly path: string, readonly name: string }

/** What the ARN of a managed policy says; undefined if it is none. */
export function policyRef(arn: string): PolicyRef | undefined {
  const [, accountId, path = '', name = ''] = policyArn.exec(arn) ?? []
  return accountId === undefined ? undefined : { accountId, path, name }
}
