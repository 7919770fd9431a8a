import { contract } from '../shape.js'
import {
  arn, description, entityName, groupName, ofAccount, ofPage, pageEnd, path, pathPrefix, policy, policyDetail, requiredArn, requiredDocument,
  requiredPolicyName,
} from './structures.js'

/** `AWS`: those that every account has. */
export const policyScope = ['All', 'AWS', 'Local'] as const

/** Exactly one of them. */
const ofHolder = { ...ofAccount, UserName: entityName, GroupName: groupName, RoleName: entityName } as const
/** Exactly one of them. */
const ofPrincipal = { ...ofAccount, UserName: entityName, RoleName: entityName } as const

export const createPolicy = contract({
  name: 'CreatePolicy',
  input: {
    ...ofAccount, PolicyName: requiredPolicyName, PolicyDocument: requiredDocument, Path: { ...path, default: '/' },
    Description: { ...description, default: '' },
  },
  output: { Policy: { type: 'structure', members: policy } },
  errors: ['EntityAlreadyExistsException', 'LimitExceededException', 'MalformedPolicyDocumentException', 'NoSuchEntityException'],
})

export const getPolicy = contract({
  name: 'GetPolicy',
  input: { ...ofAccount, PolicyArn: requiredArn },
  output: { Policy: { type: 'structure', members: policyDetail } },
  errors: ['InvalidArnException', 'NoSuchEntityException'],
})

export const listPolicies = contract({
  name: 'ListPolicies',
  input: {
    ...ofAccount, Scope: { type: 'enum', values: policyScope, default: 'All' }, PathPrefix: { ...pathPrefix, default: '/' }, ...ofPage,
  },
  output: { Policies: { type: 'list', of: { type: 'structure', members: policy } }, ...pageEnd },
  errors: ['InvalidMarkerException', 'NoSuchEntityException'],
})

/** Replaces the document: there is one version of a policy. */
export const updatePolicy = contract({
  name: 'UpdatePolicy',
  input: { ...ofAccount, PolicyArn: requiredArn, PolicyDocument: requiredDocument },
  output: { Policy: { type: 'structure', members: policy } },
  errors: ['InvalidArnException', 'LimitExceededException', 'MalformedPolicyDocumentException', 'NoSuchEntityException'],
})

export const deletePolicy = contract({
  name: 'DeletePolicy',
  input: { ...ofAccount, PolicyArn: requiredArn },
  output: null,
  errors: ['DeleteConflictException', 'InvalidArnException', 'NoSuchEntityException'],
})

export const attachPolicy = contract({
  name: 'AttachPolicy',
  input: { ...ofHolder, PolicyArn: requiredArn },
  output: null,
  errors: ['InvalidArnException', 'LimitExceededException', 'NoSuchEntityException'],
})

export const detachPolicy = contract({
  name: 'DetachPolicy',
  input: { ...ofHolder, PolicyArn: requiredArn },
  output: null,
  errors: ['ConflictException', 'InvalidArnException', 'NoSuchEntityException'],
})

export const putInlinePolicy = contract({
  name: 'PutInlinePolicy',
  input: { ...ofHolder, PolicyName: requiredPolicyName, PolicyDocument: requiredDocument },
  output: null,
  errors: ['ConflictException', 'LimitExceededException', 'MalformedPolicyDocumentException', 'NoSuchEntityException'],
})

export const deleteInlinePolicy = contract({
  name: 'DeleteInlinePolicy',
  input: { ...ofHolder, PolicyName: requiredPolicyName },
  output: null,
  errors: ['ConflictException', 'NoSuchEntityException'],
})

export const putPermissionsBoundary = contract({
  name: 'PutPermissionsBoundary',
  input: { ...ofPrincipal, PermissionsBoundary: { ...arn, required: true } },
  output: null,
  errors: ['ConflictException', 'InvalidArnException', 'NoSuchEntityException'],
})

export const deletePermissionsBoundary = contract({
  name: 'DeletePermissionsBoundary',
  input: { ...ofPrincipal },
  output: null,
  errors: ['NoSuchEntityException'],
})
