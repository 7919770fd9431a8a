import * as contracts from '../api/iam/approvals.js'
import type { Output } from '../api/shape.js'
import { UnusableInput } from '../inspect.js'
import { allPages, IamClient } from './iam/client.js'
import { exitCodes, print, table, type OutputOptions } from './output.js'
import { printable, printableLines } from './printable.js'

type ApprovalRequest = Output<typeof contracts.listApprovalRequests>['ApprovalRequests'][number]
type WholeRequest = Output<typeof contracts.getApprovalRequest>['ApprovalRequest']
type Decision = WholeRequest['Decisions'][number]

const statuses = ['pending', 'executing', 'done', 'failed', 'interrupted', 'rejected', 'expired', 'all']
const idPattern = /^[0-9a-f-]{36}$/

export async function listApprovals({ status = 'pending', ...options }: OutputOptions & { readonly status?: string }): Promise<void> {
  if (!statuses.includes(status)) throw new UnusableInput(`--status is one of ${statuses.join(', ')}`)
  const { ApprovalRequests: requests } = await allPages(new IamClient(), contracts.listApprovalRequests, {
    ...status !== 'all' && { Status: status.toUpperCase() as ApprovalRequest['Status'] },
  })
  print(options, requests, () => table([
    ['APPROVAL REQUEST', 'STATUS', 'APPROVALS', 'OPERATION', 'KEY', 'REQUESTER', 'UNTIL'],
    ...requests.map(request => [
      request.ApprovalRequestId, request.Status, given(request), request.Operation, request.Resources.join(', ') || '-',
      printable(request.Requester), time(request.ExpirationDate),
    ]),
  ]))
}

export async function showApproval(id: string, options: OutputOptions): Promise<void> {
  const request = await ask(contracts.getApprovalRequest, id)
  print(options, request, () => lines(request))
}

/** With the last approval that it needs the call is done. Exit code 1 when it was refused by then. */
export async function approveRequest(id: string, options: OutputOptions): Promise<void> {
  const request = await ask(contracts.approveRequest, id)
  print(options, request, () => lines(request))
  if (request.Status === 'FAILED') process.exitCode = exitCodes.bad
}

export async function rejectRequest(id: string, { reason, ...options }: OutputOptions & { readonly reason?: string }): Promise<void> {
  const request = await ask(contracts.rejectRequest, id, reason)
  print(options, request, () => lines(request))
}

type Asking = typeof contracts.getApprovalRequest | typeof contracts.approveRequest | typeof contracts.rejectRequest

async function ask(contract: Asking, id: string, reason?: string): Promise<WholeRequest> {
  if (!idPattern.test(id)) throw new UnusableInput(`"${printable(id)}" is not the id of an approval request`)
  const input = { ApprovalRequestId: id, ...reason !== undefined && { Reason: reason } }
  const { ApprovalRequest: request } = await new IamClient().call<Asking>(contract, input)
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
      ['rule', `${request.Rule}; approvers ${approvers(request) || '(not configured any more)'}`],
    ]),
    '', 'members of the call:', ...members(request.Input), `  SHA-256 of them ${request.InputHash}`,
    ...request.Decisions.length > 0 ? ['', 'decisions:', ...request.Decisions.map(decision)] : [],
    ...outcome ? ['', `outcome (request id ${outcome.RequestId}): ${outcomeText(outcome)}`] : [],
  ]
}

function approvers({ Approvers: all, MissingApprovers: missing = [] }: WholeRequest): string {
  return all.map(arn => missing.includes(arn) ? `${printable(arn)} (does not exist)` : printable(arn)).join(', ')
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

function time(date: Date): string {
  return date.toISOString()
}
