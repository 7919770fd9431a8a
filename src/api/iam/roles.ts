import { contract } from '../shape.js'
import {
  arn, description, document, entityName, maxSessionDuration, ofAccount, ofPage, pageEnd, path, pathPrefix, requiredDocument, requiredName,
  role, roleDetail, tags,
} from './structures.js'

export const createRole = contract({
  name: 'CreateRole',
  input: {
    ...ofAccount,
    RoleName: requiredName,
    AssumeRolePolicyDocument: requiredDocument,
    Path: { ...path, default: '/' },
    Description: { ...description, default: '' },
    MaxSessionDuration: { ...maxSessionDuration, default: 3600 },
    PermissionsBoundary: arn,
    Tags: tags,
  },
  output: { Role: { type: 'structure', members: role } },
  errors: ['EntityAlreadyExistsException', 'LimitExceededException', 'MalformedPolicyDocumentException', 'NoSuchEntityException'],
})

export const getRole = contract({
  name: 'GetRole',
  input: { ...ofAccount, RoleName: requiredName },
  output: { Role: { type: 'structure', members: roleDetail } },
  errors: ['NoSuchEntityException'],
})

export const listRoles = contract({
  name: 'ListRoles',
  input: { ...ofAccount, PathPrefix: { ...pathPrefix, default: '/' }, ...ofPage },
  output: { Roles: { type: 'list', of: { type: 'structure', members: role } }, ...pageEnd },
  errors: ['InvalidMarkerException', 'NoSuchEntityException'],
})

/** What is left out stays as it is. */
export const updateRole = contract({
  name: 'UpdateRole',
  input: {
    ...ofAccount,
    RoleName: requiredName,
    AssumeRolePolicyDocument: document,
    Description: description,
    MaxSessionDuration: maxSessionDuration,
  },
  output: null,
  errors: ['LimitExceededException', 'MalformedPolicyDocumentException', 'NoSuchEntityException'],
})

export const deleteRole = contract({
  name: 'DeleteRole',
  input: { ...ofAccount, RoleName: requiredName },
  output: null,
  errors: ['DeleteConflictException', 'NoSuchEntityException'],
})

/** Sessions of this user or role that were issued until now are refused. Exactly one of the two names. */
export const revokeSessions = contract({
  name: 'RevokeSessions',
  input: { ...ofAccount, UserName: entityName, RoleName: entityName },
  output: { RevokedAt: { type: 'timestamp' } },
  errors: ['NoSuchEntityException'],
})
