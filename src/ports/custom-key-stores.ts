/** A custom key store of the API: a configured token, claimed by name. Rows are authenticated as in ports/keys.ts. */
export interface CustomKeyStore {
  readonly accountId: string
  readonly region: string
  /** `cks-` and 17 hex digits. */
  readonly id: string
  readonly name: string
  /** Name of the configured key store that it stands for. */
  readonly keyStore: string
  readonly clusterId: string
  readonly trustAnchorCertificate: string
  readonly createdAt: number
  /** What was asked for last: the token may be away all the same. */
  readonly connected: boolean
}

export interface CustomKeyStores {
  /** All of them: there are few, whoever asks keeps them in memory. */
  all(): Promise<readonly CustomKeyStore[]>
  /** false, with nothing written, if id, key store, or name within its account and region is taken. */
  insert(store: CustomKeyStore): Promise<boolean>
  /** By id; false if there is none, or the new name is taken. */
  update(store: CustomKeyStore): Promise<boolean>
  remove(id: string): Promise<boolean>
  /** Gives those from before there were accounts to this one. To be called before `all`. */
  adopt(accountId: string): Promise<void>
}
