import type { LoadResult } from './load.js'
import type { RawResult } from './raw-seal.js'
import type { SlowDeviceResult } from './slow-device.js'

/** What one round measured. */
export interface Figures {
  readonly bareHttp: LoadResult
  readonly plainExpress: LoadResult
  readonly sharedExpress: LoadResult
  readonly ownHttp: LoadResult
  readonly raw: RawResult
  readonly generateDataKey: LoadResult
  readonly encrypt: LoadResult
  readonly decrypt: LoadResult
  /** By a server that does not open its seals once more before they leave. */
  readonly generateDataKeyTrusting: LoadResult
  readonly encryptTrusting: LoadResult
}

interface Row {
  readonly what: string
  readonly perSecond: number
  readonly p50Us?: number
  readonly p99Us?: number
  readonly failures?: number
  /** What `ratio` is a part of. */
  readonly of?: string
  readonly ratio?: number
}

/**
 * A table, and the same as JSON. The limit of an operation is 1 / (1/http + 1/HSM), both as measured beside it: the rate of a server that
 * did nothing but HTTP and one HSM call, one after the other.
 */
export function report(figures: readonly Figures[], settings: object): void {
  const http = (what: string, of: (round: Figures) => LoadResult): Row => ({
    ...loaded(what, figures.map(of)), of: 'bare node:http', ratio: ratio(figures, round => of(round).perSecond / round.bareHttp.perSecond),
  })
  const rows: Row[] = [
    loaded('bare node:http', figures.map(round => round.bareHttp)),
    http('Express as it comes', round => round.plainExpress),
    http('Express, shared prototypes', round => round.sharedExpress),
    http('our HTTP server, empty endpoint', round => round.ownHttp),
    { what: 'raw PKCS#11 seal', perSecond: rounded(figures.map(round => round.raw.sealsPerSecond)) },
    { what: 'raw PKCS#11 open', perSecond: rounded(figures.map(round => round.raw.opensPerSecond)) },
    operation('GenerateDataKey', figures, round => round.generateDataKey, round => round.raw.sealsPerSecond),
    operation('Encrypt', figures, round => round.encrypt, round => round.raw.sealsPerSecond),
    operation('Decrypt', figures, round => round.decrypt, round => round.raw.opensPerSecond),
    operation('GenerateDataKey, verifySeals off', figures, round => round.generateDataKeyTrusting, round => round.raw.sealsPerSecond),
    operation('Encrypt, verifySeals off', figures, round => round.encryptTrusting, round => round.raw.sealsPerSecond),
  ]
  process.stdout.write(`${table(rows).join('\n')}\n\n${JSON.stringify({ settings, rows }, null, 2)}\n`)
}

export interface SlowServerResult { readonly encrypt: LoadResult, readonly livez: LoadResult }

/** The lanes alone, and a whole server on them. */
export function reportSlowDevice(lanes: SlowDeviceResult, server: SlowServerResult): void {
  const limit = lanes.lanes / lanes.callMs * 1000
  const part = (perSecond: number): string => (perSecond / limit).toFixed(2)
  process.stdout.write([
    '', `A device of ${lanes.callMs} ms a call, ${lanes.lanes} lanes, so at most ${limit} calls a second:`,
    `  lanes alone: ${lanes.sealsPerSecond} a second, ${part(lanes.sealsPerSecond)} of it; processors in use: `
      + `${lanes.allCpu.toFixed(2)} of ${lanes.cpus}, the server's main thread `
      + `${lanes.mainCpu.toFixed(2)}; event loop p99 ${lanes.eventLoopP99Ms.toFixed(1)} ms`,
    `  with one lane hung: ${lanes.ratioWithOneHung.toFixed(2)} of that; failures: ${lanes.failures}`,
    `  Encrypt through the server: ${Math.round(server.encrypt.perSecond)} a second, ${part(server.encrypt.perSecond)} of it, `
      + `failures: ${server.encrypt.failures}; /livez meanwhile: p50 ${server.livez.p50Us} µs, p99 ${server.livez.p99Us} µs`,
    '', JSON.stringify({ lanes, server }, null, 2), '',
  ].join('\n'))
}

function operation(what: string, figures: readonly Figures[], of: (round: Figures) => LoadResult, hsm: (round: Figures) => number): Row {
  const limit = (round: Figures) => 1 / (1 / round.bareHttp.perSecond + 1 / hsm(round))
  return { ...loaded(what, figures.map(of)), of: '1/(1/http + 1/HSM)', ratio: ratio(figures, round => of(round).perSecond / limit(round)) }
}

function loaded(what: string, results: readonly LoadResult[]): Row {
  return {
    what,
    perSecond: rounded(results.map(result => result.perSecond)),
    p50Us: rounded(results.map(result => result.p50Us)),
    p99Us: rounded(results.map(result => result.p99Us)),
    failures: results.reduce((sum, result) => sum + result.failures, 0),
  }
}

function ratio(figures: readonly Figures[], of: (round: Figures) => number): number {
  return Math.round(median(figures.map(of)) * 100) / 100
}

function rounded(values: readonly number[]): number {
  return Math.round(median(values))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? 0) + (sorted[Math.floor(sorted.length / 2)] ?? 0)) / 2
}

function table(rows: readonly Row[]): readonly string[] {
  const cells = rows.map(row => [
    row.what, String(row.perSecond), row.p50Us === undefined ? '' : String(row.p50Us), row.p99Us === undefined ? '' : String(row.p99Us),
    row.failures ? String(row.failures) : '', row.ratio === undefined ? '' : row.ratio.toFixed(2), row.of ?? '',
  ])
  return aligned([['', 'per second', 'p50 µs', 'p99 µs', 'failures', 'ratio', 'of'], ...cells])
}

/** Lines of a table; the first column is of texts, and the others are of numbers. */
export function aligned(all: readonly (readonly string[])[]): readonly string[] {
  const widths = all[0]?.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0))) ?? []
  const padded = (cell: string, column: number) => column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return all.map(row => row.map(padded).join('  ').trimEnd())
}
