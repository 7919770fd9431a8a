import { KmsError } from '../../domain/errors.js'

/** Passing it over would be worse: policies ask whether there was one. */
export function refuseMfa(input: { readonly SerialNumber?: string, readonly TokenCode?: string }): void {
  if (input.SerialNumber === undefined && input.TokenCode === undefined) return
  throw new KmsError('ValidationException', 'MultiFactorAuthentication is not supported: SerialNumber and TokenCode cannot be used.')
}
