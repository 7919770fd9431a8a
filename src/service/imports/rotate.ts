import { KmsError } from '../../domain/errors.js'
import { atTime, pendingVersion } from '../../domain/imported-material.js'
import { checkState } from '../../domain/key-state.js'
import type { Key, KeyVersion, KeyView } from '../../domain/key.js'
import { isSynchronised } from '../../domain/multi-region.js'
import type { Change } from '../directory.js'
import type { Services } from '../services.js'

/**
 * Makes the imported material that waits for it current, in every region of the key at once. Throws KMSInvalidStateException if there is
 * none, or if it is not in every region yet.
 */
export function rotateImported({ region, keyId }: Key, decide: (key: Key) => Key, { directory, clock }: Services): Promise<KeyView> {
  return directory.changeAll(region, keyId, (stored, storedRelatives) => {
    const now = clock.now()
    const view = checkState(atTime(stored, now), 'rotate')
    const relatives = storedRelatives.filter(({ key }) => isSynchronised(key)).map(relative => atTime(relative, now))
    const pending = pendingVersion(view)
    const everywhere = pending?.state === 'ready' && relatives.every(relative => relative.versions.get(pending.version)?.state === 'ready')
    if (!pending || !everywhere) {
      throw new KmsError('KMSInvalidStateException', `No available key material pending rotation for the key: ${view.key.arn}.`)
    }
    return [
      rotated(decide(stored.key), pending, now),
      ...relatives.map(({ key, versions }) => rotated(key, versions.get(pending.version) ?? pending, now)),
    ]
  })
}

function rotated(key: Key, pending: KeyVersion, now: number): Change {
  return { key: { ...key, currentVersion: pending.version }, versions: [{ ...pending, rotation: { date: now, type: 'ON_DEMAND' } }] }
}
