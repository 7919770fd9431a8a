import { join } from 'node:path'
import type { Checkpoint } from '../../domain/audit-chain.js'
import { type LogChain, type Verification, verify } from '../../domain/audit-verify.js'
import { readLines } from './lines.js'
import { fingerprint, type PublicKey, readPublicKeys, signatureCheck } from './public-keys.js'
import { type ChainSegments, listChains } from './segments.js'

export interface VerifyOptions {
  /** By root version. Without them the keys in the directory are believed, so compare their fingerprints with the HSM's. */
  readonly publicKeys?: ReadonlyMap<number, PublicKey>
  /** Checkpoints kept elsewhere, read before this call: records of a running process must not come in between. */
  readonly checkpoints?: readonly Checkpoint[]
}

export interface DirectoryVerification extends Verification {
  readonly keys: readonly { readonly rootVersion: number, readonly fingerprint: string, readonly from: 'caller' | 'directory' }[]
}

/** Verifies all chains of a directory, also while processes write to it. Writes nothing. */
export async function verifyDirectory(directory: string, options: VerifyOptions = {}): Promise<DirectoryVerification> {
  const publicKeys = options.publicKeys ?? await readPublicKeys(directory)
  const chains = (await listChains(directory)).map(chain => logChain(directory, chain))
  const result = await verify({ chains, checkSignature: signatureCheck(publicKeys), stored: options.checkpoints ?? [] })
  const from = options.publicKeys ? 'caller' : 'directory'
  return { ...result, keys: Array.from(publicKeys, ([rootVersion, key]) => ({ rootVersion, fingerprint: fingerprint(key), from })) }
}

function logChain(directory: string, { chain, segments }: ChainSegments): LogChain {
  return {
    chain,
    segments: segments.map(({ file, number }) => ({ file, number, lines: () => readLines(join(directory, file)) })),
  }
}
