import type { Contract } from '../../api/shape.js'
import { KmsError, type ErrorCode } from '../../domain/errors.js'
import type { Log } from '../../ports/log.js'
import type { Operation, ServiceName } from '../../service/operation.js'
import type { Front, Performer } from '../../service/perform.js'
import { authenticate, type AuthenticateDeps } from '../authenticate.js'
import { originOf } from '../origin.js'
import type { Endpoint, HttpAnswer, HttpRequest, Refusal } from '../message.js'
import { encodeOutput } from './encode-output.js'
import { answers, errorBody } from './errors.js'
import { parseJson } from './read-json.js'
import { checkInput } from './shape-check.js'

/** An API of the AWS JSON 1.1 protocol: the operation is named in a header. */
export interface JsonApi {
  readonly service: ServiceName
  /** Of X-Amz-Target, with its dot. */
  readonly targetPrefix: string
  readonly contracts: ReadonlyMap<string, Contract>
  /** What is implemented; the rest of the API is refused by name. */
  readonly operations: ReadonlyMap<string, Operation>
}

export interface JsonEndpointDeps extends AuthenticateDeps {
  readonly perform: Performer
  readonly log: Log
}

interface Deps extends JsonEndpointDeps { readonly api: JsonApi }

export const jsonContentType = 'application/x-amz-json-1.1'

export function jsonEndpoint(api: JsonApi, endpointDeps: JsonEndpointDeps): Endpoint {
  const deps: Deps = { ...endpointDeps, api }
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

async function answer(request: HttpRequest, deps: Deps): Promise<HttpAnswer> {
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

function frontOf(request: HttpRequest, deps: Deps): Front {
  const { api } = deps
  return {
    service: api.service,
    authenticate: () => authenticate(request, api.service, deps),
    eventName: () => api.contracts.get(nameOf(request, api))?.name,
    operation: () => operationOf(nameOf(request, api), api),
    input: operation => checkInput(operation.contract.input, parseJson(request.body)),
  }
}

/** Anything else is refused: it may have come through a form in a browser, which needs no permission to send one. */
function isJson11(header: string | undefined): boolean {
  if (header === jsonContentType) return true
  const end = header?.indexOf(';') ?? -1
  return (end < 0 ? header : header?.slice(0, end))?.trim().toLowerCase() === jsonContentType
}

/** Empty when the target is not one of this API. */
function nameOf({ headers }: HttpRequest, { targetPrefix }: JsonApi): string {
  const target = headers.get('x-amz-target')
  return target?.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : ''
}

function operationOf(name: string, { contracts, operations }: JsonApi): Operation {
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
  return { status, headers: ['Content-Type', jsonContentType, 'x-amzn-RequestId', requestId], body }
}
