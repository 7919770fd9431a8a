import { contract } from '../shape.js'
import {
  account, arn, groupDetail, newAccessKey, ofAccount, ofPage, pageEnd, policyDetail, roleDetail, user, userDetail,
} from './structures.js'

export const entityType = ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'] as const

export const createAccount = contract({
  name: 'CreateAccount',
  input: {
    AccountName: { type: 'string', required: true, min: 1, max: 50, pattern: '[\\u0020-\\u007E]+' },
    AccountId: ofAccount.AccountId,
  },
  output: {
    Account: { type: 'structure', members: account },
    User: { type: 'structure', members: user },
    AccessKey: { type: 'structure', members: newAccessKey },
  },
  errors: ['EntityAlreadyExistsException', 'LimitExceededException'],
})

export const listAccounts = contract({
  name: 'ListAccounts',
  input: { ...ofPage },
  output: {
    Accounts: { type: 'list', of: { type: 'structure', members: account } },
    ...pageEnd,
  },
  errors: ['InvalidMarkerException'],
})

export const getAccountAuthorizationDetails = contract({
  name: 'GetAccountAuthorizationDetails',
  input: {
    ...ofAccount,
    Filter: { type: 'list', of: { type: 'enum', values: entityType } },
    ...ofPage,
  },
  output: {
    UserDetailList: { type: 'list', of: { type: 'structure', members: userDetail } },
    GroupDetailList: { type: 'list', of: { type: 'structure', members: groupDetail } },
    RoleDetailList: { type: 'list', of: { type: 'structure', members: roleDetail } },
    Policies: { type: 'list', of: { type: 'structure', members: policyDetail } },
    CallerArn: arn,
    ...pageEnd,
  },
  errors: ['InvalidMarkerException', 'NoSuchEntityException'],
})
