import { contract } from '../shape.js'
import { arn, entityName, ofAccount, ofPage, pageEnd, path, pathPrefix, requiredName, tags, user, userDetail } from './structures.js'

export const createUser = contract({
  name: 'CreateUser',
  input: { ...ofAccount, UserName: requiredName, Path: { ...path, default: '/' }, PermissionsBoundary: arn, Tags: tags },
  output: { User: { type: 'structure', members: user } },
  errors: ['EntityAlreadyExistsException', 'LimitExceededException', 'NoSuchEntityException'],
})

export const getUser = contract({
  name: 'GetUser',
  input: { ...ofAccount, UserName: entityName },
  output: { User: { type: 'structure', members: userDetail } },
  errors: ['NoSuchEntityException'],
})

export const listUsers = contract({
  name: 'ListUsers',
  input: { ...ofAccount, PathPrefix: { ...pathPrefix, default: '/' }, ...ofPage },
  output: { Users: { type: 'list', of: { type: 'structure', members: user } }, ...pageEnd },
  errors: ['InvalidMarkerException', 'NoSuchEntityException'],
})

export const deleteUser = contract({
  name: 'DeleteUser',
  input: { ...ofAccount, UserName: requiredName },
  output: null,
  errors: ['DeleteConflictException', 'NoSuchEntityException'],
})
