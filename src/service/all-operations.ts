import { iamOperations } from './iam/operations.js'
import type { Operation } from './operation.js'
import { operations } from './operations.js'
import { stsOperations } from './sts/operations.js'

/** Of every API. No two of them have the same name. */
export const allOperations: ReadonlyMap<string, Operation> = new Map([...operations, ...stsOperations, ...iamOperations])
