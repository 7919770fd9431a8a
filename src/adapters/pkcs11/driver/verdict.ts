import { HsmError } from '../../../ports/hsm.js'

/** So long a verdict on the device holds: anybody with bad bytes could otherwise keep it busy with our own good ones. */
const verdictMs = 200

/**
 * Where a token has one return value for bytes that are bad and for a device that fails, something of our own is done, which must work on a
 * device that works.
 */
export class Verdict {
  private at = -Infinity
  private works = true

  /** Returns if the device works, so that the client's bytes are to blame; throws `error` if the device just failed again. */
  requireWorking(error: unknown, tries: () => boolean): void {
    const now = performance.now()
    if (now - this.at < verdictMs) {
      // This session may be another one than the verdict was about, and is not given up for what may be bad bytes.
      if (!this.works) throw new HsmError('lost', 'the HSM failed a moment ago')
      return
    }
    this.at = now
    this.works = succeeds(tries)
    if (!this.works) throw error
  }
}

export function succeeds(tries: () => boolean): boolean {
  try {
    return tries()
  } catch {
    return false
  }
}
