import { join } from 'node:path'
import { runHere } from './run-here.js'
import { described, installed, label, libraryPaths, newDirectory, removeDirectory, type TestToken } from './token.js'

/**
 * NSS softoken with a key database of its own. One process has one database at a time: the library is told which when it is initialised.
 */
export async function nssToken(): Promise<TestToken> {
  const module = installed('NSS softoken', libraryPaths('libsoftokn3.so'))
  const directory = newDirectory()
  const libraryParameters = `configdir='sql:${directory}' dbTokenDescription='${label}'`
  await runHere('make-token.js', 'nss', directory, module, libraryParameters)
  return {
    ...described({ module, pinFile: join(directory, 'pin'), libraryParameters }),
    close: async () => removeDirectory(directory),
  }
}
