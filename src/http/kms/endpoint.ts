import { contracts } from '../../api/operations.js'
import { KmsError, type ErrorCode } from '../../domain/errors.js'
import type { Log } from '../../ports/log.js'
import type { Operation } from '../../service/operation.js'
import type { Front, Performer } from '../../service/perform.js'
import { authenticate, type AuthenticateDeps } from '../authenticate.js'
import { originOf } from '../origin.js'
import type { Endpoint, HttpAnswer, HttpRequest, Refusal } from '../message.js'
import { encodeOutput } from './encode-output.js'
import { answers, errorBody } from './errors.js'
import { parseJson } from './read-json.js'
import { checkInput } from './shape-check.js'

export interface KmsEndpointDeps extends AuthenticateDeps {
  readonly perform: Performer
  /** What the service implements; the rest of the API is refused by name. */
  readonly operations: ReadonlyMap<string, Operation>
  readonly log: Log
}

const contentType = 'application/x-amz-json-1.1'
const targetPrefix = 'TrentService.'

/** The AWS KMS API: one path, JSON 1.1, the operation in a header. */
export function kmsEndpoint(deps: KmsEndpointDeps): Endpoint {
  return {
    answer: request => answer(request, deps),
    refuse: (reason, requestId) => {
      const { code, message, status } = refusals[reason]
      return answerOf(status ?? answers[code].status, requestId, errorBody(code, message))
    },
  }
}

const refusals: Readonly<Record<Refusal, { code: ErrorCode, message: string, status?: number }>> = {
  // The one error that the live service answers with another status than 400 or 500: there is no such place (Common Errors).
  'not-found': { code: 'UnknownOperationException', message: '', status: 404 },
  'too-large': { code: 'RequestEntityTooLargeException', message: '' },
  'overloaded': {
    code: 'ThrottlingException',
    message: 'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.',
  },
  'fault': { code: 'KMSInternalException', message: '' },
}

async function answer(request: HttpRequest, deps: KmsEndpointDeps): Promise<HttpAnswer> {
  const { headers, requestId } = request
  try {
    if (!isJson11(headers.get('content-type'))) throw new KmsError('UnknownOperationException')
    const { output, operation } = await deps.perform(originOf(request), frontOf(request, deps))
    return answerOf(200, requestId, encodeOutput(operation.contract.output, output))
  } catch (error) {
    return refusalOf(error, requestId, deps.log)
  } finally {
    // Signature and input have been read from it; what stays is plaintext in base64.
    request.body.fill(0)
  }
}

function frontOf(request: HttpRequest, deps: KmsEndpointDeps): Front {
  return {
    authenticate: () => authenticate(request, deps),
    eventName: () => contracts.get(nameOf(request))?.name,
    operation: () => operationOf(nameOf(request), deps.operations),
    input: operation => checkInput(operation.contract.input, parseJson(request.body)),
  }
}

/** Anything else is refused: it may have come through a form in a browser, which needs no permission to send one. */
function isJson11(header: string | undefined): boolean {
  if (header === contentType) return true
  const end = header?.indexOf(';') ?? -1
  return (end < 0 ? header : header?.slice(0, end))?.trim().toLowerCase() === contentType
}

/** Empty when the target is not one of this API. */
function nameOf({ headers }: HttpRequest): string {
  const target = headers.get('x-amz-target')
  return target?.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : ''
}

function operationOf(name: string, operations: ReadonlyMap<string, Operation>): Operation {
  const operation = operations.get(name)
  if (operation) return operation
  if (contracts.has(name)) throw new KmsError('UnsupportedOperationException', `${name} is not supported by this service.`)
  throw new KmsError('UnknownOperationException')
}

/** What is not a KmsError is our own fault: the log has its cause, the client nothing but the request id to ask with. */
function refusalOf(thrown: unknown, requestId: string, log: Log): HttpAnswer {
  const error = thrown instanceof KmsError ? thrown : new KmsError('KMSInternalException', '', { cause: thrown })
  const { code, message } = error
  const { status } = answers[code]
  if (status >= 500) log.error('request failed', { requestId, code, error })
  else log.debug('request refused', { requestId, code })
  return answerOf(status, requestId, errorBody(code, message))
}

function answerOf(status: number, requestId: string, body: string): HttpAnswer {
  return { status, headers: ['Content-Type', contentType, 'x-amzn-RequestId', requestId], body }
}
