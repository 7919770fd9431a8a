import { timingSafeEqual } from 'node:crypto'
import type { Handle } from 'pkcs11js'
import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { Connection } from './connection.js'
import { objectPlans } from './evidence.js'
import { generate, search } from './objects.js'
import { additionalDataBytes } from './operations.js'
import { openSlackBytes, type FreshSeal, type Sealing } from './sealing/sealing.js'
import { succeeds } from './verdict.js'

/** Label of the key; no listing shows it. */
export const canaryLabel = 'claviger-canary'
/** More checks than that would let anybody with bad ciphertexts keep the token busy: in between the last verdict holds. */
const checksPerSecondMax = 5
// Without an id: some tokens take no other object with the same one.
const material: Material = { name: canaryLabel, id: new Uint8Array(), kind: 'gcm' }
const plaintext = Buffer.alloc(16, 0x5a)
const additionalData = Buffer.alloc(additionalDataBytes, 0xa5)

interface Sealed extends FreshSeal { readonly keys: readonly Handle[] }

/**
 * Some tokens have one return value for a ciphertext that does not verify and for a device that fails. Then another ciphertext is opened,
 * which must open on a device that works: sealed by us under a key that lives and ends with the session, or, where there are no such keys,
 * under a token object that is made once and stays.
 */
export class Canary {
  private readonly connection: Connection
  private readonly gcm: Sealing
  private sealed: Sealed | undefined
  private checkedAt = -Infinity
  private works = true

  constructor(connection: Connection, gcm: Sealing) {
    this.connection = connection
    this.gcm = gcm
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
    this.works = succeeds(() => this.sealed !== undefined && this.opens(this.sealed)) || succeeds(() => this.opensAfresh())
    if (!this.works) throw error
  }

  /**
   * The key is gone after a new session or login, so a canary that does not open says nothing until a new one does not either; and a device
   * that is busy, or has just lost a session, has said nothing yet.
   */
  private opensAfresh(): boolean {
    return this.connection.repeatable('trying a ciphertext of our own', () => this.opens(this.seal()))
  }

  private opens(sealed: Sealed): boolean {
    const out = Buffer.alloc(sealed.ciphertext.length + openSlackBytes)
    const opened = this.gcm.decrypt(this.connection.session(), sealed.keys, sealed, additionalData, out)
    return opened?.length === plaintext.length && timingSafeEqual(opened, plaintext)
  }

  private seal(): Sealed {
    const keys = this.connection.profile.sessionKeys ? this.sessionKey() : this.tokenKey()
    this.sealed = { ...this.gcm.encrypt(this.connection.session(), keys, plaintext, additionalData), keys }
    return this.sealed
  }

  private sessionKey(): readonly Handle[] {
    const plans = objectPlans(material, this.connection.profile).map(plan => ({ ...plan, wanted: { ...plan.wanted, token: false } }))
    return generate(this.connection.lib, this.connection.session(), plans)
  }

  /** Any one of that name will do: nothing is sealed under it but the canary of this process. */
  private tokenKey(): readonly Handle[] {
    const { lib, profile } = this.connection
    const plans = objectPlans(material, profile)
    const wanted = { class: plans[0]?.expected.class ?? 0, label: canaryLabel }
    const found = this.connection.searching((_lib, session) => search(lib, session, wanted, 1))
    return found.length > 0 ? found : generate(lib, this.connection.session(), plans)
  }
}
