import { expect } from 'chai'
import { KmsError, type ErrorCode } from '../../src/domain/errors.js'

/** Fails unless `act` throws, or its promise is rejected with, a KmsError of that code. Answers the error. */
export async function refused(act: Promise<unknown> | (() => unknown), code: ErrorCode): Promise<KmsError> {
  const outcome = await outcomeOf(act)
  expect(outcome).to.be.instanceOf(KmsError)
  expect((outcome as KmsError).code).to.equal(code)
  return outcome as KmsError
}

/** Fails unless the promise is rejected with an error of that class. Answers the error. */
export async function rejected<E extends Error>(act: Promise<unknown>, type: abstract new (...of: never[]) => E): Promise<E> {
  const outcome = await outcomeOf(act)
  expect(outcome).to.be.instanceOf(type)
  return outcome as E
}

async function outcomeOf(act: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    await (typeof act === 'function' ? act() : act)
    return undefined
  } catch (error) {
    return error
  }
}
