import type { Hsm } from './hsm.js'

/**
 * The HSM tokens of this server by the names of the configuration. The one named `default` holds the roots; where CreateKey makes
 * its keys is configuration. Each has its own lanes, circuit and figures: one that is down takes no other with it.
 */
export interface KeyStores {
  /** Holds the roots. */
  readonly roots: Hsm
  /** Name of the store that new keys are made in. */
  readonly forNewKeys: string
  /** That of the roots first. */
  readonly names: readonly string[]
  /** Throws HsmError kind `lost` for a store that keys name but the configuration does not (any more). */
  get(name: string): Hsm
  close(): Promise<void>
}
