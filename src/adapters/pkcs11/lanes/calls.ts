import type { OaepAlgorithm, SigningAlgorithm } from '../../../domain/key-spec.js'
import type { Material, MaterialKind } from '../../../domain/material.js'
import { HsmError, type HsmErrorKind, type HsmStatus, type WrappingAlgorithm } from '../../../ports/hsm.js'
import type { LogFields } from '../../../ports/log.js'
import type { Pkcs11Config } from '../config.js'
import type { Profile } from '../profiles/profile.js'
import type { PinStamp } from '../token/pin.js'
import type { LoginOutcome } from '../token/token.js'
import { FrameError, type Frame } from './frames.js'

/** What a lane can be asked to do: the driver's methods, and to end. */
export type Operation =
  | 'seal' | 'open' | 'mac' | 'sign' | 'verify' | 'publicKey' | 'encrypt' | 'decrypt'
  | 'deriveSharedSecret' | 'encapsulate' | 'decapsulate' | 'random' | 'probe'
  | 'createMaterial' | 'inspectImport' | 'importMaterial' | 'destroyMaterial' | 'find' | 'list' | 'capacity'

export interface OperationFacts {
  /** Searches, or changes the token: `slowCallDeadlineMs` holds. */
  readonly slow: boolean
  /** May be done again on another lane when the first one died over it. */
  readonly repeatable: boolean
}

const quick: OperationFacts = { slow: false, repeatable: true }
const slow: OperationFacts = { slow: true, repeatable: true }

export const operationFacts: Readonly<Record<Operation, OperationFacts>> = {
  seal: quick, open: quick, mac: quick, sign: quick, verify: quick, publicKey: quick, encrypt: quick, decrypt: quick,
  deriveSharedSecret: quick, encapsulate: quick, decapsulate: quick, random: quick, probe: quick,
  // The object may exist: whoever asked looks for it first.
  createMaterial: { slow: true, repeatable: false }, importMaterial: { slow: true, repeatable: false },
  inspectImport: slow, destroyMaterial: slow, find: slow, list: slow, capacity: slow,
}

/** One call as the server hands it to a lane. */
export interface Call {
  readonly operation: Operation
  readonly material?: Material
  readonly algorithm?: SigningAlgorithm | OaepAlgorithm | WrappingAlgorithm
  /** Under which imported material arrives. */
  readonly wrappingKey?: Material
  /** Of `random`. */
  readonly length?: number
  readonly parts: readonly Uint8Array[]
  /** `createMaterial` only: the lane found the name free and begins. */
  readonly onBegun?: () => void
}

export interface Answer {
  /** What the driver answered, where it was not bytes. */
  readonly value?: unknown
  readonly parts: readonly Uint8Array[]
}

/** A material without its id, which goes as a part. */
export type MaterialHead = Omit<Material, 'id'>

/** The first frame to a lane. */
export interface StartHead {
  /** Without the PIN: a lane asks for it when it logs in. */
  readonly config: Pkcs11Config
  /** Take away what a crash left half-made: the first lane only. */
  readonly removeUnfinished: boolean
}

/** Every later frame to a lane. Parts: the ids of the material and the wrapping key, if there are any, and those of the call. */
export interface CallHead {
  readonly operation: Operation | 'end'
  readonly material?: MaterialHead
  readonly algorithm?: NonNullable<Call['algorithm']>
  readonly wrappingKey?: MaterialHead
  readonly length?: number
  /** Destroyed by another lane: cached handles of these must not be used again, because a token may give their numbers to new objects. */
  readonly forget?: readonly MaterialHead[]
}

/** The answer to `login: 'ask'`; its one part is the PIN. */
export interface LoginHead {
  readonly login: { readonly stamp?: PinStamp | undefined } | { readonly error: ErrorFields }
}

/** What a lane found, once it is logged in and the device has answered. */
export interface LaneReady {
  readonly token: NonNullable<HsmStatus['token']>
  readonly profile: Profile
  readonly kinds: readonly MaterialKind[]
  /** As the token reports it; undefined when it has no limit or does not say. */
  readonly sessionsMax?: number
}

/** Frames from a lane. */
export type LaneHead =
  | { readonly ready: LaneReady }
  | { readonly answer: { readonly value?: unknown } }
  | { readonly error: ErrorFields }
  | { readonly login: 'ask' | LoginOutcome }
  | { readonly begun: true }
  | { readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error', readonly message: string, readonly fields?: LogFields } }

export interface ErrorFields { readonly kind: HsmErrorKind, readonly message: string, readonly returnValue?: number }

const laneHeads = ['ready', 'answer', 'error', 'begun', 'login', 'log']

/** The head of a frame from a lane. The process runs our own code, so only the outermost shape is checked. Throws FrameError. */
export function laneHead({ head }: Frame): LaneHead {
  const isKnown = typeof head === 'object' && head !== null && laneHeads.some(name => name in head)
  if (!isKnown) throw new FrameError('a lane said something unknown')
  return head as LaneHead
}

export function callHead(call: Call, forget: readonly MaterialHead[]): CallHead {
  const { operation, material, algorithm, wrappingKey, length } = call
  return {
    operation,
    ...material ? { material: materialHead(material) } : {},
    ...algorithm === undefined ? {} : { algorithm },
    ...wrappingKey ? { wrappingKey: materialHead(wrappingKey) } : {},
    ...length === undefined ? {} : { length },
    ...forget.length > 0 ? { forget } : {},
  }
}

/** What goes with the head. */
export function callParts({ material, wrappingKey, parts }: Call): readonly Uint8Array[] {
  return [...[material, wrappingKey].flatMap(each => each ? [each.id] : []), ...parts]
}

export function materialHead({ id: _, ...head }: Material): MaterialHead {
  return head
}

/** An HsmError as it travels, and back. The cause stays behind: it may be a vendor's text. */
export function errorFields(error: unknown): ErrorFields {
  if (!(error instanceof HsmError)) return { kind: 'configuration', message: 'a lane failed in a way that it should not' }
  const { kind, message, returnValue } = error
  return { kind, message, ...returnValue === undefined ? {} : { returnValue } }
}

export function hsmErrorOf({ kind, message, returnValue }: ErrorFields): HsmError {
  return new HsmError(kind, message, returnValue)
}
