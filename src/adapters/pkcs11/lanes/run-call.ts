import type { Material } from '../../../domain/material.js'
import { HsmError, type Sealed } from '../../../ports/hsm.js'
import type { Driver } from '../driver/driver.js'
import type { Answer, CallHead, Operation } from './calls.js'

interface Arguments {
  readonly driver: Driver
  readonly material: Material
  readonly length: number
  readonly parts: readonly Uint8Array[]
  readonly begun: () => void
}

const none: Uint8Array = new Uint8Array()
const bytes = (...parts: readonly Uint8Array[]): Answer => ({ parts })
const value = (said: unknown): Answer => ({ value: said, parts: [] })
const sealedBytes = ({ iv, ciphertext }: Sealed): Answer => bytes(iv, ciphertext)

/** Each operation of the driver, from parts and back to parts. */
const runs: Readonly<Record<Operation, (call: Arguments) => Answer>> = {
  seal: ({ driver, material, parts: [plaintext = none, aad = none] }) => sealedBytes(driver.seal(material, plaintext, aad)),
  open: ({ driver, material, parts: [iv = none, ciphertext = none, aad = none] }) => bytes(driver.open(material, { iv, ciphertext }, aad)),
  mac: ({ driver, material, parts: [data = none] }) => bytes(driver.mac(material, data)),
  sign: ({ driver, material, parts: [digest = none] }) => bytes(driver.sign(material, digest)),
  publicKey: ({ driver, material }) => bytes(driver.publicKey(material)),
  random: ({ driver, length }) => bytes(driver.random(length)),
  createMaterial: ({ driver, material, begun }) => {
    // What is there before cannot be told from what was made, if the answer is lost; `begun` says that there was nothing.
    if (driver.find(material)) throw new HsmError('exists', `there is material named ${material.name} already`)
    begun()
    return value(driver.createMaterial(material))
  },
  destroyMaterial: ({ driver, material }) => value(driver.destroyMaterial(material)),
  find: ({ driver, material }) => value(driver.find(material)),
  list: ({ driver }) => value(driver.list()),
  capacity: ({ driver }) => value(driver.capacity()),
  probe: ({ driver }) => {
    driver.probe()
    return bytes()
  },
}

/** Does one call of the server. Throws what the driver throws. */
export function runCall(driver: Driver, head: CallHead, parts: readonly Uint8Array[], begun: () => void): Answer {
  const { operation, material, length = 0 } = head
  if (operation === 'end') return bytes()
  if (!material) return runs[operation]({ driver, material: noMaterial, length, parts, begun })
  const [id = none, ...rest] = parts
  return runs[operation]({ driver, material: { ...material, id }, length, parts: rest, begun })
}

const noMaterial: Material = { name: '', id: none, kind: 'gcm' }
