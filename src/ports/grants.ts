import type { Grant } from '../domain/grant.js'
import type { Slot } from '../domain/grant-slots.js'

export type { Grant, GrantConstraints } from '../domain/grant.js'

/** Whose grants: each given member must be equal. */
export interface GrantFilter {
  readonly grantId?: string
  readonly granteePrincipal?: string
  readonly granteeServicePrincipal?: string
}

/** Grants, and where they are found (domain/grant-slots.ts). Rows are authenticated as in ports/keys.ts; places are not: see `verified`. */
export interface Grants {
  get(region: string, keyId: string, grantId: string): Promise<Grant | undefined>
  /** One that is the same in everything but id and time, a name included: what stands in another order is another. */
  twin(grant: Omit<Grant, 'grantId'>): Promise<Grant | undefined>
  /**
   * With its slots, all or nothing. Of the slots that a subset constraint can choose from, it takes the one with the fewest grants. false,
   * with nothing written, if a slot whose grants must all be looked at has `slotMax` already.
   */
  insert(grant: Grant): Promise<boolean>
  /** false if there was no such grant. */
  remove(region: string, keyId: string, grantId: string): Promise<boolean>
  removeAllOf(region: string, keyId: string): Promise<void>
  count(region: string, keyId: string): Promise<number>
  /** Whether there is one, which takes no longer for a key that has many. */
  any(region: string, keyId: string): Promise<boolean>
  /** Which of these have a grant on the key at all (`Slot.holder`); it takes no longer for a key that has many. No MAC is checked. */
  holding(region: string, keyId: string, holders: readonly string[]): Promise<ReadonlySet<string>>
  /** What stands in each slot, in the order asked for; of an exact one one grant. No MAC is checked: whoever uses a grant asks `get`. */
  inSlots(region: string, keyId: string, slots: readonly Slot[]): Promise<readonly (readonly Grant[])[]>
  /** Ascending by id, after `after`. */
  list(region: string, keyId: string, filter: GrantFilter, after: string | undefined, limit: number): Promise<readonly Grant[]>
  /** Of all keys of a region, by whom they may be retired; ascending by id, after `after`. */
  listRetirable(
    region: string, by: { readonly principal?: string, readonly servicePrincipal?: string }, after: string | undefined, limit: number,
  ): Promise<readonly Grant[]>
}

/** Grants in one slot that cannot be told apart without looking at each. */
export const slotMax = 1_000
