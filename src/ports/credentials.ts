/** An access key of a principal. Its secret is stored sealed by `root/seal` (service/credentials.ts knows how). */
export interface AccessKey {
  readonly accessKeyId: string
  readonly principalArn: string
  readonly accountId: string
  readonly administrator: boolean
  readonly active: boolean
  readonly createdAt: number
  /** Version of `root/seal`, IV and ciphertext. */
  readonly secret: { readonly rootVersion: number, readonly iv: Uint8Array, readonly ciphertext: Uint8Array }
}

/** Rows are authenticated as in ports/keys.ts. */
export interface Credentials {
  get(accessKeyId: string): Promise<AccessKey | undefined>
  /** Adds or replaces. */
  put(accessKey: AccessKey): Promise<void>
}
