import { expect } from 'chai'
import { spawnProgram, temporaryDirectory, type Exit } from '../support/server.js'

type Environment = Readonly<Record<string, string>>

/** Runs the program to its end. Its data directory is empty unless it is named. */
export function claviger(line: readonly string[], dataDir = temporaryDirectory(), environment: Environment = {}): Promise<Exit> {
  return spawnProgram(line, { dataDir, environment }).exited
}

/** What it prints with --json, when it ends well. */
export async function json(line: readonly string[], dataDir?: string, environment?: Environment): Promise<unknown> {
  const { code, stdout, stderr } = await claviger([...line, '--json'], dataDir, environment)
  expect(code, stderr).to.equal(0)
  return JSON.parse(stdout)
}
