import type { Evidence } from '../../../../domain/key.js'
import type { Material } from '../../../../domain/material.js'
import { HsmError, type InspectedImport, type WrappedMaterial } from '../../../../ports/hsm.js'
import type { Connection } from '../connection.js'
import { failureText } from '../errors.js'
import type { Materials } from '../materials.js'
import { importFacts } from './facts.js'
import { InHsmImport } from './in-hsm.js'
import { InProcessImport } from './in-process.js'
import { requireBelongTogether } from './proof.js'
import type { ImportWay } from './way.js'

export interface ImportParts {
  readonly connection: Connection
  readonly materials: Materials
  /** The driver's: SubjectPublicKeyInfo of a key pair in the token. */
  readonly publicKey: (material: Material) => Uint8Array
}

/** Key material that comes from outside, by the way that the profile has for it. As ports/hsm.ts says it. */
export class Imports {
  private readonly parts: ImportParts
  private readonly inProcess: ImportWay
  private readonly inHsm: ImportWay

  constructor(parts: ImportParts) {
    this.parts = parts
    this.inProcess = new InProcessImport(parts.connection)
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
      this.wayFor(material).making(material, wrapped, objects => { evidence = this.parts.materials.create(material, objects) })
    })
    if (importFacts(material.kind).form !== 'secret') this.tryPair(material)
    return evidence
  }

  private tryPair(material: Material): void {
    const { connection, publicKey } = this.parts
    try {
      requireBelongTogether(connection, material, publicKey(material))
    } catch (error) {
      this.discard(material)
      throw error
    }
  }

  private discard(material: Material): void {
    try {
      this.parts.materials.destroy(material)
    } catch (error) {
      this.parts.connection.log.error('a refused key pair could not be destroyed', { material: material.name, failure: failureText(error) })
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
