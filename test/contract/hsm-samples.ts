import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { newKeyId } from '../../src/domain/key-id.js'
import { backingKey, rootMaterial, type Material, type Suite } from '../../src/domain/material.js'
import { HsmError, type Hsm, type HsmErrorKind } from '../../src/ports/hsm.js'

/** A backing key that no other test has, of the store's suite. */
export function newMaterial({ suite }: { readonly suite: Suite } = { suite: 'gcm' }): Material {
  return backingKey(newKeyId(randomBytes(16)), 1, suite)
}

/** How many objects of the token a backing key is. */
export function objectsOf({ suite }: { readonly suite: Suite }): number {
  return suite === 'cbc-hmac' ? 2 : 1
}

/** Bytes of the ciphertext and what proves it: CBC pads to whole blocks. */
export function sealedBytes({ suite }: { readonly suite: Suite }, length: number): number {
  return suite === 'cbc-hmac' ? length + 16 - length % 16 + 32 : length + 16
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

/** Makes the materials for one describe, and destroys them after it. Functions: a store says its suite when it is open. */
export function withMaterials(hsm: () => Hsm, ...materials: readonly (() => Material)[]): void {
  before(async () => {
    for (const material of materials) await hsm().createMaterial(material())
  })
  after(async () => {
    for (const material of materials) await hsm().destroyMaterial(material())
  })
}

/** `make`, once. */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

// Far from versions that a server on the same token would use.
export function testRoot(name: 'mac' | 'audit'): Material {
  return rootMaterial(name, 1_000_000_000 + randomBytes(4).readUInt32LE() % 1_000_000_000)
}
