import type { Migration } from '../migrate.js'
import { initial } from './0001-initial.js'
import { wholeApi } from './0002-whole-api.js'
import { identities } from './0003-identities.js'
import { approvals } from './0004-approvals.js'
import { keyQuota } from './0005-key-quota.js'

/** In the order of their numbers; new ones at the end. */
export const migrations: readonly Migration[] = [initial, wholeApi, identities, approvals, keyQuota]
