import { getCurves } from 'node:crypto'
import type { dataKeyPairSpec } from '../../api/enums.js'
import { KmsError } from '../../domain/errors.js'
import type { MlKem } from '../../ports/ml-kem.js'
import { makeEcKeyPair, makeEd25519KeyPair } from './curves.js'
import type { KeyPair, RandomBytes } from './key-pair.js'
import { makeMlKemKeyPair } from './ml-kem.js'
import { Queue } from './queue.js'
import { makeRsaKeyPair } from './rsa.js'

export type KeyPairSpec = (typeof dataKeyPairSpec)[number]

type Maker = (random: RandomBytes) => Promise<KeyPair>

/** Each keeps about one core busy; libuv has four threads, and the database and the audit log need theirs. */
export const rsaAtOnceMax = 2
export const rsaWaitingMax = 16

/**
 * Data key pairs: made in this process, because they are for use outside the HSM, from nothing but random bytes of the HSM. PKCS#11 can
 * make a key pair that may leave its token, but how it leaves differs from token to token, and many refuse.
 */
export class KeyPairs {
  readonly #makers: Readonly<Record<KeyPairSpec, Maker | undefined>>

  constructor(mlKem: MlKem) {
    const queue = new Queue({ atOnceMax: rsaAtOnceMax, waitingMax: rsaWaitingMax })
    const rsa = (bits: 2048 | 3072 | 4096): Maker => random => queue.run(() => makeRsaKeyPair(bits, random))
    this.#makers = {
      RSA_2048: rsa(2048),
      RSA_3072: rsa(3072),
      RSA_4096: rsa(4096),
      ECC_NIST_P256: random => makeEcKeyPair('p256', random),
      ECC_NIST_P384: random => makeEcKeyPair('p384', random),
      ECC_NIST_P521: random => makeEcKeyPair('p521', random),
      ECC_SECG_P256K1: random => makeEcKeyPair('secp256k1', random),
      ECC_NIST_EDWARDS25519: makeEd25519KeyPair,
      ML_KEM_512: random => makeMlKemKeyPair(512, mlKem, random),
      ML_KEM_768: random => makeMlKemKeyPair(768, mlKem, random),
      ML_KEM_1024: random => makeMlKemKeyPair(1024, mlKem, random),
      // Distributions build OpenSSL without it.
      SM2: getCurves().includes('SM2') ? random => makeEcKeyPair('sm2', random) : undefined,
    }
  }

  /** Throws UnsupportedOperationException for a spec that cannot be made here. */
  checkSpec(spec: KeyPairSpec): void {
    this.#makerOf(spec)
  }

  /** The caller overwrites the private half. Throws ThrottlingException when too many RSA key pairs are being made already. */
  async make(spec: KeyPairSpec, random: RandomBytes): Promise<KeyPair> {
    return this.#makerOf(spec)(random)
  }

  #makerOf(spec: KeyPairSpec): Maker {
    const maker = this.#makers[spec]
    if (!maker) throw new KmsError('UnsupportedOperationException', `KeyPairSpec ${spec} is not supported by this server.`)
    return maker
  }
}
