import { readFileSync } from 'node:fs'
import { certificatesIn, nitroAttestation } from '../adapters/nitro/attestation.js'
import type { Config } from '../config.js'
import type { Attestation } from '../ports/attestation.js'

/** Without a root no attestation document can be verified. */
export function attestationOf({ attestation: { roots } }: Config): Attestation | undefined {
  return roots.length > 0 ? nitroAttestation(roots.flatMap(file => certificatesIn(readFileSync(file, 'utf8')))) : undefined
}
