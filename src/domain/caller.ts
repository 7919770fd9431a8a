import type { CompiledPolicy } from './policy/compile.js'
import type { WebIdentity } from './web-identity.js'

/** Who makes a call, as established by a signature, a token or a certificate, and what its policies say. */
export interface Caller {
  readonly type: CallerType
  /** Of a session, that of the session. */
  readonly arn: string
  /** Empty for a service. */
  readonly accountId: string
  /** `aws:PrincipalArn`: of a session, its role. */
  readonly principalArn: string
  /** The unique id of the user or role behind it (AIDA…, AROA…); of an account its number, of a service its name. */
  readonly uniqueId: string
  /** `aws:userid`. */
  readonly userId: string
  /** `aws:username`: users only. */
  readonly userName?: string
  /** Empty where no access key was used. */
  readonly accessKeyId: string
  /** The client certificate that let it in, for the audit log (client-certificate.ts). */
  readonly certificate?: Readonly<Record<string, string>>
  /** Of the principal, and over them those of the session. Keys are compared without regard to case. */
  readonly tags: readonly PrincipalTag[]
  /** What its user (with the groups) or its role may do. */
  readonly policies: readonly CompiledPolicy[]
  readonly boundary?: CompiledPolicy
  /** Temporary credentials only. */
  readonly session?: CallerSession
  /** Of a WebIdentity what its provider says of it. */
  readonly webIdentity?: WebIdentity
}

/** `Account` is the root of an account; `WebIdentity` somebody whom an identity provider vouches for, and who has no role yet. */
export type CallerType = 'Account' | 'User' | 'AssumedRole' | 'Service' | 'WebIdentity'

export interface PrincipalTag { readonly key: string, readonly value: string }

export interface CallerSession {
  readonly name?: string
  readonly issuedAt: number
  readonly expiresAt: number
  /** What limits the session beside its role; undefined where nothing was asked for. */
  readonly policies?: readonly CompiledPolicy[]
  readonly sourceIdentity?: string
  /** Keys of the session tags that go on to the next role. */
  readonly transitiveTagKeys?: readonly string[]
  /** Who vouched for it: ARN of the identity provider. */
  readonly provider?: string
  /** Of a role's: who became it, by a unique id; through a chain of roles whoever was at its beginning. */
  readonly origin?: string
}

/** Who is behind a caller: the same for a user in its own name, in its sessions, and in every role that it becomes. */
export function originOf({ session, type, uniqueId, userId }: Pick<Caller, 'session' | 'type' | 'uniqueId' | 'userId'>): string {
  // A session that nobody asked for, such as that of a certificate, is its own beginning.
  return session?.origin ?? (type === 'AssumedRole' ? userId : uniqueId)
}
