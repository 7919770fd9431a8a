import { timingSafeEqual } from 'node:crypto'
import type { Handle } from 'pkcs11js'
import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { Connection } from './connection.js'
import { objectPlans } from './evidence.js'
import { generate } from './objects.js'
import { additionalDataBytes, gcmIvBytes, type Gcm } from './operations.js'

/** Label of the session key; no listing shows it. */
export const canaryLabel = 'claviger-canary'
/** More checks than that would let anybody with bad ciphertexts keep the token busy: in between the last verdict holds. */
const checksPerSecondMax = 5
const material: Material = { name: canaryLabel, id: new Uint8Array([1]), kind: 'gcm' }
const plaintext = Buffer.alloc(16, 0x5a)
const additionalData = Buffer.alloc(additionalDataBytes, 0xa5)

interface Sealed { readonly key: Handle, readonly iv: Buffer, readonly ciphertext: Buffer }

/**
 * Some tokens have one return value for a ciphertext that does not verify and for a device that fails. Then another ciphertext is opened,
 * which must open on a device that works: sealed by us under a key that lives and ends with the session.
 */
export class Canary {
  private readonly connection: Connection
  private readonly gcm: Gcm
  private readonly random: (target: Buffer) => void
  private sealed: Sealed | undefined
  private checkedAt = -Infinity
  private works = true

  /** `random` fills a buffer with bytes of the token's generator. */
  constructor(connection: Connection, gcm: Gcm, random: (target: Buffer) => void) {
    this.connection = connection
    this.gcm = gcm
    this.random = random
  }

  /** Returns if the device works, so that the client's ciphertext is to blame; throws `error` if the device just failed again. */
  requireWorking(error: unknown): void {
    const now = performance.now()
    if (now - this.checkedAt < 1000 / checksPerSecondMax) {
      // This session may be another one than the verdict was about, and is not given up for what may be a bad ciphertext.
      if (!this.works) throw new HsmError('lost', 'the HSM failed a moment ago')
      return
    }
    this.checkedAt = now
    this.works = this.opens(() => this.sealed) || this.opens(() => this.seal())
    if (!this.works) throw error
  }

  /** The key is gone after a new session or login, so a canary that does not open says nothing until a new one does not either. */
  private opens(canary: () => Sealed | undefined): boolean {
    try {
      const sealed = canary()
      if (!sealed) return false
      const { key, iv, ciphertext } = sealed
      const out = Buffer.alloc(ciphertext.length)
      const opened = this.gcm.decrypt(this.connection.session(), key, iv, ciphertext, additionalData, out)
      return opened?.length === plaintext.length && timingSafeEqual(opened, plaintext)
    } catch {
      return false
    }
  }

  private seal(): Sealed {
    const { lib, profile } = this.connection
    const session = this.connection.session()
    const plans = objectPlans(material, profile).map(plan => ({ ...plan, wanted: { ...plan.wanted, token: false } }))
    const [key] = generate(lib, session, material, plans) as [Handle]
    const iv = Buffer.alloc(gcmIvBytes)
    this.random(iv)
    this.sealed = { key, iv, ciphertext: this.gcm.encrypt(session, key, iv, plaintext, additionalData) }
    return this.sealed
  }
}
