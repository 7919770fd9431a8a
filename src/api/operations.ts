// The whole KMS API by operation name: what the service implements is in service/operations.ts, what it does not is refused from here.

import * as keys from './keys.js'
import * as multiRegion from './multi-region.js'
import * as encryption from './encryption.js'
import * as dataKeys from './data-keys.js'
import * as signing from './signing.js'
import * as macs from './macs.js'
import * as sharedSecrets from './shared-secrets.js'
import * as random from './random.js'
import * as imports from './imports.js'
import * as aliases from './aliases.js'
import * as grants from './grants.js'
import * as policies from './policies.js'
import * as tags from './tags.js'
import * as rotation from './rotation.js'
import * as keyStores from './key-stores.js'
import type { Contract } from './shape.js'

const families = [keys, multiRegion, encryption, dataKeys, signing, macs, sharedSecrets, random, imports, aliases, grants, policies, tags, rotation, keyStores]

/** All 56 operations. A Map, so that a name from the wire can reach nothing else. */
export const contracts: ReadonlyMap<string, Contract> = new Map(
  families.flatMap(family => Object.values<Contract>(family)).map(contract => [contract.name, contract]),
)
