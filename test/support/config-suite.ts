import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, readConfig, type Config } from '../../src/config.js'
import { removeDirectory, temporaryDirectory } from './server.js'

type Environment = Readonly<Record<string, string>>

/** A directory for the configuration file of each test of one `describe`. */
export interface ConfigSuite {
  readonly directory: string
  /** The settings in that file, and the variable that names it. */
  readonly inFile: (settings: unknown) => { readonly CLAVIGER_CONFIG: string }
  readonly read: (settings: unknown, environment?: Environment) => Config
  /** What `read` says is wrong. */
  readonly faultsOf: (settings: unknown, environment?: Environment) => readonly string[]
}

export function configSuite(): ConfigSuite {
  let directory: string
  beforeEach(() => { directory = temporaryDirectory() })
  afterEach(() => removeDirectory(directory))

  function inFile(settings: unknown): { readonly CLAVIGER_CONFIG: string } {
    const file = join(directory, 'claviger.yaml')
    // JSON is YAML, too.
    writeFileSync(file, typeof settings === 'string' ? settings : JSON.stringify(settings))
    return { CLAVIGER_CONFIG: file }
  }

  const read = (settings: unknown, environment: Environment = {}): Config => readConfig({ ...inFile(settings), ...environment })

  function faultsOf(settings: unknown, environment: Environment = {}): readonly string[] {
    try {
      read(settings, environment)
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
    return []
  }

  return { get directory() { return directory }, inFile, read, faultsOf }
}
