import pkcs11, { type Handle } from 'pkcs11js'
import type { Evidence } from '../../../domain/key.js'
import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import { completeObjects, type Connection } from './connection.js'
import { returnValueOf } from './errors.js'
import { objectPlans, readAttribute, type ObjectPlan } from './evidence.js'
import type { MakeObjects } from './import/way.js'
import type { ObjectBudget } from './object-budget.js'
import { generate } from './objects.js'
import { pause } from './patience.js'

/** Between two looks at an object that a part of the device does not know yet. */
const settlePauseMs = 50

/** Making, finding and destroying the objects that material consists of. */
export class Materials {
  private readonly connection: Connection
  private readonly budget: ObjectBudget

  constructor(connection: Connection, budget: ObjectBudget) {
    this.connection = connection
    this.budget = budget
  }

  /** Not repeated after a failure: the objects may exist. `make` makes them of what was imported; without it they are generated. */
  create(material: Material, make: MakeObjects = this.generate): readonly Evidence[] {
    const { profile } = this.connection
    const plans = objectPlans(material, profile)
    for (const { label } of plans) requireLabel(label, profile.labelBytesMax)
    this.connection.repeatable('looking for a name and for room', () => {
      const [taken] = this.connection.byName(material, 1)
      if (taken) throw new HsmError('exists', `there is material named ${material.name} already`)
      this.budget.requireRoom(objectsNeeded(plans, profile.pairIsOneObject))
    })
    try {
      return this.connection.once('creating material', () => this.accept(material, plans, this.made(material, plans, make)))
    } catch (error) {
      if (!(error instanceof HsmError)) throw error
      if (error.returnValue === pkcs11.CKR_DEVICE_MEMORY) throw this.budget.refused(error)
      throw isRefusal(material, error) ? unsupported(material, error) : error
    }
  }

  /** Answers how many objects there were. */
  destroy(material: Material): number {
    const destroyed = new Set<string>()
    this.connection.repeatable('destroying material', () => {
      this.connection.forget(material)
      for (const object of this.connection.byName(material)) {
        this.destroyNamed(object, [material.name, material.macName])
        // Handles of another login are others, and so are counted, too.
        destroyed.add(`${this.connection.loginCount} ${object.toString('hex')}`)
      }
    })
    if (destroyed.size > 0) this.budget.changed()
    return destroyed.size
  }

  find(material: Material): readonly Evidence[] | undefined {
    const plans = objectPlans(material, this.connection.profile)
    return this.connection.repeatable('reading evidence', () => {
      const found = plans.map(plan => this.connection.lookUp(plan))
      if (found.every(object => object === undefined)) return undefined
      return this.evidence(plans, completeObjects(plans, found))
    }, material)
  }

  private evidence(plans: readonly ObjectPlan[], objects: readonly Handle[]): readonly Evidence[] {
    return plans.map((plan, at) => this.connection.evidence(plan, objects[at] as Handle))
  }

  private readonly generate: MakeObjects = (plans, undo) => generate(this.connection.lib, this.connection.session(), plans, undo)

  private made(material: Material, plans: readonly ObjectPlan[], make: MakeObjects): readonly Handle[] {
    const { loginCount } = this.connection
    const once = (): readonly Handle[] => make(plans, made => { this.discard(made, material, loginCount) })
    try {
      return once()
    } catch (error) {
      const again = this.connection.profile.returnValues.createAgain.includes(returnValueOf(error) ?? 0)
      if (!again || this.connection.byName(material, 1).length > 0) throw error
      this.connection.log.warn('making a key failed, trying once more', { returnValue: returnValueOf(error) })
      return once()
    }
  }

  /** Keeps just-made objects if they are what they should be and alone under their names, else destroys them. */
  private accept(material: Material, plans: readonly ObjectPlan[], made: readonly Handle[]): readonly Evidence[] {
    const { loginCount } = this.connection
    // After another login their handles may name something else.
    const objects = (): readonly Handle[] => this.connection.loginCount === loginCount ? made : this.lookUp(plans)
    try {
      return this.connection.repeatable('reading new material', () => {
        const evidence = this.settled(() => this.evidence(plans, objects()))
        if (this.connection.byName(material, made.length + 1).length > made.length) {
          throw new HsmError('exists', `the name ${material.name} was taken meanwhile`)
        }
        this.connection.rememberMade(material, objects())
        this.budget.changed()
        return evidence
      })
    } catch (error) {
      this.discard(made, material, loginCount)
      throw error
    }
  }

  private lookUp(plans: readonly ObjectPlan[]): readonly Handle[] {
    return completeObjects(plans, plans.map(plan => this.connection.lookUp(plan)))
  }

  /** In a device of several parts a question may reach one that has not heard of the new object yet. */
  private settled<T>(read: () => T): T {
    const until = performance.now() + this.connection.profile.lanes.settleMs
    for (;;) {
      try {
        return read()
      } catch (error) {
        if (returnValueOf(error) !== pkcs11.CKR_OBJECT_HANDLE_INVALID || performance.now() >= until) throw error
        pause(settlePauseMs)
      }
    }
  }

  /** One wrong bit in a handle, and another key would be gone for good: so the object is asked for its name first. */
  private destroyNamed(object: Handle, names: readonly (string | undefined)[]): void {
    const { lib } = this.connection
    const session = this.connection.session()
    const label = readAttribute(lib, session, object, 'label')
    if (typeof label !== 'string' || !names.includes(label)) {
      throw new HsmError('lost', 'an object that was to be destroyed has another name')
    }
    lib.C_DestroyObject(session, object)
  }

  /** Never throws. On a session that is good again if need be, but not by handles of another login: they may name something else. */
  private discard(objects: readonly Handle[], material: Material, loginCount: number): void {
    try {
      for (const object of objects) {
        this.connection.repeatable('destroying a refused object', () => {
          if (this.connection.loginCount !== loginCount) throw new HsmError('missing', 'the login of a refused object is gone')
          this.destroyNamed(object, [material.name, material.macName])
        })
      }
    } catch (error) {
      this.connection.log.error('a refused object could not be destroyed', { material: material.name, returnValue: returnValueOf(error) })
    }
  }
}

/** An id or label that is too long for the token is never sent, so no helper object is ever made for one. */
function objectsNeeded(plans: readonly ObjectPlan[], pairIsOneObject: boolean): number {
  return pairIsOneObject && plans.some(({ role }) => role === 'private') ? 1 : plans.length
}

function requireLabel(label: string, bytesMax: number): void {
  if (Buffer.byteLength(label) > bytesMax) throw new HsmError('configuration', `a name may have at most ${bytesMax} bytes`)
}

/** CKR_CURVE_NOT_SUPPORTED, newer than the binding's names. */
const curveNotSupported = 0x140
/** What a token says of a kind that it does not make: the mechanism, the curve or the size is not its own. */
const refusals: readonly unknown[] = [
  pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_DOMAIN_PARAMS_INVALID, pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_FUNCTION_NOT_SUPPORTED,
  curveNotSupported,
]

/** Of elliptic curves also a value that it does not know, which elsewhere is a fault of the profile. */
function isRefusal({ kind }: Material, { returnValue }: HsmError): boolean {
  const ofCurve = kind.startsWith('ec') || kind === 'ed25519'
  return refusals.includes(returnValue) || (ofCurve && returnValue === pkcs11.CKR_ATTRIBUTE_VALUE_INVALID)
}

function unsupported({ kind }: Material, error: HsmError): HsmError {
  const message = `the token does not make material of kind ${kind}: ${error.message}`
  return new HsmError('unsupported', message, error.returnValue, { cause: error })
}
