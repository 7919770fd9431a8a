import * as aliases from './aliases.js'
import { createKey } from './create-key.js'
import * as customKeyStores from './custom-key-stores.js'
import * as dataKeyPairs from './data-key-pairs.js'
import * as dataKeys from './data-keys.js'
import { decrypt, encrypt, reEncrypt } from './encryption.js'
import * as grants from './grants.js'
import { retireGrant, revokeGrant } from './grants/ending.js'
import * as imports from './imports.js'
import * as keys from './keys.js'
import * as multiRegion from './multi-region.js'
import * as macs from './macs.js'
import type { Operation } from './operation.js'
import * as policies from './policies.js'
import { getPublicKey } from './public-keys.js'
import { generateRandom } from './random.js'
import * as rotation from './rotation.js'
import * as sharedSecrets from './shared-secrets.js'
import { sign, verify } from './signing.js'
import { listResourceTags, tagResource, untagResource } from './tags.js'

const implemented: readonly Operation[] = [
  createKey, keys.describeKey, keys.listKeys, keys.enableKey, keys.disableKey, keys.updateKeyDescription,
  keys.scheduleKeyDeletion, keys.cancelKeyDeletion, keys.getKeyLastUsage,
  multiRegion.replicateKey, multiRegion.updatePrimaryRegion,
  ...Object.values(aliases),
  tagResource, untagResource, listResourceTags,
  ...Object.values(policies),
  ...Object.values(dataKeys),
  ...Object.values(dataKeyPairs),
  encrypt, decrypt, reEncrypt,
  sign, verify, getPublicKey,
  ...Object.values(macs),
  ...Object.values(sharedSecrets),
  generateRandom,
  ...Object.values(rotation),
  ...Object.values(imports),
  ...Object.values(customKeyStores),
  ...Object.values(grants), retireGrant, revokeGrant,
]

/** The operations that work, by name. What is in the API but not here is answered UnsupportedOperationException. */
export const operations: ReadonlyMap<string, Operation> = new Map(implemented.map(operation => [operation.name, operation]))
