import { expect } from 'chai'
import type { ErrorCode } from '../../src/domain/errors.js'
import { checkManager, checkState, isVisible, visibleState, type StateRule, type VisibleState } from '../../src/domain/key-state.js'
import type { KeyState } from '../../src/domain/key.js'
import { sampleKey } from '../contract/store-samples.js'
import { refused } from '../support/refusal.js'

type Answer = 'ok' | readonly [ErrorCode, string]

const disabled = ['DisabledException', 'is disabled.'] as const
const deleting = ['KMSInvalidStateException', 'is pending deletion.'] as const
const importing = ['KMSInvalidStateException', 'is pending import.'] as const
const unavailable = ['KMSInvalidStateException', 'is unavailable.'] as const
const notDeleting = ['KMSInvalidStateException', 'is not pending deletion.'] as const
const unsupported = ['UnsupportedOperationException', 'does not support this operation.'] as const
const absent = ['NotFoundException', 'does not exist'] as const

type Row = Readonly<Record<VisibleState, Answer>>

function row(Enabled: Answer, Disabled: Answer, PendingDeletion: Answer, PendingImport: Answer, Unavailable: Answer): Row {
  return { Enabled, Disabled, PendingDeletion, PendingReplicaDeletion: PendingDeletion, PendingImport, Unavailable }
}

/** KMS developer guide, Key states of AWS KMS keys. Columns: enabled, disabled, pending deletion, pending import, unavailable. */
const table: Readonly<Record<StateRule, Row>> = {
  'use': row('ok', disabled, deleting, importing, unavailable),
  'use-for-pair': row('ok', disabled, deleting, importing, unsupported),
  'public-key': row('ok', 'ok', deleting, 'ok', unavailable),
  'grant': row('ok', disabled, deleting, importing, 'ok'),
  'read': row('ok', 'ok', 'ok', 'ok', 'ok'),
  'put-policy': row('ok', 'ok', 'ok', 'ok', 'ok'),
  'change': row('ok', 'ok', deleting, 'ok', 'ok'),
  'enable': row('ok', 'ok', deleting, importing, 'ok'),
  'schedule-rotation': row('ok', disabled, deleting, unsupported, unsupported),
  'rotation-status': row('ok', 'ok', 'ok', unsupported, unsupported),
  'rotations': row('ok', 'ok', 'ok', 'ok', unsupported),
  'rotate': row('ok', disabled, deleting, importing, unsupported),
  'import': row('ok', 'ok', deleting, 'ok', unsupported),
  'delete-material': row('ok', 'ok', 'ok', 'ok', unsupported),
  'schedule-deletion': row('ok', 'ok', deleting, 'ok', 'ok'),
  'cancel-deletion': row(notDeleting, notDeleting, 'ok', notDeleting, notDeleting),
  'replicate': row('ok', disabled, deleting, importing, unavailable),
  'update-primary': row('ok', disabled, deleting, importing, unavailable),
}

/** How the rules of a state are asked for: `Unavailable` is an enabled key whose store is disconnected. */
function viewIn(state: KeyState | 'Unavailable') {
  return { key: sampleKey(1, { state: state === 'Unavailable' ? 'Enabled' : state }), versions: new Map() }
}

describe('key state', () => {
  for (const [rule, answers] of Object.entries(table) as [StateRule, Row][]) {
    const states = { ...answers, Creating: absent, Destroying: absent, Destroyed: absent }
    for (const [state, answer] of Object.entries(states) as [KeyState | 'Unavailable', Answer][]) {
      const view = viewIn(state)
      const check = () => checkState(view, rule, state !== 'Unavailable')
      if (answer === 'ok') {
        it(`lets a call that would ${rule} go on with a key that is ${state}`, () => {
          expect(check()).to.equal(view)
        })
      } else {
        it(`answers ${answer[0]} to a call that would ${rule} a key that is ${state}`, async () => {
          const { message } = await refused(check, answer[0])
          expect(message).to.contain(view.key.arn).and.to.satisfy((text: string) => text.endsWith(answer[1]))
        })
      }
    }
  }

  it('is pending deletion rather than unavailable, and can be cancelled then', () => {
    const view = viewIn('PendingDeletion')
    expect(visibleState(view.key, false)).to.equal('PendingDeletion')
    expect(checkState(view, 'cancel-deletion', false)).to.equal(view)
  })

  it('of a disabled key whose store is away is unavailable', () => {
    expect(visibleState(viewIn('Disabled').key, false)).to.equal('Unavailable')
  })

  it('shows a key only when it is finished and not yet being destroyed', () => {
    const states: readonly KeyState[] = [
      'Creating', 'Enabled', 'Disabled', 'PendingImport', 'PendingDeletion', 'PendingReplicaDeletion', 'Destroying', 'Destroyed',
    ]
    expect(states.filter(isVisible)).to.deep.equal(['Enabled', 'Disabled', 'PendingImport', 'PendingDeletion', 'PendingReplicaDeletion'])
  })

  describe('of a key that the service manages', () => {
    const caller = { arn: 'arn:aws:iam::111122223333:user/anybody' }
    const usable: readonly StateRule[] = ['use', 'use-for-pair', 'public-key', 'grant', 'read', 'rotation-status', 'rotations']

    for (const rule of Object.keys(table) as StateRule[]) {
      it(`${usable.includes(rule) ? 'lets' : 'never lets'} a user ${rule} it`, async () => {
        const check = () => { checkManager(sampleKey(1, { manager: 'AWS' }), rule, caller, 'kms:Anything') }
        if (usable.includes(rule)) return check()
        const { message } = await refused(check, 'AccessDeniedException')
        expect(message).to.contain(caller.arn).and.to.contain('kms:Anything')
      })
    }

    it('stands in no user\'s way otherwise', () => {
      for (const rule of Object.keys(table) as StateRule[]) checkManager(sampleKey(1), rule, caller, 'kms:Anything')
    })
  })
})
