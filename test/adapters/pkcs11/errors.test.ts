import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { ciphertextInvalidCodes, failureText, hsmError, reactionTo, returnValueOf } from '../../../src/adapters/pkcs11/driver/errors.js'
import { busyPausesMs, Patience } from '../../../src/adapters/pkcs11/driver/patience.js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'

describe('returnValueOf', () => {
  it('reads the number from every shape the binding throws', () => {
    expect(returnValueOf(new pkcs11.Pkcs11Error('CKR_GENERAL_ERROR', 5))).to.equal(5)
    expect(returnValueOf(new Error('CKR_OBJECT_HANDLE_INVALID:130'))).to.equal(130)
    expect(returnValueOf(new Error('CKR_VENDOR_DEFINED:2147484548'))).to.equal(0x80000384)
  })

  it('finds none in anything else', () => {
    for (const other of [new TypeError('CKR_'), new Error(''), Object.assign(new Error('x'), { code: 'ENOENT' }), 'CKR_X:5', undefined]) {
      expect(returnValueOf(other)).to.equal(undefined)
    }
  })
})

describe('reactionTo', () => {
  const reaction = (code: number) => reactionTo(new Error(`CKR_X:${code}`), softhsm)

  it('never repeats a refused PIN', () => {
    for (const code of [pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LEN_RANGE]) {
      expect(reaction(code)).to.deep.equal({ kind: 'login', remedy: 'nothing' })
    }
  })

  it('recovers what is lost, and looks up what is stale', () => {
    const lost = [
      pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_OPERATION_ACTIVE,
      pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
      pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_GENERAL_ERROR, 0x80000384,
    ]
    for (const code of lost) expect(reaction(code)).to.deep.equal({ kind: 'lost', remedy: 'recover' })
    for (const code of [pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID]) {
      expect(reaction(code)).to.deep.equal({ kind: 'lost', remedy: 'look-up' })
    }
  })

  it('calls wrong use a fault of configuration, for good', () => {
    for (const code of [pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_BUFFER_TOO_SMALL]) {
      expect(reaction(code)).to.deep.equal({ kind: 'configuration', remedy: 'new-session' })
    }
    expect(reactionTo(new TypeError('an argument'), softhsm).kind).to.equal('configuration')
  })

  it('does not try again what the token has no room or no memory for', () => {
    expect(reaction(pkcs11.CKR_DEVICE_MEMORY)).to.deep.equal({ kind: 'busy', remedy: 'new-session' })
    expect(reaction(pkcs11.CKR_HOST_MEMORY)).to.deep.equal({ kind: 'busy', remedy: 'new-session' })
    expect(reaction(pkcs11.CKR_SESSION_COUNT)).to.deep.equal({ kind: 'busy', remedy: 'nothing' })
  })

  it('believes that a code it does not know may pass', () => {
    expect(reaction(0x80000123)).to.deep.equal({ kind: 'lost', remedy: 'recover' })
  })

  it('lets the profile say which codes mean busy or lost', () => {
    const profile = { ...softhsm, returnValues: { ...softhsm.returnValues, busy: [6], lost: [0x70] } }
    expect(reactionTo(new Error('CKR_X:6'), profile)).to.deep.equal({ kind: 'busy', remedy: 'wait' })
    expect(reactionTo(new Error('CKR_X:112'), profile)).to.deep.equal({ kind: 'lost', remedy: 'recover' })
  })
})

describe('ciphertextInvalidCodes', () => {
  const codes = (changed: Partial<Profile['returnValues']>) =>
    ciphertextInvalidCodes({ ...softhsm, returnValues: { ...softhsm.returnValues, ...changed } })

  it('has all that the standard has, whatever the profile forgot or thinks is lost', () => {
    for (const code of [pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_LEN_RANGE, 0x42]) {
      expect(codes({ ciphertextInvalid: [], lost: [code] }).has(code)).to.equal(true)
    }
  })

  it('has what the profile adds, but nothing that may also mean something else', () => {
    expect(codes({ ciphertextInvalid: [6] }).has(6)).to.equal(true)
    const left = codes({ ciphertextInvalid: [6], ambiguous: [6, 0x40], busy: [0x41] })
    for (const code of [6, 0x40, 0x41]) expect(left.has(code)).to.equal(false)
  })
})

describe('Patience', () => {
  it('pauses a few times, 50 ms in all, takes every step once, and looks up once', () => {
    const patience = new Patience(softhsm)
    const started = performance.now()
    const waits = Array.from({ length: 10 }, () => patience.wait()).filter(Boolean)
    expect(waits).to.have.length(4)
    expect(performance.now() - started).to.be.at.least(49)
    expect(busyPausesMs.reduce((sum, each) => sum + each)).to.be.at.most(50)
    expect([1, 2, 3, 4, 5].map(() => patience.nextStep())).to.deep.equal([...softhsm.recover, undefined])
    expect([patience.mayLookUp(), patience.mayLookUp()]).to.deep.equal([true, false])
  })
})

describe('hsmError', () => {
  it('names the return value and carries its number', () => {
    const error = hsmError('lost', 'sealing', new Error('CKR_DEVICE_ERROR:48'))
    expect(error).to.include({ kind: 'lost', returnValue: 48, message: 'sealing: CKR_DEVICE_ERROR (0x30)' })
    expect(failureText(error)).to.equal('lost: sealing: CKR_DEVICE_ERROR (0x30)')
  })

  it('repeats nothing of a foreign message', () => {
    expect(hsmError('lost', 'sealing', new Error('secret')).message).not.to.include('secret')
    expect(failureText(new Error('secret'))).to.equal('failed')
  })
})
