/** What a command prints: one JSON document with --json, else lines for a reader. */
export interface OutputOptions { readonly json?: boolean }

export function print(options: OutputOptions, data: unknown, lines: () => readonly string[]): void {
  process.stdout.write(options.json ? `${JSON.stringify(data, null, 2)}\n` : `${lines().join('\n')}\n`)
}

/** Columns padded to their widest cell. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

/** Exit codes: 0 done, 1 the answer is bad (a finding, a refusal), 2 the command cannot run as given. */
export const exitCodes = { done: 0, bad: 1, unusable: 2 } as const
