import type { Hsm, HsmError } from './hsm.js'

/**
 * The HSM tokens of this server by the names of the configuration. The one named `default` holds the roots; where CreateKey makes
 * its keys is configuration. Each has its own lanes, circuit and figures: one that is down takes no other with it.
 */
export interface KeyStores {
  /** Holds the roots. */
  readonly roots: Hsm
  /** Name of the store that new keys are made in, but for those of a region that has its own. */
  readonly forNewKeys: string
  /** Name of the store that the keys of this region have to be in, if the configuration says so. */
  ofRegion(region: string): string | undefined
  /** That of the roots first. */
  readonly names: readonly string[]
  /** Throws HsmError kind `lost` for a store that keys name but the configuration does not (any more). */
  get(name: string): Hsm
  /**
   * Custom key stores only. `connect` begins to open the token, in the background and again and again, and forgets what an earlier attempt
   * ended with; `disconnect` logs out: until it is connected again, every call to the store throws kind `lost`.
   */
  connect(name: string): void
  disconnect(name: string): Promise<void>
  /** From memory: no call to the device. */
  connection(name: string): KeyStoreConnection
  close(): Promise<void>
}

/**
 * `absent`: the configuration has no such store (any more). `failed`: an attempt to open the token was in vain, or it was lost later;
 * unless the PIN was refused it is tried again all the time.
 */
export type KeyStoreConnection =
  | { readonly state: 'absent' | 'disconnected' | 'disconnecting' | 'connecting' | 'connected' }
  | { readonly state: 'failed', readonly failure: Pick<HsmError, 'kind' | 'returnValue'> }
