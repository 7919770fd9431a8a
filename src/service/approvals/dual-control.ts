import { covers, type ApprovalRule } from '../../domain/approval.js'
import type { Operation } from '../operation.js'

export interface DualControlOptions {
  readonly rules: readonly ApprovalRule[]
  /** Of every API, by name: what rules can cover, and what is then done. */
  readonly operations: ReadonlyMap<string, Operation>
  /** Names this process in what it leaves behind. */
  readonly owner: string
}

/** Which calls wait for the approval of others, and of whom (M of N). Without a rule none does. */
export class DualControl {
  readonly rules: readonly ApprovalRule[]
  readonly owner: string
  /** Requests that this process is executing. */
  readonly executing = new Set<string>()
  readonly #operations: ReadonlyMap<string, Operation>

  constructor({ rules, operations, owner }: DualControlOptions) {
    this.rules = rules
    this.owner = owner
    this.#operations = operations
  }

  /** Of the first of these accounts that has one; for one account the configuration has at most one. */
  ruleOf(operation: string, accountIds: readonly string[]): ApprovalRule | undefined {
    for (const accountId of accountIds) {
      const found = this.rules.find(rule => covers(rule, operation, accountId))
      if (found) return found
    }
    return undefined
  }

  ruleNamed(name: string): ApprovalRule | undefined {
    return this.rules.find(rule => rule.name === name)
  }

  /** Names of the rules under which a user or role may approve. */
  rulesFor(principalArn: string): readonly string[] {
    return this.rules.filter(({ approvers }) => approvers.includes(principalArn)).map(({ name }) => name)
  }

  operation(service: string, name: string): Operation | undefined {
    const operation = this.#operations.get(name)
    return operation?.service === service ? operation : undefined
  }
}
