import { resolve } from 'node:path'

/** Configuration that cannot be used. `faults` lists every one of them, a sentence each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`the configuration cannot be used:\n${faults.map(fault => `  - ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

/** Takes settings out of the file by their dotted names, gathers faults, and in the end names what nobody asked for. */
export class Reader {
  readonly #root: unknown
  readonly #directory: string
  readonly #faults: string[] = []
  readonly #asked = new Set<string>()

  constructor(root: unknown, directory: string) {
    this.#root = root
    this.#directory = directory
  }

  fault(sentence: string): void {
    this.#faults.push(sentence)
  }

  text(name: string): string | undefined {
    return this.#typed(name, 'a text', (value): value is string => typeof value === 'string' && value !== '')
  }

  /** Relative paths are relative to the file that names them. */
  path(name: string): string | undefined {
    const path = this.text(name)
    return path && resolve(this.#directory, path)
  }

  texts(name: string): readonly string[] | undefined {
    return this.#typed(name, 'a list of texts', (value): value is string[] =>
      Array.isArray(value) && value.every(item => typeof item === 'string'))
  }

  paths(name: string): readonly string[] | undefined {
    return this.texts(name)?.map(path => resolve(this.#directory, path))
  }

  boolean(name: string): boolean | undefined {
    return this.#typed(name, 'true or false', value => typeof value === 'boolean')
  }

  integer(name: string, min: number, max: number): number | undefined {
    return this.#typed(name, `a whole number from ${min} to ${max}`, (value): value is number =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max)
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
    return this.#typed(name, `one of ${values.join(', ')}`, (value): value is T => values.includes(value as T))
  }

  map(name: string): Readonly<Record<string, string>> | undefined {
    return this.#typed(name, 'a map of texts', (value): value is Record<string, string> =>
      typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(item => typeof item === 'string'))
  }

  /** The names in a map whose members are asked for one by one; none when there is no such map. */
  names(name: string): readonly string[] {
    // Makes the section known; that it is a map is seen to in the end.
    this.#asked.add(`${name}.`)
    const value = this.#at(name)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
  }

  /** A fault instead of a section: nothing in it is looked at. */
  skip(name: string, sentence: string): void {
    this.#asked.add(name)
    this.fault(sentence)
  }

  finish(): void {
    this.#findUnknown(this.#root, '')
    if (this.#faults.length > 0) throw new ConfigError(this.#faults)
  }

  #typed<T>(name: string, kind: string, is: (value: unknown) => value is T): T | undefined {
    this.#asked.add(name)
    const value = this.#at(name)
    if (value === undefined || value === null) return undefined
    if (is(value)) return value
    this.fault(`${name} must be ${kind}`)
    return undefined
  }

  #at(name: string): unknown {
    let value = this.#root
    for (const part of name.split('.')) {
      const found = typeof value === 'object' && value !== null && Object.hasOwn(value, part)
      value = found ? (value as Record<string, unknown>)[part] : undefined
    }
    return value
  }

  #findUnknown(value: unknown, at: string): void {
    if (value === null || this.#asked.has(at)) return
    // A section that is a text or a list holds none of the settings that were asked for, and would be passed over in silence.
    if (typeof value !== 'object' || Array.isArray(value)) return this.fault(`${at || 'the file'} must be a map of settings`)
    for (const [name, member] of Object.entries(value)) {
      const full = at ? `${at}.${name}` : name
      const known = [...this.#asked].some(asked => asked === full || asked.startsWith(`${full}.`))
      if (known) this.#findUnknown(member, full)
      else this.fault(`there is no setting ${full}`)
    }
  }
}
