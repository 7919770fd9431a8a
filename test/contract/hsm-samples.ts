import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { newKeyId } from '../../src/domain/key-id.js'
import { backingKey, rootMaterial, type Material } from '../../src/domain/material.js'
import { HsmError, type Hsm, type HsmErrorKind } from '../../src/ports/hsm.js'

/** A backing key that no other test has. */
export function newMaterial(): Material {
  return backingKey(newKeyId(randomBytes(16)), 1, 'gcm')
}

/** Fails unless the call is refused with an HsmError of this kind; answers the error. */
export async function refused(call: Promise<unknown>, kind: HsmErrorKind): Promise<HsmError> {
  try {
    await call
  } catch (error) {
    expect(error).to.be.instanceOf(HsmError)
    expect(error).to.have.property('kind', kind)
    return error as HsmError
  }
  throw new Error(`not refused, but should be: ${kind}`)
}

/** Makes the materials for one describe, and destroys them after it. */
export function withMaterials(hsm: () => Hsm, ...materials: readonly Material[]): void {
  before(async () => {
    for (const material of materials) await hsm().createMaterial(material)
  })
  after(async () => {
    for (const material of materials) await hsm().destroyMaterial(material)
  })
}

// Far from versions that a server on the same token would use.
export function testRoot(name: 'mac' | 'audit'): Material {
  return rootMaterial(name, 1_000_000_000 + randomBytes(4).readUInt32LE() % 1_000_000_000)
}
