import { contextTag, der, derBitString, derOid, derSequence, encodeDer } from '../../domain/der.js'
import { objectIds } from '../../domain/object-ids.js'
import type { MlKem, MlKemSet } from '../../ports/ml-kem.js'
import { privateKeyInfo, type KeyPair, type RandomBytes } from './key-pair.js'

const seedBytes = 64

/** RFC 9935: the private key in its seed form, `[0] IMPLICIT OCTET STRING` of `d‖z`, from which everything else is expanded. */
export async function makeMlKemKeyPair(set: MlKemSet, mlKem: MlKem, random: RandomBytes): Promise<KeyPair> {
  const algorithm = derSequence(derOid(objectIds[`ml-kem-${set}`]))
  const seed = await random(seedBytes)
  try {
    const publicKey = encodeDer(derSequence(algorithm, derBitString(await mlKem.publicKey(set, seed))))
    return { privateKey: privateKeyInfo(algorithm, der(contextTag(0, 'primitive'), seed)), publicKey }
  } finally {
    seed.fill(0)
  }
}
