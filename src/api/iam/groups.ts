import { contract } from '../shape.js'
import { group, ofAccount, ofPage, pageEnd, path, pathPrefix, requiredGroupName, requiredName } from './structures.js'

export const createGroup = contract({
  name: 'CreateGroup',
  input: { ...ofAccount, GroupName: requiredGroupName, Path: { ...path, default: '/' } },
  output: { Group: { type: 'structure', members: group } },
  errors: ['EntityAlreadyExistsException', 'LimitExceededException', 'NoSuchEntityException'],
})

export const listGroups = contract({
  name: 'ListGroups',
  input: { ...ofAccount, PathPrefix: { ...pathPrefix, default: '/' }, ...ofPage },
  output: { Groups: { type: 'list', of: { type: 'structure', members: group } }, ...pageEnd },
  errors: ['InvalidMarkerException', 'NoSuchEntityException'],
})

export const deleteGroup = contract({
  name: 'DeleteGroup',
  input: { ...ofAccount, GroupName: requiredGroupName },
  output: null,
  errors: ['DeleteConflictException', 'NoSuchEntityException'],
})

export const addUserToGroup = contract({
  name: 'AddUserToGroup',
  input: { ...ofAccount, GroupName: requiredGroupName, UserName: requiredName },
  output: null,
  errors: ['LimitExceededException', 'NoSuchEntityException'],
})

export const removeUserFromGroup = contract({
  name: 'RemoveUserFromGroup',
  input: { ...ofAccount, GroupName: requiredGroupName, UserName: requiredName },
  output: null,
  errors: ['ConflictException', 'NoSuchEntityException'],
})
