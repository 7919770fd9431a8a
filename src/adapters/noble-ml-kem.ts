import { ml_kem512 as mlKem512, ml_kem768 as mlKem768, ml_kem1024 as mlKem1024 } from '@noble/post-quantum/ml-kem.js'
import type { MlKem } from '../ports/ml-kem.js'

const sets = { 512: mlKem512, 768: mlKem768, 1024: mlKem1024 } as const

/** The OpenSSL of this Node.js has no ML-KEM. */
export const nobleMlKem: MlKem = {
  async publicKey(set, seed) {
    const { publicKey, secretKey } = sets[set].keygen(seed)
    secretKey.fill(0)
    return publicKey
  },
}
