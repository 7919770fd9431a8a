export interface Alias {
  readonly accountId: string
  readonly region: string
  /** With its `alias/` prefix. */
  readonly name: string
  readonly targetKeyId: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** Aliases, unique by account, region and name. Rows are authenticated as in ports/keys.ts. */
export interface Aliases {
  get(accountId: string, region: string, name: string): Promise<Alias | undefined>
  /** false, with nothing written, if the name is taken. */
  insert(alias: Alias): Promise<boolean>
  /** Moves it away from a key. false if there is no such alias, or it is another key's by now. */
  update(alias: Alias, fromKeyId: string): Promise<boolean>
  /** false if there was no such alias, or it is another key's by now. */
  remove(accountId: string, region: string, name: string, ofKeyId: string): Promise<boolean>
  /** Ascending by name, after `after`; of one key if `targetKeyId` is given. */
  list(
    accountId: string, region: string, targetKeyId: string | undefined, after: string | undefined, limit: number,
  ): Promise<readonly Alias[]>
  count(region: string, targetKeyId: string): Promise<number>
  removeAllOf(region: string, targetKeyId: string): Promise<void>
  /** Gives those from before there were accounts to this one. */
  adopt(accountId: string): Promise<void>
}
