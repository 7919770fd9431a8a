import type { Operation } from '../operation.js'
import { assumeRole } from './assume-role.js'
import { assumeRoleWithWebIdentity } from './assume-role-with-web-identity.js'
import { getCallerIdentity } from './get-caller-identity.js'
import { getSessionToken } from './get-session-token.js'

const implemented: readonly Operation[] = [getCallerIdentity, getSessionToken, assumeRole, assumeRoleWithWebIdentity]

/** By name. */
export const stsOperations: ReadonlyMap<string, Operation> = new Map(implemented.map(operation => [operation.name, operation]))
