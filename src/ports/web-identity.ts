import type { TrustedIssuer } from '../domain/web-identity.js'

/** The identity providers that are configured, and their keys. */
export interface IdentityProviders {
  /** By the claim `iss`, to the letter. */
  issuer(name: string): TrustedIssuer | undefined
  /**
   * The payload of a JWT in compact form, if its signature is by a key of that issuer and with an algorithm that the issuer may use.
   * Nothing in the token is taken for a key or for the place of one. Throws KmsError: InvalidIdentityTokenException, and
   * IDPCommunicationErrorException when there is no way to know its keys at the moment.
   */
  verifiedPayload(issuer: TrustedIssuer, token: string): Promise<Uint8Array>
}
