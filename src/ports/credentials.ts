/** An access key of a user. Its secret is stored sealed by `root/seal` (service/credentials.ts knows how). */
export interface AccessKey {
  readonly accessKeyId: string
  readonly principalArn: string
  /** The unique id of the user; undefined only before it was adopted (service/identities/first-identities.ts). */
  readonly principalId?: string
  readonly accountId: string
  readonly active: boolean
  readonly createdAt: number
  /** Version of `root/seal`, IV and ciphertext. */
  readonly secret: { readonly rootVersion: number, readonly iv: Uint8Array, readonly ciphertext: Uint8Array }
}

/** Shown, and decides nothing: not authenticated. */
export interface AccessKeyUsage {
  readonly accessKeyId: string
  readonly usedAt: number
  readonly region: string
  /** `kms`, `sts` or `iam`. */
  readonly service: string
}

/** Rows are authenticated as in ports/keys.ts. */
export interface Credentials {
  get(accessKeyId: string): Promise<AccessKey | undefined>
  /** Adds or replaces. */
  put(accessKey: AccessKey): Promise<void>
  /** false if there was none. */
  remove(accessKeyId: string): Promise<boolean>
  /** Those of a user, ascending by id. */
  ofPrincipal(principalArn: string): Promise<readonly AccessKey[]>
  /** Those from before there were users. */
  withoutPrincipal(): Promise<readonly AccessKey[]>

  /** One transaction. A record that is older than the stored one changes nothing. */
  putUsages(usages: readonly AccessKeyUsage[]): Promise<void>
  usage(accessKeyId: string): Promise<AccessKeyUsage | undefined>
}
