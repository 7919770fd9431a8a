import { contract } from '../shape.js'
import { entityName, ofAccount, tag } from './structures.js'

/** Exactly one of the two names. */
const ofPrincipal = { ...ofAccount, UserName: entityName, RoleName: entityName } as const

export const tagPrincipal = contract({
  name: 'TagPrincipal',
  input: { ...ofPrincipal, Tags: { type: 'list', required: true, of: { type: 'structure', members: tag }, max: 50 } },
  output: null,
  errors: ['ConflictException', 'LimitExceededException', 'NoSuchEntityException'],
})

export const untagPrincipal = contract({
  name: 'UntagPrincipal',
  input: { ...ofPrincipal, TagKeys: { type: 'list', required: true, of: { type: 'string', min: 1, max: 128 }, max: 50 } },
  output: null,
  errors: ['ConflictException', 'NoSuchEntityException'],
})
