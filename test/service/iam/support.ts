import { randomUUID } from 'node:crypto'
import type { Contract, Input, Output } from '../../../src/api/shape.js'
import type { Caller } from '../../../src/domain/caller.js'
import { callerOfUser } from '../../../src/service/identities/callers.js'
import { performer } from '../../../src/service/perform.js'
import type { Services } from '../../../src/service/services.js'
import { accountId, administrator, otherAccountId, userCaller, identityPolicy, allowing } from '../../support/callers.js'
import { defaultsOf, operationOf, region } from '../../support/services.js'

/** Of the other account, where it may do everything. */
export const foreignAdministrator = userCaller('administrator', [identityPolicy(allowing('*'))], { accountId: otherAccountId })

export const keyUse = JSON.stringify({
  Version: '2012-10-17', Statement: { Sid: 'Use', Effect: 'Allow', Action: 'kms:Decrypt', Resource: '*' },
})
export const otherUse = keyUse.replace('Decrypt', 'Encrypt')

export function trusting(...principals: readonly string[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Principal: { AWS: principals }, Action: 'sts:AssumeRole' } })
}

export function policyArn(name: string, account = accountId): string {
  return `arn:aws:iam::${account}:policy/${name}`
}

/** The caller that the service knows a stored user as. */
export async function callerOf({ identities }: Services, arn: string, accessKeyId = ''): Promise<Caller> {
  const principal = await identities.principal(arn)
  if (principal?.entity.kind !== 'user') throw new Error(`there is no user ${arn}`)
  return callerOfUser({ ...principal, entity: principal.entity }, accessKeyId)
}

/** A try of a call that its client knows by `invocationId`. */
export async function attempt<C extends Contract>(
  services: Services, contract: C, input: Partial<Input<NoInfer<C>>>, invocationId: string, caller = administrator,
): Promise<Output<C>> {
  const origin = { requestId: randomUUID(), sourceIp: '127.0.0.1', userAgent: 'test', secureTransport: false, invocationId }
  const { output } = await performer(services)(origin, {
    authenticate: () => ({ caller, region }),
    operation: () => operationOf(contract),
    input: () => ({ ...defaultsOf(contract.input), ...input }),
  })
  return output as Output<C>
}
