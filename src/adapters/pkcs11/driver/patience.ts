import type { Profile, RecoveryStep } from '../profiles/profile.js'

/** Before a call is made again on a device that says it is busy: 50 ms in all. */
export const busyPausesMs: readonly number[] = [2, 6, 14, 28]

const nobodyWakes = new Int32Array(new SharedArrayBuffer(4))

/** The driver is synchronous, and so are its pauses: the thread stands still. */
export function pause(milliseconds: number): void {
  Atomics.wait(nobodyWakes, 0, 0, milliseconds)
}

/** What is still left to try for one call. */
export class Patience {
  private readonly steps: RecoveryStep[]
  private readonly pausesMs = [...busyPausesMs]
  private readonly mayLogInAgain: boolean
  private lookedUp = false
  private doubtedLogin = false

  constructor({ recover }: Profile) {
    this.steps = [...recover]
    this.mayLogInAgain = recover.includes('login-again')
  }

  /** false when there were pauses enough. */
  wait(): boolean {
    const milliseconds = this.pausesMs.shift()
    if (milliseconds === undefined) return false
    pause(milliseconds)
    return true
  }

  nextStep(): RecoveryStep | undefined {
    return this.steps.shift()
  }

  /** true the first time. */
  mayLookUp(): boolean {
    const first = !this.lookedUp
    this.lookedUp = true
    return first
  }

  /** true the first time, where the profile has that step. */
  mayDoubtLogin(): boolean {
    const first = !this.doubtedLogin
    this.doubtedLogin = true
    return first && this.mayLogInAgain
  }
}
