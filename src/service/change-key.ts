import { checkState, type StateRule, type UsableKey } from '../domain/key-state.js'
import type { Key, KeyView } from '../domain/key.js'
import type { Services } from './services.js'

/**
 * Changes what is stored of a key. The state is checked again on what is stored now, because the call was judged on a copy. `decide` may
 * run several times; it throws to refuse, and answers the same object when there is nothing to write.
 */
export async function changeKey(
  { key: { region, keyId } }: UsableKey, rule: StateRule, { directory }: Services, decide: (key: Key) => Key,
): Promise<KeyView> {
  return directory.change(region, keyId, view => {
    const { key } = checkState(view, rule)
    const changed = decide(key)
    return changed === key ? undefined : { key: changed }
  })
}
