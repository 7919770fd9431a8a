import * as api from '../../api/iam/policies.js'
import { KmsError } from '../../domain/errors.js'
import { identityQuotas } from '../../domain/identity.js'
import { nothingAgain, onAccount } from '../operation.js'
import { change, without, type Holder } from './changes.js'
import { checkInline, checkInlineTotal } from './documents.js'
import { checkAttachable, parsePolicyArn } from './managed.js'
import { actionOn, accountIdOf, checkOneName, holderOf, on } from './subjects.js'

const names = ['UserName', 'GroupName', 'RoleName'] as const

/** What comes again changes nothing: who has a policy has it. */
export const attachPolicy = onAccount(api.attachPolicy, {
  service: 'iam',
  check(input) {
    checkOneName(input, names)
    parsePolicyArn(input.PolicyArn)
  },
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Attach*Policy', subject)]),
  async run(call, services) {
    const { input, scope } = call
    const { PolicyArn: arn } = input
    await change(call, holderOf(input), services, async (stored: Holder) => {
      await checkAttachable(arn, accountIdOf(input, scope), services)
      if (stored.attachedPolicies.includes(arn)) return undefined
      if (stored.attachedPolicies.length >= identityQuotas.attachedPolicies) {
        throw new KmsError('LimitExceededException',
          `A ${stored.kind} can have at most ${identityQuotas.attachedPolicies} attached policies`)
      }
      return { ...stored, attachedPolicies: [...stored.attachedPolicies, arn] }
    })
  },
})

export const detachPolicy = onAccount(api.detachPolicy, {
  service: 'iam',
  check(input) {
    checkOneName(input, names)
    parsePolicyArn(input.PolicyArn)
  },
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Detach*Policy', subject)]),
  async run(call, services) {
    const { PolicyArn: arn } = call.input
    await change(call, holderOf(call.input), services, (stored: Holder) => {
      if (!stored.attachedPolicies.includes(arn)) throw new KmsError('NoSuchEntityException', `Policy ${arn} was not found.`)
      return { ...stored, attachedPolicies: without(stored.attachedPolicies, arn) }
    })
  },
  retry: nothingAgain,
})

export const putInlinePolicy = onAccount(api.putInlinePolicy, {
  service: 'iam',
  check(input) {
    checkOneName(input, names)
    checkInline(input.PolicyDocument)
  },
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Put*Policy', subject)]),
  async run(call, services) {
    const { PolicyName: name, PolicyDocument: text } = call.input
    await change(call, holderOf(call.input), services, (stored: Holder) => {
      // A computed name is a property like any other, whatever it is.
      const inlinePolicies = { ...stored.inlinePolicies, [name]: text }
      checkInlineTotal(stored.kind, inlinePolicies)
      return { ...stored, inlinePolicies }
    })
  },
})

export const deleteInlinePolicy = onAccount(api.deleteInlinePolicy, {
  service: 'iam',
  check: input => checkOneName(input, names),
  permissions: on(holderOf, (_, subject) => [actionOn('iam:Delete*Policy', subject)]),
  async run(call, services) {
    const { PolicyName: name } = call.input
    const subject = holderOf(call.input)
    await change(call, subject, services, (stored: Holder) => {
      if (!Object.hasOwn(stored.inlinePolicies, name)) {
        throw new KmsError('NoSuchEntityException', `The ${subject.kind} policy with name ${name} cannot be found.`)
      }
      const rest = Object.entries(stored.inlinePolicies).filter(([other]) => other !== name)
      return { ...stored, inlinePolicies: Object.fromEntries(rest) }
    })
  },
  retry: nothingAgain,
})
