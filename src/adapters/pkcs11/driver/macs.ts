import { timingSafeEqual } from 'node:crypto'
import type { Handle } from 'pkcs11js'
import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { Connection } from './connection.js'
import type { Doubt } from './doubt.js'
import { hashes, type HashName } from './numbers.js'
import { signWith, view } from './operations.js'
import { wrongKind } from './requirements.js'

/** HMAC under keys of the kinds `hmac-sha-*`. */
export class Macs {
  private readonly connection: Connection
  private readonly doubt: Doubt

  constructor(connection: Connection, doubt: Doubt) {
    this.connection = connection
    this.doubt = doubt
  }

  mac(material: Material, data: Uint8Array): Uint8Array {
    const { bytes, hmac: mechanism } = hashes[hashOf(material)]
    const { lib, profile } = this.connection
    // The KMS API lets clients ask for more than some tokens take.
    if (data.length > profile.macBytesMax) {
      throw new HsmError('unsupported', `this token makes MACs of at most ${profile.macBytesMax} bytes`)
    }
    const text = view(data)
    const once = (): Buffer => {
      return signWith(lib, this.connection.session(), { mechanism }, this.connection.handles(material)[0] as Handle, text, bytes)
    }
    return this.connection.repeatable('making a MAC', () => {
      const tag = once()
      if (!this.doubt.confirmed(() => timingSafeEqual(tag, once()))) throw this.doubt.twoAnswers('one text had two MACs', material)
      return tag
    }, material)
  }
}

function hashOf(material: Material): HashName {
  const bits = /^hmac-sha-(\d+)$/.exec(material.kind)?.[1]
  if (bits === undefined) throw wrongKind(material, 'makes no MACs')
  return `sha${bits}` as HashName
}
