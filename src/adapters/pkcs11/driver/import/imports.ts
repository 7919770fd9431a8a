import type { Evidence } from '../../../../domain/key.js'
import type { Material } from '../../../../domain/material.js'
import { HsmError, type InspectedImport, type WrappedMaterial } from '../../../../ports/hsm.js'
import type { Connection } from '../connection.js'
import { failureText } from '../errors.js'
import type { Materials } from '../materials.js'
import { importFacts } from './facts.js'
import { InHsmImport } from './in-hsm.js'
import { InProcessImport } from './in-process.js'
import type { Trier } from './proof.js'
import type { ImportWay } from './way.js'

export interface ImportParts {
  readonly connection: Connection
  readonly materials: Materials
  /** The driver, to try what was imported. */
  readonly driver: Trier
}

/** Key material that comes from outside, by the way that the profile has for it. As ports/hsm.ts says it. */
export class Imports {
  private readonly parts: ImportParts
  private readonly inProcess: ImportWay
  private readonly inHsm: ImportWay

  constructor(parts: ImportParts) {
    this.parts = parts
    this.inProcess = new InProcessImport(parts.connection, parts.driver)
    this.inHsm = new InHsmImport(parts.connection)
  }

  inspectImport(material: Material, wrapped: WrappedMaterial): InspectedImport {
    const way = this.wayFor(material)
    return this.parts.connection.once('inspecting key material', () => ({ way: way.way, fingerprint: way.fingerprint(material, wrapped) }))
  }

  /** Not repeated after a failure: the objects may exist. */
  importMaterial(given: Material, wrapped: WrappedMaterial): readonly Evidence[] {
    const material: Material = { ...given, imported: true }
    let evidence: readonly Evidence[] = []
    this.parts.connection.once('importing key material', () => {
      this.wayFor(material).making(material, wrapped, (objects, prove) => {
        evidence = this.parts.materials.create(material, objects)
        this.requireProved(material, prove)
      })
    })
    return evidence
  }

  private requireProved(material: Material, prove: () => void): void {
    try {
      prove()
    } catch (error) {
      this.discard(material)
      throw error
    }
  }

  private discard(material: Material): void {
    try {
      this.parts.materials.destroy(material)
    } catch (error) {
      const fields = { material: material.name, failure: failureText(error) }
      this.parts.connection.log.error('refused key material could not be destroyed', fields)
    }
  }

  private wayFor({ kind }: Material): ImportWay {
    const { import: way } = this.parts.connection.profile
    const isSecret = importFacts(kind).form === 'secret'
    if (way === 'process') return this.inProcess
    if (way === 'hsm' || (way === 'hsm-secrets' && isSecret)) return this.inHsm
    throw new HsmError('unsupported', `this token takes no key material of kind ${kind} from outside`)
  }
}
