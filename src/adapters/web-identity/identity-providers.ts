import { compactVerify, errors, type CompactVerifyGetKey } from 'jose'
import { invalidToken, type TrustedIssuer } from '../../domain/web-identity.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { IdentityProviders } from '../../ports/web-identity.js'
import { IssuerKeys } from './issuer-keys.js'
import type { KeySource } from './key-source.js'

export interface IssuerWithKeys extends TrustedIssuer { readonly keys: KeySource }

interface Known { readonly issuer: TrustedIssuer, readonly keys: IssuerKeys }

export function identityProviders(issuers: readonly IssuerWithKeys[], { clock, log }: { clock: Clock, log: Log }): IdentityProviders {
  const known = new Map(issuers.map(({ keys, ...issuer }): readonly [string, Known] =>
    [issuer.issuer, { issuer, keys: new IssuerKeys(issuer.issuer, keys, clock, log) }]))
  return {
    issuer: name => known.get(name)?.issuer,
    async verifiedPayload({ issuer }, token) {
      const one = known.get(issuer)
      if (!one) throw new Error(`there is no issuer ${issuer}`)
      return verifiedPayload(one, token, log)
    },
  }
}

async function verifiedPayload({ issuer, keys }: Known, token: string, log: Log): Promise<Uint8Array> {
  const verify = async (by: CompactVerifyGetKey) => (await compactVerify(token, by, { algorithms: [...issuer.algorithms] })).payload
  const current = await keys.current()
  try {
    return await verify(current)
  } catch (error) {
    // The provider may have a new one.
    const newer = error instanceof errors.JWKSNoMatchingKey ? await keys.newer(current) : undefined
    if (!newer) throw refusalOf(error, issuer, log)
    return verify(newer).catch((again: unknown) => { throw refusalOf(again, issuer, log) })
  }
}

const noKey = 'Couldn\'t retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity '
  + 'documentation for requirements'

/** What is wrong with a token, and with nothing that the operator could look after. */
const faultsOfToken = [
  errors.JWSInvalid, errors.JWSSignatureVerificationFailed, errors.JOSEAlgNotAllowed, errors.JOSENotSupported,
]

function refusalOf(error: unknown, { issuer }: TrustedIssuer, log: Log): Error {
  if (faultsOfToken.some(fault => error instanceof fault)) return invalidToken('The signature of the ID Token is not valid', error)
  const isKnown = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
  // A key that is too short, that is none at all, or a private one: jose and Web Cryptography have many names for that.
  if (!isKnown) log.warn('a key of an identity provider cannot be used', { issuer, error })
  return invalidToken(noKey, error)
}
