/** A grant as CreateGrant made it (KMS API Reference, GrantListEntry). Rows are authenticated as in ports/keys.ts. */
export interface Grant {
  readonly region: string
  readonly keyId: string
  /** 64 hex digits. */
  readonly grantId: string
  readonly name?: string
  readonly createdAt: number
  /** Exactly one of these two. */
  readonly granteePrincipal?: string
  readonly granteeServicePrincipal?: string
  /** At most one of these two. */
  readonly retiringPrincipal?: string
  readonly retiringServicePrincipal?: string
  /** ARN of the root of the account that made it. */
  readonly issuingAccount: string
  readonly operations: readonly string[]
  readonly constraints?: GrantConstraints
}

export interface GrantConstraints {
  readonly EncryptionContextEquals?: Readonly<Record<string, string>>
  readonly EncryptionContextSubset?: Readonly<Record<string, string>>
  readonly SourceArn?: string
}

/** Whose grants: each given member must be equal. */
export interface GrantFilter {
  readonly grantId?: string
  readonly granteePrincipal?: string
  readonly granteeServicePrincipal?: string
}

export interface Grants {
  get(region: string, keyId: string, grantId: string): Promise<Grant | undefined>
  /** One that is the same in everything but id and time, a name included: what stands in another order is another. */
  twin(grant: Omit<Grant, 'grantId'>): Promise<Grant | undefined>
  insert(grant: Grant): Promise<void>
  /** false if there was no such grant. */
  remove(region: string, keyId: string, grantId: string): Promise<boolean>
  removeAllOf(region: string, keyId: string): Promise<void>
  count(region: string, keyId: string): Promise<number>
  /** Ascending by id, after `after`. */
  list(region: string, keyId: string, filter: GrantFilter, after: string | undefined, limit: number): Promise<readonly Grant[]>
  /** Of all keys of a region, by whom they may be retired; ascending by id, after `after`. */
  listRetirable(
    region: string, by: { readonly principal?: string, readonly servicePrincipal?: string }, after: string | undefined, limit: number,
  ): Promise<readonly Grant[]>
}
