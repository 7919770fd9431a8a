/**
 * What a call that makes something ended with, so that the retry of a client that never saw the answer gets the same one. Keyed on caller
 * and `amz-sdk-invocation-id`. Rows are authenticated as in ports/keys.ts.
 */
export interface Invocation {
  /** ARN. */
  readonly caller: string
  readonly invocationId: string
  readonly region: string
  readonly operation: string
  /** SHA-256 of the members, hex: an id that comes with other ones is another call. */
  readonly inputHash: string
  /** Names what was made; never a secret. What it means is the operation's business. */
  readonly outcome: string
  readonly madeAt: number
}

export interface Invocations {
  get(caller: string, invocationId: string): Promise<Invocation | undefined>
  /** Writes over an older one of the same caller and id. */
  put(invocation: Invocation): Promise<void>
  /** Answers how many there were. */
  removeBefore(madeAt: number): Promise<number>
}
