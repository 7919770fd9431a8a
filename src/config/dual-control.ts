import type { Members, Shape } from '../api/shape.js'
import { covers, type ApprovalRule } from '../domain/approval.js'
import { isAccountId, parsePrincipal } from '../domain/principal.js'
import { allOperations } from '../service/all-operations.js'
import type { Operation } from '../service/operation.js'
import type { Reader } from './reader.js'

const namePattern = /^[a-zA-Z0-9_-]{1,64}$/
const approversMax = 100
const hourMs = 3_600_000
const expiresHours = { min: 1, max: 720, default: 24 } as const
/** What decides about requests cannot be one. */
const deciding: ReadonlySet<string> = new Set(['ApproveRequest', 'RejectRequest'])

/** Rules of dual control: which operations need the approval of others, and of whom. None by default. */
export function readDualControl(reader: Reader): readonly ApprovalRule[] {
  const rules = reader.names('dualControl').flatMap(name => {
    const at = `dualControl.${name}`
    if (namePattern.test(name)) return [readRule(name, at, reader)]
    reader.skip(at, `"${name}" cannot name a rule of dualControl: 1 to 64 letters, digits, _ or -`)
    return []
  })
  for (const [at, rule] of rules.entries()) refuseOverlap(rule, rules.slice(at + 1), reader)
  return rules
}

function readRule(name: string, at: string, reader: Reader): ApprovalRule {
  const operations = reader.texts(`${at}.operations`) ?? []
  const approvers = reader.texts(`${at}.approvers`) ?? []
  const approvals = reader.integer(`${at}.approvals`, 1, approversMax)
  const accounts = reader.texts(`${at}.accounts`)
  const hours = reader.integer(`${at}.expiresHours`, expiresHours.min, expiresHours.max) ?? expiresHours.default
  if (operations.length === 0) reader.fault(`${at}.operations must name at least one operation`)
  for (const operation of operations) {
    const why = unfit(operation)
    if (why !== undefined) reader.fault(`${at}.operations: ${operation} ${why}`)
  }
  if (approvals === undefined) reader.fault(`${at}.approvals is missing`)
  else if (approvers.length < approvals) reader.fault(`${at}.approvers must be at least as many as ${at}.approvals`)
  if (approvers.length > approversMax) reader.fault(`${at}.approvers must be at most ${approversMax}`)
  if (new Set(approvers).size < approvers.length) reader.fault(`${at}.approvers names one of them twice`)
  for (const approver of approvers) {
    const kind = parsePrincipal(approver)?.kind
    if (kind !== 'user' && kind !== 'role') reader.fault(`${at}.approvers: "${approver}" is not the ARN of a user or role`)
  }
  for (const account of accounts ?? []) {
    if (!isAccountId(account)) reader.fault(`${at}.accounts: "${account}" is not the 12 digits of an account`)
  }
  return { name, operations, approvals: approvals ?? 1, approvers, ...accounts && { accounts }, expiresMs: hours * hourMs }
}

/** Why a call of it cannot wait; undefined if it can. */
function unfit(name: string): string | undefined {
  const operation = allOperations.get(name)
  if (!operation) return 'is not the name of an operation'
  if (deciding.has(name)) return 'is how requests are decided about'
  if (operation.readOnly) return 'changes nothing that could wait for approval'
  if (hasSecrets(operation)) return 'takes or gives secrets, which are not kept while they wait'
  const hasBytes = Object.values(operation.contract.output ?? {}).some(({ type }) => type === 'blob')
  return hasBytes ? 'gives what nobody would be there to get' : undefined
}

function hasSecrets({ contract: { input, output } }: Operation): boolean {
  return [input, output ?? {}].some(membersHaveSecrets)
}

function membersHaveSecrets(members: Members): boolean {
  return Object.values(members).some(holdsSecret)
}

function holdsSecret(shape: Shape): boolean {
  if ('sensitive' in shape && shape.sensitive) return true
  if (shape.type === 'structure') return membersHaveSecrets(shape.members)
  if (shape.type === 'list') return holdsSecret(shape.of)
  return shape.type === 'map' && (holdsSecret(shape.key) || holdsSecret(shape.value))
}

/** A call waits under one rule. */
function refuseOverlap(rule: ApprovalRule, others: readonly ApprovalRule[], reader: Reader): void {
  for (const other of others) {
    for (const operation of rule.operations) {
      const accounts = rule.accounts ?? other.accounts ?? ['']
      if (!accounts.some(account => covers(rule, operation, account) && covers(other, operation, account))) continue
      reader.fault(`dualControl.${rule.name} and dualControl.${other.name} both cover ${operation} of the same accounts`)
    }
  }
}
