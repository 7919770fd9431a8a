import type { explainDecision } from '../../api/iam/decisions.js'
import type { Input, Members } from '../../api/shape.js'
import { KmsError } from '../../domain/errors.js'
import type { GrantUse } from '../../domain/grant.js'
import { foldCase } from '../../domain/policy/fold-case.js'
import type { ContextValue, RequestKeys } from '../../domain/policy/request.js'
import { operations } from '../operations.js'
import { needsKeys, type KeyNeed, type Operation } from '../operation.js'
import { roleNamed } from '../sts/assumption.js'

export type ExplainInput = Input<typeof explainDecision>

/** An action that the service knows, and the operation that asks for it. */
interface KnownAction { readonly action: string, readonly operation: Operation }

/** Of ReEncrypt, which has no action of its own name. */
const ofReEncrypt = ['kms:ReEncryptFrom', 'kms:ReEncryptTo']

const known = new Map([...operations.values()].flatMap((operation): readonly KnownAction[] => {
  const actions = operation.name === 'ReEncrypt' ? ofReEncrypt : [`kms:${operation.name}`]
  return actions.map(action => ({ action, operation }))
}).map(one => [one.action.toLowerCase(), one]))

const ofWebIdentity = 'sts:AssumeRoleWithWebIdentity'
/** What the trust policy of a role decides, of whom nobody but this installation vouches for. */
const onRoles = new Map(['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'].map(action => [action.toLowerCase(), action]))

/** The call that is thought of. `operation`: undefined for actions of other services than KMS, which are about no key. */
export interface ExplainedCall {
  readonly action: string
  readonly operation: Operation | undefined
  readonly need: KeyNeed | undefined
  /** ARN of the role that is to be assumed. */
  readonly role: string | undefined
  readonly input: Readonly<Record<string, unknown>>
  readonly given: RequestKeys
}

/** Throws ValidationException for what cannot be asked. */
export function explainedCall(input: ExplainInput): ExplainedCall {
  const { Action: asked, KeyId: ref, ResourceArn: resource, EncryptionContext: context } = input
  const found = known.get(asked.toLowerCase())
  if (!found && asked.toLowerCase().startsWith('kms:')) throw invalid(`There is no action ${asked}.`)
  const onRole = onRoles.get(asked.toLowerCase())
  const { action, operation } = found ?? { action: onRole ?? asked, operation: undefined }
  if (operation?.name === 'RetireGrant') throw invalid(`${action} is decided by the grant that the call names.`)
  if (asked.toLowerCase() === ofWebIdentity.toLowerCase()) {
    throw invalid(`${ofWebIdentity} is decided for whom an identity provider vouches for, and not for a user or role.`)
  }
  if (onRole && resource === undefined) throw invalid(`${action} is asked of a role: name it with ResourceArn.`)
  const isOnKey = operation !== undefined && needsKeys(operation)
  if (isOnKey && (ref === undefined || resource !== undefined)) throw invalid(`${action} is asked of a key: name it with KeyId.`)
  if (!isOnKey && ref !== undefined) throw invalid(`${action} is not asked of a key: leave KeyId out.`)
  if (context && !takesContext(operation)) throw invalid(`A call for ${action} has no encryption context.`)
  const given = givenKeys(input)
  if (onRole && resource !== undefined) roleNamed(resource)
  return {
    action, operation, given, role: onRole && resource, input: operation ? defaultsOf(operation.contract.input) : {},
    need: isOnKey && ref !== undefined ? {
      ref, action, state: 'read', aliases: true, ...context && { context }, ...childOf(operation, context, given),
    } : undefined,
  }
}

function takesContext(operation: Operation | undefined): boolean {
  if (!operation) return false
  return operation.name === 'CreateGrant' || Object.keys(operation.contract.input).some(name => name.endsWith('EncryptionContext'))
}

function givenKeys({ ContextEntries: entries = [] }: ExplainInput): RequestKeys {
  return new Map(entries.map(({ ContextKeyName: name, ContextKeyValues: values }): [string, ContextValue] => {
    if (!/^[^\s:]+:\S/.test(name)) throw invalid(`${JSON.stringify(name)} is not the name of a condition key.`)
    const [only] = values
    return [foldCase(name), values.length === 1 && only !== undefined ? only : values]
  }))
}

/** What a CreateGrant is to grant, which a grant that allows it must cover. */
function childOf(
  operation: Operation, context: Readonly<Record<string, string>> | undefined, given: RequestKeys,
): { readonly child?: NonNullable<GrantUse['child']> } {
  if (operation.name !== 'CreateGrant') return {}
  const granted = given.get('kms:grantoperations') ?? []
  const type = given.get('kms:grantconstrainttype') === 'EncryptionContextSubset' ? 'EncryptionContextSubset' : 'EncryptionContextEquals'
  return { child: { operations: typeof granted === 'string' ? [granted] : granted, ...context && { constraints: { [type]: context } } } }
}

function defaultsOf(members: Members): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).flatMap(([name, shape]) => 'default' in shape ? [[name, shape.default]] : []))
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
