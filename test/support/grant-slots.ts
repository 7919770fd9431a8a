import type { GrantUse } from '../../src/domain/grant.js'
import { placesOfUse, slotOf, type Slot } from '../../src/domain/grant-slots.js'

/** Every slot that a grant may stand in which allows the call. */
export function slotsOfUse(use: GrantUse): readonly Slot[] {
  const { holders, selectors } = placesOfUse(use)
  return holders.flatMap(holder => selectors.map(selector => slotOf(holder, selector)))
}
