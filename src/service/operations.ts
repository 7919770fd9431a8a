import * as aliases from './aliases.js'
import * as dataKeys from './data-keys.js'
import { decrypt, encrypt, reEncrypt } from './encryption.js'
import * as keys from './keys.js'
import type { Operation } from './operation.js'
import * as policies from './policies.js'
import { generateRandom } from './random.js'
import * as rotation from './rotation.js'
import { listResourceTags, tagResource, untagResource } from './tags.js'

const implemented: readonly Operation[] = [
  keys.createKey, keys.describeKey, keys.listKeys, keys.enableKey, keys.disableKey, keys.updateKeyDescription,
  keys.scheduleKeyDeletion, keys.cancelKeyDeletion,
  ...Object.values(aliases),
  tagResource, untagResource, listResourceTags,
  ...Object.values(policies),
  ...Object.values(dataKeys),
  encrypt, decrypt, reEncrypt,
  generateRandom,
  ...Object.values(rotation),
]

/** The operations that work, by name. What is in the API but not here is answered UnsupportedOperationException. */
export const operations: ReadonlyMap<string, Operation> = new Map(implemented.map(operation => [operation.name, operation]))
