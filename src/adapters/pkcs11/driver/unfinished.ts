import type { Handle, PKCS11 } from 'pkcs11js'
import type { Connection } from './connection.js'
import { readAttribute } from './evidence.js'
import { search } from './objects.js'

/**
 * Destroys what processes that died while making an object left in a token that makes them in steps: objects without key and name.
 * Only while no other process uses the token: one of them might be making an object.
 */
export function removeUnfinished(connection: Connection): void {
  const removed = connection.repeatable('removing unfinished objects', () => {
    const unfinished = connection.searching((lib, session) => search(lib, session, {}).filter(object => isUnfinished(lib, session, object)))
    for (const object of unfinished) connection.lib.C_DestroyObject(connection.session(), object)
    return unfinished.length
  })
  if (removed > 0) connection.log.info('removed objects that a crash had left unfinished in the token', { removed })
}

/**
 * The class comes first, and the template, which says CKA_TOKEN and the label, before the key. Found by a new session, an object that is
 * not a token object was never given its template: session objects of other processes cannot be seen (PKCS#11 2.40, section 2.4).
 */
function isUnfinished(lib: PKCS11, session: Handle, object: Handle): boolean {
  if (readAttribute(lib, session, object, 'class') === undefined) return true
  return readAttribute(lib, session, object, 'token') === false && readAttribute(lib, session, object, 'label') === ''
}
