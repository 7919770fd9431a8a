import type { BodyLimits } from './body.js'

export interface HttpLimits extends BodyLimits {
  readonly headerBytesMax: number
  readonly connectionsMax: number
  /** Requests that are being worked on, read to the end. More are told to slow down. */
  readonly requestsInFlightMax: number
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** Without a byte either way; also what an unread answer may wait. Longer than any operation takes. */
  readonly socketIdleMaxMs: number
  /** How often Node looks for connections whose headers or request are late. */
  readonly timeoutCheckMs: number
  /** With a client certificate: after that, its client has to show it anew. */
  readonly certifiedConnectionMsMax: number
}

const bodyBytesInAllMax = 64 * 1024 * 1024

/**
 * What holds where nothing else is configured; the configuration takes its defaults from here. The largest legal KMS request is a
 * 262,144-byte attestation document in base64, 350 KB.
 */
export const defaultLimits: HttpLimits = {
  bodyBytesMax: 512 * 1024,
  bodyBytesUncounted: 16 * 1024,
  bodyBytesInAllMax,
  bodyBytesPerAddressMax: bodyBytesInAllMax / 4,
  discardedBytesMax: 4 * 1024 * 1024,
  headerBytesMax: 16 * 1024,
  connectionsMax: 10_000,
  requestsInFlightMax: 1_024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  socketIdleMaxMs: 120_000,
  timeoutCheckMs: 5_000,
  certifiedConnectionMsMax: 3_600_000,
}
