import type { Handle } from 'pkcs11js'
import type { Material } from '../../../../domain/material.js'
import type { InspectedImport, WrappedMaterial } from '../../../../ports/hsm.js'
import type { ObjectPlan } from '../evidence.js'

/** Makes the objects of the plans, in their order; `undo` is given those that were made before one could not be. */
export type MakeObjects = (plans: readonly ObjectPlan[], undo: (made: readonly Handle[]) => void) => readonly Handle[]

/** Where wrapped material is unwrapped. Both throw `ciphertext-invalid` if it cannot be, `material` if it is not what it must be. */
export interface ImportWay {
  readonly way: InspectedImport['way']
  /** As ports/hsm.ts says it. */
  fingerprint(material: Material, wrapped: WrappedMaterial): Uint8Array
  /**
   * Calls `make` once, with what makes the objects, and what uses them afterwards to see that they are right: it throws if they are not.
   * Nothing of the material is left when this returns.
   */
  making(material: Material, wrapped: WrappedMaterial, make: (objects: MakeObjects, prove: () => void) => void): void
}
