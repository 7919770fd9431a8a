import pkcs11 from 'pkcs11js'
import { HsmError, type Capacity } from '../../../ports/hsm.js'
import type { Connection } from './connection.js'
import { search } from './objects.js'

/** What a full token taught is tried again after so long: a full audit log gives the same answer, and somebody may have emptied it. */
const learntMsMax = 3000

/** How many objects the token holds, and how many it may: by profile or configuration, or as it said itself by refusing one. */
export class ObjectBudget {
  private readonly connection: Connection
  private readonly stated: number | undefined
  private learnt: { readonly max: number, readonly at: number } | undefined

  /** `objectsMax`: of the configuration; it can only lower what the profile says. */
  constructor(connection: Connection, objectsMax: number | undefined) {
    this.connection = connection
    this.stated = lowest(connection.profile.objectsMax ?? undefined, objectsMax)
  }

  /** Searches the token. Throws what the library throws. */
  capacity(): Capacity {
    return { used: this.count(), max: lowest(this.stated, this.learnt?.max) }
  }

  /** Throws kind `capacity` if so many more objects have no room, as far as anybody knows. */
  requireRoom(needed: number): void {
    const known = this.learnt && performance.now() - this.learnt.at < learntMsMax ? this.learnt.max : undefined
    const max = lowest(this.stated, known)
    if (max === undefined) return
    const used = this.count()
    if (used + needed > max) throw full(`it holds ${used} of at most ${max} objects, and ${needed} more were asked for`)
  }

  /** The token refused an object for want of room: answers the error to throw, and remembers. */
  refused({ returnValue, cause }: HsmError): HsmError {
    try {
      this.learnt = { max: this.connection.repeatable('counting objects', () => this.count()), at: performance.now() }
    } catch {
      return full('it refused an object', returnValue, cause)
    }
    return full(`it holds ${this.learnt.max} objects and refused another`, returnValue, cause)
  }

  /** Something was made or destroyed, so that what was learnt holds no longer. */
  changed(): void {
    this.learnt = undefined
  }

  private count(): number {
    const { pairIsOneObject } = this.connection.profile
    return this.connection.searching((lib, session) => {
      const all = search(lib, session, {}).length
      return pairIsOneObject ? all - search(lib, session, { class: pkcs11.CKO_PUBLIC_KEY }).length : all
    })
  }
}

function full(how: string, returnValue?: number, cause?: unknown): HsmError {
  const hint = returnValue === undefined ? '' : ' (a YubiHSM also answers so when its audit log is full)'
  return new HsmError('capacity', `the token is full: ${how}${hint}`, returnValue, cause === undefined ? {} : { cause })
}

function lowest(...limits: readonly (number | undefined)[]): number | undefined {
  const known = limits.filter(limit => limit !== undefined)
  return known.length > 0 ? Math.min(...known) : undefined
}
