import { expect } from 'chai'
import type { ErrorCode } from '../../src/domain/errors.js'
import { checkState, isVisible, type StateRule } from '../../src/domain/key-state.js'
import type { KeyState } from '../../src/domain/key.js'
import { sampleKey } from '../contract/store-samples.js'
import { refused } from '../support/refusal.js'

type Answer = 'ok' | readonly [ErrorCode, string]

const disabled = ['DisabledException', 'is disabled.'] as const
const pendingDeletion = ['KMSInvalidStateException', 'is pending deletion.'] as const
const notPendingDeletion = ['KMSInvalidStateException', 'is not pending deletion.'] as const
const absent = ['NotFoundException', 'does not exist'] as const
const invisible = { Creating: absent, Destroying: absent, Destroyed: absent } as const

/** KMS developer guide, Key states of AWS KMS keys. */
const table: Record<StateRule, Record<KeyState, Answer>> = {
  'use': { Enabled: 'ok', Disabled: disabled, PendingDeletion: pendingDeletion, ...invisible },
  'rotate': { Enabled: 'ok', Disabled: disabled, PendingDeletion: pendingDeletion, ...invisible },
  'change': { Enabled: 'ok', Disabled: 'ok', PendingDeletion: pendingDeletion, ...invisible },
  'read': { Enabled: 'ok', Disabled: 'ok', PendingDeletion: 'ok', ...invisible },
  'cancel-deletion': { Enabled: notPendingDeletion, Disabled: notPendingDeletion, PendingDeletion: 'ok', ...invisible },
}

describe('key state', () => {
  for (const [rule, row] of Object.entries(table) as [StateRule, Record<KeyState, Answer>][]) {
    for (const [state, answer] of Object.entries(row) as [KeyState, Answer][]) {
      const view = { key: sampleKey(1, { state }), versions: new Map() }
      if (answer === 'ok') {
        it(`lets a call that would ${rule} go on with a key that is ${state}`, () => {
          expect(checkState(view, rule)).to.equal(view)
        })
      } else {
        it(`answers ${answer[0]} to a call that would ${rule} a key that is ${state}`, async () => {
          const { message } = await refused(() => checkState(view, rule), answer[0])
          expect(message).to.contain(view.key.arn).and.to.satisfy((text: string) => text.endsWith(answer[1]))
        })
      }
    }
  }

  it('shows a key only when it is finished and not yet being destroyed', () => {
    const states: readonly KeyState[] = ['Creating', 'Enabled', 'Disabled', 'PendingDeletion', 'Destroying', 'Destroyed']
    expect(states.filter(isVisible)).to.deep.equal(['Enabled', 'Disabled', 'PendingDeletion'])
  })
})
