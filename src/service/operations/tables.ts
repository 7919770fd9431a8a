import { contracts } from '../../api/operations.js'
import { keySpecs, type KeySpecRow, type UsageRow } from '../../domain/key-spec.js'
import { importWays, keySpecNotes, operationNotes, type KeySpecNote, type OperationNote } from './notes.js'
import { operations } from '../operations.js'

/** A row of the README's table of operations. */
export interface OperationRow extends OperationNote {
  readonly operation: string
  /** Whether the service has it: asked of the table that calls are looked up in. */
  readonly built: boolean
}

/** All operations of the API, in the order of its families. */
export function operationRows(): readonly OperationRow[] {
  return [...contracts.keys()].map(operation => {
    const note = operationNotes[operation]
    if (!note) throw new Error(`operation ${operation} has no note`)
    return { operation, built: operations.has(operation), ...note }
  })
}

/** A row of the README's table of key specs. */
export type KeySpecTableRow = Pick<KeySpecRow, 'spec' | 'usages' | 'importable' | 'multiRegion'> & KeySpecNote

export function keySpecRows(): readonly KeySpecTableRow[] {
  return [...keySpecs.values()].map(({ spec, usages, importable, multiRegion }) =>
    ({ spec, usages, importable, multiRegion, ...keySpecNotes[spec] }))
}

/** Both tables as the README has them between its markers. */
export function operationTables(): readonly string[] {
  const built = operationRows().filter(row => row.built).length
  return [
    `${built} of ${contracts.size} operations. \`DryRun\` works wherever the API has it.`, '',
    ...markdown(['operation', 'built', 'needs of the HSM', 'SoftHSM 2.6', 'differences from AWS KMS'],
      operationRows().map(row => [row.operation, yesNo(row.built), row.needs, row.softhsm, row.differences])), '',
    '### Key specs', '',
    'What a token has no mechanism for is refused by CreateKey with `UnsupportedOperationException`, and named by `claviger hsm probe`; '
    + 'nothing is done in software instead.', '',
    ...markdown(['key spec', 'usages and algorithms', 'mechanisms', 'import', 'multi-Region', 'SoftHSM 2.6', 'differences'],
      keySpecRows().map(row => [
        row.spec, perUsage(row, ({ usage, algorithms }) => `${usage}: ${algorithms.join(', ')}`),
        perUsage(row, ({ mechanisms }) => mechanisms.join(', ')), yesNo(row.importable), yesNo(row.multiRegion),
        row.softhsm, row.differences,
      ])), '',
    'Where imported material is unwrapped, by the profile of the token:', '',
    ...markdown(['where', 'profiles'],
      Object.entries(importWays).map(([way, profiles]) => [way, profiles.map(name => `\`${name}\``).join(', ')])),
  ]
}

export const markers = ['<!-- operations -->', '<!-- /operations -->'] as const

/** The text with what is between its markers replaced; undefined if it has not both of them, in order. */
export function withTables(text: string): string | undefined {
  const [begin, end] = [text.indexOf(markers[0]), text.indexOf(markers[1])]
  if (begin < 0 || end < begin) return undefined
  return `${text.slice(0, begin + markers[0].length)}\n\n${operationTables().join('\n')}\n\n${text.slice(end)}`
}

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  return [header, header.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}

/** A line of its own for each usage. */
function perUsage({ usages }: KeySpecTableRow, text: (usage: UsageRow) => string): string {
  return usages.length > 0 ? usages.map(text).join('<br>') : '-'
}
