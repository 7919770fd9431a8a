import type { CallOrigin } from '../service/call-record.js'
import type { HttpRequest } from './message.js'

/** What a request says of where it came from; only its address and whether it came over TLS are more than its client's word. */
export function originOf({ requestId, sourceIp, secure, headers }: HttpRequest): CallOrigin {
  const [invocationId, referer] = [headers.get('amz-sdk-invocation-id'), headers.get('referer')]
  const [sourceArn, sourceAccount] = [headers.get('x-amz-source-arn'), headers.get('x-amz-source-account')]
  return {
    requestId, sourceIp, secureTransport: secure,
    userAgent: headers.get('user-agent') ?? '',
    ...invocationId !== undefined && { invocationId },
    ...referer !== undefined && { referer },
    ...sourceArn !== undefined && { sourceArn },
    ...sourceAccount !== undefined && { sourceAccount },
  }
}
