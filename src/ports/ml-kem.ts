export type MlKemSet = 512 | 768 | 1024

/** ML-KEM (FIPS 203) outside the HSM, for data key pairs: their private halves are made to leave it. */
export interface MlKem {
  /** The encapsulation key of a seed `d‖z` of 64 bytes (ML-KEM.KeyGen_internal). The caller still owns the seed. */
  publicKey(set: MlKemSet, seed: Uint8Array): Promise<Uint8Array>
}
