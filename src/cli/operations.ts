import { keySpecRows, operationRows, operationTables } from '../service/operations/tables.js'
import { print, type OutputOptions } from './output.js'

/** What the service can do, from the tables that it works by; the README carries the same text. */
export function listOperations(options: OutputOptions): void {
  print(options, { operations: operationRows(), keySpecs: keySpecRows() }, operationTables)
}
