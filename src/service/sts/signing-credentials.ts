import type { AccessKeys, Credential } from '../credentials.js'
import { isSessionKeyId } from './session-tokens.js'
import type { Sessions } from './sessions.js'

/** All that calls are signed with: the access keys of users, and the credentials of sessions. */
export class SigningCredentials {
  readonly #accessKeys: AccessKeys
  readonly #sessions: Sessions

  constructor(accessKeys: AccessKeys, sessions: Sessions) {
    this.#accessKeys = accessKeys
    this.#sessions = sessions
  }

  /**
   * undefined for what does not exist or is not active; the same object for as long as nothing about it changed. Throws
   * ExpiredTokenException for a session that has ended. A token with a long-term access key is ignored.
   */
  async lookup(accessKeyId: string, sessionToken?: string): Promise<Credential | undefined> {
    return isSessionKeyId(accessKeyId) ? this.#sessions.lookup(accessKeyId, sessionToken) : this.#accessKeys.lookup(accessKeyId)
  }

  /** Whether `lookup` would answer from memory. */
  knows(accessKeyId: string, sessionToken?: string): boolean {
    return isSessionKeyId(accessKeyId) ? this.#sessions.knows(sessionToken) : this.#accessKeys.knows(accessKeyId)
  }
}
