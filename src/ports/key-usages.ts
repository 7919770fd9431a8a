/**
 * The last successful cryptographic operation with a key (KMS API Reference, GetKeyLastUsage). It is shown and decides nothing: not
 * authenticated.
 */
export interface KeyUsageRecord {
  readonly region: string
  readonly keyId: string
  readonly operation: string
  readonly usedAt: number
  /** Of the audit record, and of the answer. */
  readonly eventId: string
  readonly requestId: string
}

export interface KeyUsages {
  get(region: string, keyId: string): Promise<KeyUsageRecord | undefined>
  /** One transaction. A record that is older than the stored one changes nothing. */
  put(records: readonly KeyUsageRecord[]): Promise<void>
}
