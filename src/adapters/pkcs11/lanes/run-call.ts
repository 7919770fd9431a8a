import type { OaepAlgorithm, SigningAlgorithm } from '../../../domain/key-spec.js'
import type { Material } from '../../../domain/material.js'
import { HsmError, type Sealed, type WrappedMaterial, type WrappingAlgorithm } from '../../../ports/hsm.js'
import type { Driver } from '../driver/driver.js'
import type { Answer, CallHead, Operation } from './calls.js'

interface Arguments {
  readonly driver: Driver
  readonly material: Material
  /** As the caller of the port gave it, and the driver looks it up before it is used. */
  readonly algorithm: string
  readonly wrappingKey: Material
  readonly length: number
  readonly parts: readonly Uint8Array[]
  readonly begun: () => void
}

const none: Uint8Array = new Uint8Array()
const bytes = (...parts: readonly Uint8Array[]): Answer => ({ parts })
const value = (said: unknown): Answer => ({ value: said, parts: [] })
const sealedBytes = ({ iv, ciphertext }: Sealed): Answer => bytes(iv, ciphertext)
const signing = ({ algorithm }: Arguments): SigningAlgorithm => algorithm as SigningAlgorithm
const oaep = ({ algorithm }: Arguments): OaepAlgorithm => algorithm as OaepAlgorithm
const wrapped = ({ wrappingKey, algorithm, parts: [bytes = none] }: Arguments): WrappedMaterial =>
  ({ wrappingKey, algorithm: algorithm as WrappingAlgorithm, bytes })

/** Each operation of the driver, from parts and back to parts. */
const runs: Readonly<Record<Operation, (call: Arguments) => Answer>> = {
  seal: ({ driver, material, parts: [plaintext = none, aad = none] }) => sealedBytes(driver.seal(material, plaintext, aad)),
  open: ({ driver, material, parts: [iv = none, ciphertext = none, aad = none] }) => bytes(driver.open(material, { iv, ciphertext }, aad)),
  mac: ({ driver, material, parts: [data = none] }) => bytes(driver.mac(material, data)),
  sign: call => bytes(call.driver.sign(call.material, signing(call), call.parts[0] ?? none)),
  verify: call => value(call.driver.verify(call.material, signing(call), call.parts[0] ?? none, call.parts[1] ?? none)),
  publicKey: ({ driver, material }) => bytes(driver.publicKey(material)),
  encrypt: call => bytes(call.driver.encrypt(call.material, oaep(call), call.parts[0] ?? none)),
  decrypt: call => bytes(call.driver.decrypt(call.material, oaep(call), call.parts[0] ?? none)),
  deriveSharedSecret: ({ driver, material, parts: [point = none] }) => bytes(driver.deriveSharedSecret(material, point)),
  encapsulate: ({ driver, material }) => {
    const { sharedSecret, ciphertext } = driver.encapsulate(material)
    return bytes(sharedSecret, ciphertext)
  },
  decapsulate: ({ driver, material, parts: [ciphertext = none] }) => bytes(driver.decapsulate(material, ciphertext)),
  random: ({ driver, length }) => bytes(driver.random(length)),
  // What is there before cannot be told from what was made, if the answer is lost; `begun` says that there was nothing.
  createMaterial: ({ driver, material, begun }) => {
    if (driver.find(material)) throw new HsmError('exists', `there is material named ${material.name} already`)
    begun()
    return value(driver.createMaterial(material))
  },
  inspectImport: call => {
    const { fingerprint, way } = call.driver.inspectImport(call.material, wrapped(call))
    return { value: way, parts: [fingerprint] }
  },
  importMaterial: call => value(call.driver.importMaterial(call.material, wrapped(call))),
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
  const { operation, algorithm = '', length = 0 } = head
  if (operation === 'end') return bytes()
  const rest = [...parts]
  const whole = (given: CallHead['material']): Material => given ? { ...given, id: rest.shift() ?? none } : noMaterial
  const [material, wrappingKey] = [whole(head.material), whole(head.wrappingKey)]
  return runs[operation]({ driver, material, algorithm, wrappingKey, length, parts: rest, begun })
}

const noMaterial: Material = { name: '', id: none, kind: 'gcm' }
