export interface Alias {
  readonly region: string
  /** With its `alias/` prefix. */
  readonly name: string
  readonly targetKeyId: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** Aliases, unique by region and name. Rows are authenticated as in ports/keys.ts. */
export interface Aliases {
  get(region: string, name: string): Promise<Alias | undefined>
  /** false, with nothing written, if the name is taken. */
  insert(alias: Alias): Promise<boolean>
  /** false if there is no such alias. */
  update(alias: Alias): Promise<boolean>
  /** false if there was no such alias. */
  remove(region: string, name: string): Promise<boolean>
  /** Ascending by name, after `after`; of one key if `targetKeyId` is given. */
  list(region: string, targetKeyId: string | undefined, after: string | undefined, limit: number): Promise<readonly Alias[]>
  count(region: string, targetKeyId: string): Promise<number>
  removeAllOf(region: string, targetKeyId: string): Promise<void>
}
