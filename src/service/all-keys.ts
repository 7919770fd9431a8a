import type { KeyView } from '../domain/key.js'
import type { Store } from '../ports/store.js'

const pageMax = 100

/** Every key that the API may show, in all accounts and regions, a page at a time. */
export async function* allKeys({ store }: { readonly store: Pick<Store, 'keys'> }): AsyncGenerator<KeyView> {
  for (const region of await store.keys.regions()) {
    let ids = await store.keys.list(undefined, region, undefined, pageMax)
    while (ids.length > 0) {
      for (const keyId of ids) {
        const view = await store.keys.get(region, keyId)
        if (view) yield view
      }
      ids = await store.keys.list(undefined, region, ids.at(-1), pageMax)
    }
  }
}
