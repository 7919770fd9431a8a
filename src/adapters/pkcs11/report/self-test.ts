import { createPublicKey, timingSafeEqual, verify } from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import type { Material, MaterialKind } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import { failureText } from '../driver/errors.js'
import { objectPlans } from '../driver/evidence.js'
import { kindRow } from '../driver/mechanisms.js'
import { generate } from '../driver/objects.js'
import { additionalDataBytes, digestBytes, Gcm, gcmIvBytes, gcmTagBytes, hmac, signDigest, view } from '../driver/operations.js'
import { p256PublicKeyInfo } from '../driver/spki.js'
import type { Token } from '../token/token.js'

export interface SelfTestStep {
  readonly name: string
  readonly outcome: 'ok' | 'failed' | 'not offered'
  /** Of one call, or of one round trip where the step has several. */
  readonly microseconds?: number
  readonly failure?: string
}

const timedCalls = 100
const largeBytes = 4096

/** Tries everything the service needs with session keys: nothing is left in the token. Never throws. */
export function selfTest(token: Token, mechanisms: readonly number[]): readonly SelfTestStep[] {
  let keySession: Handle
  try {
    keySession = token.openSession()
  } catch (error) {
    return [{ name: 'open a session', outcome: 'failed', failure: failureText(error) }]
  }
  try {
    const offered = (kind: MaterialKind): boolean => [kindRow(kind).generate, kindRow(kind).use].every(each => mechanisms.includes(each))
    return [
      step(token, 'random bytes', true, session => testRandom(token, session)),
      ...gcmSteps(token, keySession, offered('gcm')),
      step(token, 'HMAC-SHA-256', offered('hmac-sha-256'), session => testHmac(token, session, keySession)),
      step(token, 'ECDSA P-256', offered('ecdsa-p256'), session => testEcdsa(token, session, keySession)),
    ]
  } finally {
    // Session objects end with the session that made them.
    token.closeSession(keySession)
  }
}

function gcmSteps(token: Token, keySession: Handle, offered: boolean): readonly SelfTestStep[] {
  const { seal, returnValues } = token.profile
  const gcm = new Gcm(token.lib, seal.outputSlackBytes, [...returnValues.ciphertextInvalid, ...returnValues.ambiguous])
  let key: Handle | undefined
  const withKey = (run: (session: Handle, key: Handle) => number | undefined) => (session: Handle) => {
    if (!key) throw new HsmError('missing', 'there is no key to try')
    return run(session, key)
  }
  return [
    step(token, 'AES-256 key', offered, () => { [key] = sessionKeys(token, keySession, 'gcm') }),
    step(token, 'AES-GCM round trip, 32 bytes', offered, withKey((session, made) => roundTrips(token, gcm, session, made, 32))),
    step(token, 'AES-GCM round trip, 4096 bytes', offered, withKey((session, made) => roundTrips(token, gcm, session, made, largeBytes))),
    step(token, 'AES-GCM round trip, empty plaintext', offered, withKey((session, made) => roundTrips(token, gcm, session, made, 0))),
    step(token, 'AES-GCM refuses a changed tag', offered, withKey((session, made) => { testTamper(token, gcm, session, made) })),
  ]
}

/** Runs one step on a session of its own, so that a failure spoils no other. `run` may answer its own time. */
function step(token: Token, name: string, offered: boolean, run: (session: Handle) => number | undefined | void): SelfTestStep {
  if (!offered) return { name, outcome: 'not offered' }
  try {
    const session = token.openSession()
    try {
      const started = process.hrtime.bigint()
      const own = run(session)
      return { name, outcome: 'ok', microseconds: own ?? microsecondsSince(started) }
    } finally {
      token.closeSession(session)
    }
  } catch (error) {
    return { name, outcome: 'failed', failure: failureText(error) }
  }
}

function sessionKeys(token: Token, session: Handle, kind: MaterialKind): readonly Handle[] {
  const material: Material = { name: 'claviger-self-test', id: new Uint8Array([1]), kind }
  const plans = objectPlans(material, token.profile).map(plan => ({ ...plan, wanted: { ...plan.wanted, token: false } }))
  return generate(token.lib, session, material, plans)
}

function testRandom({ lib }: Token, session: Handle): number {
  const started = process.hrtime.bigint()
  const first = lib.C_GenerateRandom(session, Buffer.alloc(digestBytes))
  const microseconds = microsecondsSince(started)
  if (first.equals(lib.C_GenerateRandom(session, Buffer.alloc(digestBytes)))) throw wrong('the generator repeats itself')
  return microseconds
}

function roundTrips({ lib }: Token, gcm: Gcm, session: Handle, key: Handle, length: number): number {
  const plaintext = view(Buffer.alloc(length, 0x5a))
  const additionalData = Buffer.alloc(additionalDataBytes, 0xa5)
  const started = process.hrtime.bigint()
  for (let call = 0; call < timedCalls; call++) {
    const iv = lib.C_GenerateRandom(session, Buffer.alloc(gcmIvBytes))
    const sealed = gcm.encrypt(session, key, iv, plaintext, additionalData)
    const opened = gcm.decrypt(session, key, iv, sealed, additionalData, Buffer.alloc(sealed.length))
    if (opened?.length !== length || !timingSafeEqual(opened, plaintext)) throw wrong('what was sealed does not open')
  }
  return Math.round(microsecondsSince(started) / timedCalls)
}

function testTamper({ lib }: Token, gcm: Gcm, session: Handle, key: Handle): void {
  const iv = lib.C_GenerateRandom(session, Buffer.alloc(gcmIvBytes))
  const additionalData = Buffer.alloc(additionalDataBytes)
  const sealed = gcm.encrypt(session, key, iv, Buffer.alloc(digestBytes), additionalData)
  const last = sealed.length - 1
  sealed[last] = (sealed[last] ?? 0) ^ 1
  const opened = gcm.decrypt(session, key, iv, sealed, additionalData, Buffer.alloc(digestBytes + gcmTagBytes))
  if (opened) throw wrong('a ciphertext with a wrong tag opened')
}

function testHmac(token: Token, session: Handle, keySession: Handle): number {
  const [key] = sessionKeys(token, keySession, 'hmac-sha-256') as [Handle]
  const data = Buffer.alloc(digestBytes)
  const started = process.hrtime.bigint()
  const first = hmac(token.lib, session, key, data)
  const microseconds = microsecondsSince(started)
  if (!timingSafeEqual(first, hmac(token.lib, session, key, data))) throw wrong('the same data has two MACs')
  return microseconds
}

function testEcdsa(token: Token, session: Handle, keySession: Handle): number {
  const [privateKey, publicKey] = sessionKeys(token, keySession, 'ecdsa-p256') as [Handle, Handle]
  const [point] = token.lib.C_GetAttributeValue(session, publicKey, [{ type: pkcs11.CKA_EC_POINT }])
  const key = createPublicKey({ key: Buffer.from(p256PublicKeyInfo(point?.value ?? Buffer.alloc(0))), format: 'der', type: 'spki' })
  const started = process.hrtime.bigint()
  const signature = signDigest(token.lib, session, privateKey, sha256OfNothing)
  const microseconds = microsecondsSince(started)
  if (!verify('sha256', Buffer.alloc(0), { key, dsaEncoding: 'ieee-p1363' }, signature)) throw wrong('the signature does not verify')
  return microseconds
}

const sha256OfNothing = Buffer.from('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex')

function wrong(what: string): HsmError {
  return new HsmError('configuration', what)
}

function microsecondsSince(started: bigint): number {
  return Number((process.hrtime.bigint() - started) / 1000n)
}
