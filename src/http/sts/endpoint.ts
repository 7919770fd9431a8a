import { KmsError, type ErrorCode } from '../../domain/errors.js'
import type { Log } from '../../ports/log.js'
import type { Operation } from '../../service/operation.js'
import type { Front, Performer } from '../../service/perform.js'
import type { Attempt } from '../../service/throttle/failing-sources.js'
import { authenticate, type AuthenticateDeps } from '../authenticate.js'
import { checkConstraints } from '../json/shape-check.js'
import type { Endpoint, HttpAnswer, HttpRequest, Refusal } from '../message.js'
import { originOf } from '../origin.js'
import { stsErrors } from './errors.js'
import { parseForm, readMembers, type Parameters } from './read-query.js'
import { errorXml, resultXml } from './write-xml.js'

export interface StsEndpointDeps extends AuthenticateDeps {
  /** By name. */
  readonly operations: ReadonlyMap<string, Operation>
  readonly perform: Performer
  readonly log: Log
}

/** Of the one API of STS that there is. */
const version = '2011-06-15'
/** What clients sign for that know STS by its one global endpoint, wherever they are (IAM User Guide, Manage AWS STS in an AWS Region). */
const globalRegion = 'us-east-1'

/** STS in the AWS Query protocol: the operation and its members are the fields of a form, answers are XML. */
export function stsEndpoint(deps: StsEndpointDeps): Endpoint {
  return {
    answer: request => answer(request, deps),
    refuse: (reason, requestId) => {
      const refused = refusalOf(refusals[reason], requestId, deps.log)
      return reason === 'not-found' ? { ...refused, status: 404 } : refused
    },
  }
}

const refusals: Readonly<Record<Refusal, KmsError>> = {
  'not-found': new KmsError('UnknownOperationException', 'There is nothing at this address.'),
  'too-large': new KmsError('RequestEntityTooLargeException', 'The request is too large.'),
  'overloaded': new KmsError('ThrottlingException', 'Rate exceeded'),
  'fault': new KmsError('KMSInternalException'),
}

async function answer(request: HttpRequest, deps: StsEndpointDeps): Promise<HttpAnswer> {
  const { requestId, sourceIp } = request
  // Of a source whose tokens fail; where there is a signature, `authenticate` has one of its own.
  const attempt = deps.sources?.attempt(sourceIp)
  try {
    const { output, operation } = await deps.perform(originOf(request), frontOf(request, deps, attempt))
    return answerOf(200, requestId, resultXml(operation.name, operation.contract.output, output, requestId))
  } catch (error) {
    if (!(error instanceof KmsError) || ours.has(error.code)) attempt?.succeeded()
    return refusalOf(error, requestId, deps.log)
  } finally {
    request.body.fill(0)
  }
}

/** What is not the fault of who calls. */
const ours: ReadonlySet<ErrorCode> = new Set(['KMSInternalException', 'IDPCommunicationErrorException'])

function frontOf(request: HttpRequest, deps: StsEndpointDeps, attempt: Attempt | undefined): Front {
  const form = formOf(request)
  // What cannot be read has no operation that could do without a signature.
  const operation = form instanceof KmsError ? undefined : deps.operations.get(actionOf(form))
  const [home = ''] = deps.regions
  return {
    service: 'sts',
    async authenticate() {
      if (operation?.vouched) {
        attempt?.unsigned()
        return { caller: undefined, region: home }
      }
      const regions = new Set([...deps.regions, globalRegion])
      const { caller, region } = await authenticate(request, 'sts', { ...deps, regions })
      return { caller, region: deps.regions.has(region) ? region : home }
    },
    eventName: () => operation?.name,
    operation() {
      if (form instanceof KmsError) throw form
      if (operation && form.inner.get('Version')?.value === version) return operation
      throw noOperation(form)
    },
    input({ contract }) {
      if (form instanceof KmsError) throw form
      return checkConstraints(contract.input, readMembers(contract.input, form))
    },
    // Until then each unsigned call counts as one that failed: it has a record, and nobody whose rate it could be.
    vouched: () => attempt?.succeeded(),
  }
}

/** Or why there is none: told only to who has signed it. */
function formOf({ body, target }: HttpRequest): Parameters | KmsError {
  // A second place for parameters would be passed over in silence.
  if (target !== '/') return new KmsError('SerializationException', 'Parameters belong into the body of the request')
  try {
    return parseForm(body)
  } catch (error) {
    if (error instanceof KmsError) return error
    throw error
  }
}

function actionOf({ inner }: Parameters): string {
  return inner.get('Action')?.value ?? ''
}

function noOperation(form: Parameters): KmsError {
  const [action, asked] = [actionOf(form), form.inner.get('Version')?.value ?? '']
  return new KmsError('UnknownOperationException', `Could not find operation ${action.slice(0, 64)} for version ${asked.slice(0, 32)}`)
}

/** What is not a KmsError is our own fault: the log has its cause, the client nothing but the request id to ask with. */
function refusalOf(thrown: unknown, requestId: string, log: Log): HttpAnswer {
  const error = thrown instanceof KmsError ? thrown : new KmsError('KMSInternalException', '', { cause: thrown })
  const { code, status } = stsErrors[error.code]
  const isOurs = status >= 500
  if (isOurs) log.error('request failed', { requestId, code, error })
  else log.debug('request refused', { requestId, code })
  return answerOf(status, requestId, errorXml(isOurs ? 'Receiver' : 'Sender', code, isOurs ? '' : error.message, requestId))
}

function answerOf(status: number, requestId: string, body: string): HttpAnswer {
  return { status, headers: ['Content-Type', 'text/xml', 'x-amzn-RequestId', requestId], body }
}
