import { contract } from '../shape.js'
import {
  accessKeyMetadata, accessKeyStatus, entityName, newAccessKey, ofAccount, ofPage, pageEnd, requiredAccessKeyId,
} from './structures.js'

/** Without UserName: those of the caller. */
const ofUser = { ...ofAccount, UserName: entityName } as const

export const createAccessKey = contract({
  name: 'CreateAccessKey',
  input: { ...ofUser },
  output: { AccessKey: { type: 'structure', members: newAccessKey } },
  errors: ['EntityAlreadyExistsException', 'LimitExceededException', 'NoSuchEntityException'],
})

export const listAccessKeys = contract({
  name: 'ListAccessKeys',
  input: { ...ofUser, ...ofPage },
  output: { AccessKeyMetadata: { type: 'list', of: { type: 'structure', members: accessKeyMetadata } }, ...pageEnd },
  errors: ['InvalidMarkerException', 'NoSuchEntityException'],
})

export const updateAccessKey = contract({
  name: 'UpdateAccessKey',
  input: { ...ofUser, AccessKeyId: requiredAccessKeyId, Status: { type: 'enum', values: accessKeyStatus, required: true } },
  output: null,
  errors: ['ConflictException', 'NoSuchEntityException'],
})

export const deleteAccessKey = contract({
  name: 'DeleteAccessKey',
  input: { ...ofUser, AccessKeyId: requiredAccessKeyId },
  output: null,
  errors: ['ConflictException', 'NoSuchEntityException'],
})
