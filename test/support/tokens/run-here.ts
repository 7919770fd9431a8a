import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const runMsMax = 60_000

/** Runs a compiled program beside this file; answers its stdout. Rejects with its stderr when it does not end with 0. */
export async function runHere(name: string, ...programArguments: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [here(name), ...programArguments], { timeout: runMsMax, killSignal: 'SIGKILL' })
  return stdout
}

export function here(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
