import { KmsError } from '../../domain/errors.js'
import { identityQuotas } from '../../domain/identity.js'
import type { PolicyDocument } from '../../domain/policy/document.js'
import { parsePolicy } from '../../domain/policy/parse.js'
import { documentCharacters } from '../../domain/policy/size.js'

/* Documents that a call brings, read and held against the quotas: MalformedPolicyDocumentException, LimitExceededException. */

export function checkManaged(text: string): void {
  parsePolicy(text, 'identity')
  refuseOver(documentCharacters(text), identityQuotas.managedPolicyCharacters, 'A managed policy')
}

export function readTrust(text: string): PolicyDocument {
  const document = parsePolicy(text, 'trust')
  refuseOver(documentCharacters(text), identityQuotas.trustPolicyCharacters, 'A trust policy')
  return document
}

export function checkInline(text: string): void {
  parsePolicy(text, 'identity')
}

/** All inline policies of one user, group or role together. */
export function checkInlineTotal(kind: keyof typeof identityQuotas.inlineCharacters, policies: Readonly<Record<string, string>>): void {
  const characters = Object.values(policies).reduce((sum, text) => sum + documentCharacters(text), 0)
  refuseOver(characters, identityQuotas.inlineCharacters[kind], `The inline policies of a ${kind} together`)
}

function refuseOver(characters: number, max: number, what: string): void {
  if (characters <= max) return
  throw new KmsError('LimitExceededException', `${what} can have at most ${max} characters beside white space, not ${characters}`)
}
