import { iamTargetPrefix } from '../api/iam/operations.js'
import type { Endpoint } from './message.js'
import { isForm } from './sts/form.js'

/** The endpoints behind the one address of the service. */
export interface Doors {
  readonly kms: Endpoint
  readonly sts: Endpoint
  readonly iam: Endpoint
}

/**
 * Which protocol a request is of shows in its content type and target; whoever speaks none of them is answered in the words of KMS. Nothing
 * is decided here: each endpoint finds out for itself whether a request is signed for its service.
 */
export function frontDoor(doors: Doors): Endpoint {
  return {
    answer: request => doorOf(request.headers.get('content-type'), request.headers.get('x-amz-target'), doors).answer(request),
    refuse: (reason, requestId, contentType) => doorOf(contentType, undefined, doors).refuse(reason, requestId),
  }
}

function doorOf(contentType: string | undefined, target: string | undefined, { kms, sts, iam }: Doors): Endpoint {
  if (isForm(contentType)) return sts
  return target?.startsWith(iamTargetPrefix) ? iam : kms
}
