import * as approvals from './approvals.js'
import { lookupEvents } from './audit-events.js'
import type { Operation } from './operation.js'
import { operations } from './operations.js'
import { stsOperations } from './sts/operations.js'

/** The operations of the administration API, by name. */
export const administrationOperations: ReadonlyMap<string, Operation> = new Map(
  [...Object.values<Operation>(approvals), lookupEvents].map(operation => [operation.name, operation]),
)

/** Of every API. No two of them have the same name. */
export const allOperations: ReadonlyMap<string, Operation> = new Map([...operations, ...stsOperations, ...administrationOperations])
