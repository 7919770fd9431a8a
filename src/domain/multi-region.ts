import type { Key } from './key.js'

/**
 * Primary and replicas together. Each of them seals under the same material, and counts its own seals: so each may make this part of what a
 * version allows.
 */
export const relatedKeysMax = 16

export function isMultiRegionId(keyId: string): boolean {
  return keyId.startsWith('mrk-')
}

export function isReplica({ region, multiRegion }: Pick<Key, 'region' | 'multiRegion'>): boolean {
  return multiRegion !== undefined && multiRegion.primaryRegion !== region
}

/** Whether rotations reach the key: not while it is being made or destroyed. */
export function isSynchronised({ state }: Pick<Key, 'state'>): boolean {
  return state !== 'Creating' && state !== 'Destroying' && state !== 'Destroyed'
}
