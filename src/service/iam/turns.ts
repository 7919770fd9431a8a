import { KmsError } from '../../domain/errors.js'
import { StaleWriteError } from '../../ports/keys.js'
import type { Services } from '../services.js'

/** How often a change is decided anew because another came first. */
const attemptsMax = 5

/** Throws NoSuchEntityException for an account that there is not. */
export async function checkAccount(accountId: string, { identities }: Services): Promise<void> {
  if (await identities.account(accountId)) return
  throw new KmsError('NoSuchEntityException', `There is no account ${accountId}.`)
}

/**
 * A change to the identities of an account, after those that came before: between a look and a write that rests on it (a count, what hangs
 * on what is deleted) nothing else of the account is changed in this process, and no other process has the database. `decide` begins with
 * reading, and is called again when what it read was another by the time it wrote; it refuses (KmsError) before it writes.
 */
export async function inTurn<T>(accountId: string, services: Services, decide: () => Promise<T>): Promise<T> {
  await checkAccount(accountId, services)
  return services.turns.take(`identities of ${accountId}`, async () => {
    for (let count = 1; ; count++) {
      try {
        const done = await decide()
        services.identities.forget(accountId)
        return done
      } catch (error) {
        // A refusal has written nothing, and must not cost the account what is remembered of it.
        if (error instanceof KmsError) throw error
        // Also when it failed: a commit whose answer was lost may still have happened.
        services.identities.forget(accountId)
        if (!(error instanceof StaleWriteError)) throw error
        if (count >= attemptsMax) throw othersCame(error)
      }
    }
  })
}

function othersCame(cause: StaleWriteError): KmsError {
  return new KmsError('ConflictException', 'Others are changing the same. Retry the request.', { cause })
}
