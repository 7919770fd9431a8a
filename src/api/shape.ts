/**
 * The wire contract as data: one Shape per member, from which the checks at run time (http/json/shape-check.ts) and the
 * TypeScript types both follow. Bytes are base64 and times are epoch seconds on the wire; here they are Uint8Array and Date.
 * Lengths count characters (string), decoded bytes (blob) or members (list); a pattern must match the whole value.
 */
export type Shape =
  | StringShape | EnumShape | IntegerShape | BooleanShape | BlobShape | TimestampShape | ListShape | MapShape | StructureShape

interface Common { readonly required?: true }
interface StringShape extends Common {
  readonly type: 'string', readonly min?: number, readonly max?: number, readonly pattern?: string
  readonly sensitive?: true, readonly default?: string
}
interface EnumShape extends Common { readonly type: 'enum', readonly values: readonly string[], readonly default?: string }
interface IntegerShape extends Common { readonly type: 'integer', readonly min?: number, readonly max?: number, readonly default?: number }
interface BooleanShape extends Common { readonly type: 'boolean', readonly default?: boolean }
interface BlobShape extends Common { readonly type: 'blob', readonly min?: number, readonly max?: number, readonly sensitive?: true }
interface TimestampShape extends Common { readonly type: 'timestamp' }
interface ListShape extends Common { readonly type: 'list', readonly of: Shape, readonly min?: number, readonly max?: number }
interface MapShape extends Common { readonly type: 'map', readonly key: Shape, readonly value: Shape }
interface StructureShape extends Common { readonly type: 'structure', readonly members: Members }

export interface Members { readonly [member: string]: Shape }

/** One operation of the API: its members, its output (null: an empty body) and the errors that its reference lists. */
export interface Contract<I extends Members = Members, O extends Members | null = Members | null> {
  readonly name: string
  readonly input: I
  readonly output: O
  readonly errors: readonly string[]
}

/** Keeps the literal types of a contract, so that `Input` and `Output` can be derived from it. */
export function contract<const I extends Members, const O extends Members | null>(of: Contract<I, O>): Contract<I, O> {
  return of
}

// The first line stops at a shape that is not known yet: its value would be a type without end.
type ValueOf<S extends Shape> = Shape extends S ? unknown
  : S extends EnumShape ? S['values'][number]
    : S extends { type: 'string' } ? string
      : S extends { type: 'integer' } ? number
        : S extends { type: 'boolean' } ? boolean
          : S extends { type: 'blob' } ? Uint8Array
            : S extends { type: 'timestamp' } ? Date
              : S extends { type: 'list', of: infer O extends Shape } ? readonly ValueOf<O>[]
                : S extends { type: 'map', value: infer V extends Shape } ? Readonly<Record<string, ValueOf<V>>>
                  : S extends { type: 'structure', members: infer M extends Members } ? StructureOf<M>
                    : never

type Present<S extends Shape> = S extends { required: true } ? true : S extends { default: string | number | boolean } ? true : false

/** What a checked structure holds: members that are required or have a default are always there. */
export type StructureOf<M extends Members> =
  & { readonly [K in keyof M as Present<M[K]> extends true ? K : never]: ValueOf<M[K]> }
  & { readonly [K in keyof M as Present<M[K]> extends true ? never : K]?: ValueOf<M[K]> }

export type Input<C extends Contract> = StructureOf<C['input']>
export type Output<C extends Contract> = C['output'] extends Members ? StructureOf<C['output']> : void
