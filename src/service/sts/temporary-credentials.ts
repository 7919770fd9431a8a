import { tokenCharactersMax, type NewSession, type SessionClaims } from './session-tokens.js'

/** On a whole second, as it is shown. */
export function endOf(now: number, seconds: number): number {
  return (Math.floor(now / 1000) + seconds) * 1000
}

/** As the API shows them. */
export function credentialsOf({ accessKeyId, secretAccessKey, sessionToken }: NewSession, { expiresAt }: Pick<SessionClaims, 'expiresAt'>) {
  return {
    SessionTokenSize: sessionToken.length,
    SessionTokenUtilization: Math.ceil(100 * sessionToken.length / tokenCharactersMax),
    Credentials: {
      AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken, Expiration: new Date(expiresAt),
    },
  }
}
