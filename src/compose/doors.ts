import { iamContracts, iamTargetPrefix } from '../api/iam/operations.js'
import { contracts } from '../api/operations.js'
import type { Doors } from '../http/front-door.js'
import { jsonEndpoint, type JsonEndpointDeps } from '../http/json/endpoint.js'
import { stsEndpoint } from '../http/sts/endpoint.js'
import { iamOperations } from '../service/iam/operations.js'
import { operations } from '../service/operations.js'
import { stsOperations } from '../service/sts/operations.js'

/** The endpoints of all services, each with its API. */
export function doorsOf(deps: JsonEndpointDeps): Doors {
  return {
    kms: jsonEndpoint({ service: 'kms', targetPrefix: 'TrentService.', contracts, operations }, deps),
    sts: stsEndpoint({ ...deps, operations: stsOperations }),
    iam: jsonEndpoint({ service: 'iam', targetPrefix: iamTargetPrefix, contracts: iamContracts, operations: iamOperations }, deps),
  }
}
