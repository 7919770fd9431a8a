import { iamTargetPrefix } from '../api/iam/operations.js'
import type { Endpoint, HttpRequest } from './message.js'

/** The endpoints behind the one address of the service. */
export interface Doors {
  readonly kms: Endpoint
  readonly iam: Endpoint
}

/**
 * Which protocol a request is of shows in its content type and target; whoever speaks none of them is answered in the words of KMS. Nothing
 * is decided here: each endpoint finds out for itself whether a request is signed for its service.
 */
export function frontDoor(doors: Doors): Endpoint {
  return {
    answer: request => doorOf(request, doors).answer(request),
    refuse: (reason, requestId) => doors.kms.refuse(reason, requestId),
  }
}

function doorOf({ headers }: HttpRequest, { kms, iam }: Doors): Endpoint {
  return headers.get('x-amz-target')?.startsWith(iamTargetPrefix) ? iam : kms
}
