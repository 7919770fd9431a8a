import { contract, type Members } from '../shape.js'
import { arn, document, ofAccount, requiredArn } from './structures.js'

export const evalDecision = ['allowed', 'explicitDeny', 'implicitDeny'] as const

export const contextEntry = {
  ContextKeyName: { type: 'string', required: true, min: 5, max: 256 },
  ContextKeyValues: { type: 'list', required: true, of: { type: 'string' }, max: 100 },
} as const satisfies Members

/** One condition of a statement, and what the call had. */
const condition = {
  Operator: { type: 'string' },
  Key: { type: 'string' },
  /** As in the policy. */
  Values: { type: 'list', of: { type: 'string' } },
  /** Absent: the call has none. */
  Seen: { type: 'list', of: { type: 'string' } },
  Holds: { type: 'boolean' },
} as const satisfies Members

const statement = {
  /** `resource policy`, `identity policy`, `permissions boundary` or `session policy`. */
  PolicyType: { type: 'string' },
  PolicyName: { type: 'string' },
  Statement: { type: 'string' },
  Effect: { type: 'string' },
  Applies: { type: 'boolean' },
  /** How it names the caller; absent where it does not, and in policies that are about nobody else. */
  NamesCallerAs: { type: 'string' },
  PrincipalFits: { type: 'boolean' },
  ActionFits: { type: 'boolean' },
  ResourceFits: { type: 'boolean' },
  Conditions: { type: 'list', of: { type: 'structure', members: condition } },
  /** Policy variables that the call has no value for: the statement applies to nothing without them. */
  MissingVariables: { type: 'list', of: { type: 'string' } },
} as const satisfies Members

/** What policies and grants say of a call that is not made. */
export const explainDecision = contract({
  name: 'ExplainDecision',
  input: {
    ...ofAccount,
    /** A user, a role, or a session of a role. */
    PrincipalArn: requiredArn,
    Action: { type: 'string', required: true, min: 3, max: 128, pattern: '[a-z0-9-]+:[A-Za-z0-9]+' },
    /** As in the call. Absent for actions that are about no key. */
    KeyId: { type: 'string', min: 1, max: 2048 },
    /** Of an action that is about no key; otherwise *. */
    ResourceArn: arn,
    Region: { type: 'string', min: 1, max: 64 },
    EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    ContextEntries: { type: 'list', of: { type: 'structure', members: contextEntry }, max: 100 },
    SessionPolicy: document,
  },
  output: {
    EvalDecision: { type: 'enum', values: evalDecision },
    /** What has decided: a kind of policy, a grant or the service. */
    DecidedBy: { type: 'string' },
    /** Its name; of a grant its id. */
    PolicyName: { type: 'string' },
    Statement: { type: 'string' },
    /** Of two that allow only together, the second. */
    AndPolicyName: { type: 'string' },
    AndStatement: { type: 'string' },
    /** What the caller would be answered instead. */
    ErrorCode: { type: 'string' },
    ErrorMessage: { type: 'string' },
    /** Of an allowed call that waits for others: the rule of dual control, and how many approvals it takes. */
    ApprovalRule: { type: 'string' },
    ApprovalsNeeded: { type: 'integer' },
    Statements: { type: 'list', of: { type: 'structure', members: statement } },
    /** Whether the policy of the key is among them: it is shown to who may read it. */
    KeyPolicyShown: { type: 'boolean' },
    /** There is no such key, which a call of who asks would be told, too. */
    KeyNotFound: { type: 'boolean' },
    /** Of the trust policy of a role: it is shown to who may get the role. */
    TrustPolicyShown: { type: 'boolean' },
    IsTruncated: { type: 'boolean' },
  },
  errors: ['InvalidArnException', 'MalformedPolicyDocumentException', 'NoSuchEntityException', 'NotFoundException'],
})
