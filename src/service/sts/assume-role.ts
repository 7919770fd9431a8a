import { assumeRole as contract } from '../../api/sts.js'
import type { Input } from '../../api/shape.js'
import { KmsError } from '../../domain/errors.js'
import { onAccount } from '../operation.js'
import { assume, checkWanted, type Wanted } from './assumption.js'
import { refuseMfa } from './mfa.js'

export const assumeRole = onAccount(contract, {
  service: 'sts',
  // Who may is the role's to say (Access.requireRole).
  permissions: () => [],
  check(input) {
    refuseMfa(input)
    if (input.ProvidedContexts && input.ProvidedContexts.length > 0) {
      throw new KmsError('ValidationException', 'ProvidedContexts are not supported.')
    }
    checkWanted(wantedOf(input))
  },
  run: (call, services) => assume(wantedOf(call.input), call, services),
})

function wantedOf(input: Input<typeof contract>): Wanted {
  return {
    action: 'sts:AssumeRole', input, externalId: input.ExternalId, sourceIdentity: input.SourceIdentity,
    tags: (input.Tags ?? []).map(({ Key: key, Value: value }) => ({ key, value })),
    transitiveTagKeys: input.TransitiveTagKeys ?? [],
  }
}
