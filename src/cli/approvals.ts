import { readConfig } from '../config.js'
import { callAdministration, UnusableInput } from '../inspect.js'
import { exitCodes, print, table, type OutputOptions } from './output.js'
import { printable, printableLines } from './printable.js'

/** As the administration API shows it: times in epoch seconds. */
interface ApprovalRequest {
  readonly ApprovalRequestId: string
  readonly Status: string
  readonly Rule: string
  readonly Service: string
  readonly Operation: string
  readonly Region: string
  readonly Resources: readonly string[]
  readonly Requester: string
  readonly AccountId: string
  readonly CreateDate: number
  readonly ExpirationDate: number
  readonly EndDate?: number
  readonly ApprovalsNeeded?: number
  readonly ApprovalsGiven?: number
}

interface WholeRequest extends ApprovalRequest {
  readonly Approvers: readonly string[]
  readonly Input: string
  readonly InputHash: string
  readonly RequestId: string
  readonly SourceIp: string
  readonly UserAgent: string
  readonly Decisions: readonly Decision[]
  readonly Outcome?: { readonly RequestId: string, readonly Output?: string, readonly ErrorCode?: string, readonly ErrorMessage?: string }
}

interface Decision {
  readonly Decision: 'APPROVED' | 'REJECTED'
  readonly Principal: string
  readonly Caller: string
  readonly SourceIp: string
  readonly Date: number
  readonly Reason?: string
}

const statuses = ['pending', 'executing', 'done', 'failed', 'interrupted', 'rejected', 'expired', 'all']
const idPattern = /^[0-9a-f-]{36}$/

export async function listApprovals({ status = 'pending', ...options }: OutputOptions & { readonly status?: string }): Promise<void> {
  if (!statuses.includes(status)) throw new UnusableInput(`--status is one of ${statuses.join(', ')}`)
  const config = readConfig()
  const requests: ApprovalRequest[] = []
  for (let marker: string | undefined, isMore = true; isMore;) {
    const page = await callAdministration(config, 'ListApprovalRequests', {
      ...status !== 'all' && { Status: status.toUpperCase() }, ...marker !== undefined && { Marker: marker },
    }) as { readonly ApprovalRequests: readonly ApprovalRequest[], readonly IsTruncated: boolean, readonly Marker?: string }
    requests.push(...page.ApprovalRequests)
    marker = page.Marker
    isMore = page.IsTruncated
  }
  print(options, requests, () => table([
    ['APPROVAL REQUEST', 'STATUS', 'APPROVALS', 'OPERATION', 'KEY', 'REQUESTER', 'UNTIL'],
    ...requests.map(request => [
      request.ApprovalRequestId, request.Status, given(request), request.Operation, request.Resources.join(', ') || '-',
      printable(request.Requester), time(request.ExpirationDate),
    ]),
  ]))
}

export async function showApproval(id: string, options: OutputOptions): Promise<void> {
  const request = await ask('GetApprovalRequest', id)
  print(options, request, () => lines(request))
}

/** With the last approval that it needs the call is done. Exit code 1 when it was refused by then. */
export async function approveRequest(id: string, options: OutputOptions): Promise<void> {
  const request = await ask('ApproveRequest', id)
  print(options, request, () => lines(request))
  if (request.Status === 'FAILED') process.exitCode = exitCodes.bad
}

export async function rejectRequest(id: string, { reason, ...options }: OutputOptions & { readonly reason?: string }): Promise<void> {
  const request = await ask('RejectRequest', id, reason)
  print(options, request, () => lines(request))
}

async function ask(operation: string, id: string, reason?: string): Promise<WholeRequest> {
  if (!idPattern.test(id)) throw new UnusableInput(`"${printable(id)}" is not the id of an approval request`)
  const input = { ApprovalRequestId: id, ...reason !== undefined && { Reason: reason } }
  const { ApprovalRequest: request } = await callAdministration(readConfig(), operation, input) as { ApprovalRequest: WholeRequest }
  return request
}

/** Everything that one must know to decide. What the requester has written is shown whole, and as it is. */
function lines(request: WholeRequest): readonly string[] {
  const { Outcome: outcome } = request
  return [
    `approval request ${request.ApprovalRequestId}: ${request.Status}, ${given(request)} approvals`, '',
    ...table([
      ['operation', `${request.Operation} (${request.Service}) in ${request.Region}`],
      ...request.Resources.map(arn => ['key', printable(arn)]),
      ['requester', `${printable(request.Requester)}, account ${request.AccountId}`],
      ['from', `${printable(request.SourceIp)}, ${printable(request.UserAgent) || '(no user agent)'}`],
      ['request id', request.RequestId],
      ['asked', time(request.CreateDate)],
      ['until', time(request.ExpirationDate)],
      ...request.EndDate === undefined ? [] : [['ended', time(request.EndDate)]],
      ['rule', `${request.Rule}; approvers ${request.Approvers.map(printable).join(', ') || '(not configured any more)'}`],
    ]),
    '', 'members of the call:', ...members(request.Input), `  SHA-256 of them ${request.InputHash}`,
    ...request.Decisions.length > 0 ? ['', 'decisions:', ...request.Decisions.map(decision)] : [],
    ...outcome ? ['', `outcome (request id ${outcome.RequestId}): ${outcomeText(outcome)}`] : [],
  ]
}

function members(input: string): readonly string[] {
  return Object.entries(JSON.parse(input) as Readonly<Record<string, unknown>>).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
    const [first = '', ...rest] = printableLines(text)
    return rest.length === 0 ? [`  ${name}: ${first}`] : [`  ${name}:`, ...[first, ...rest].map(line => `    ${line}`)]
  })
}

function decision({ Decision: made, Principal: principal, Caller: caller, SourceIp: from, Date: at, Reason: reason }: Decision): string {
  const by = caller === principal ? printable(principal) : `${printable(principal)} (${printable(caller)})`
  return `  ${made} by ${by} from ${printable(from)} at ${time(at)}${reason === undefined ? '' : `: ${printable(reason)}`}`
}

function outcomeText({ Output: output, ErrorCode: code, ErrorMessage: message = '' }: NonNullable<WholeRequest['Outcome']>): string {
  if (code === undefined) return `done${output === undefined ? '' : `, ${printable(output)}`}`
  return `${code}${message === '' ? '' : `: ${printable(message)}`}`
}

function given({ ApprovalsNeeded: needed, ApprovalsGiven: count }: ApprovalRequest): string {
  return needed === undefined ? '?' : `${count ?? 0} of ${needed}`
}

function time(seconds: number): string {
  return new Date(seconds * 1_000).toISOString()
}
