import { readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HsmError } from '../../../ports/hsm.js'

/**
 * The directory of a token that keeps its objects in files and leaves them to the kernel. SoftHSM never calls fsync: after a power
 * failure an object could be empty although the database, which does, says that its key is ready.
 */
export class DurableDirectory {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Runs a change of the token and answers its result once it is on the disk. If that fails, `undo` takes the change back and kind
   * `lost` is thrown: after a failed fsync the kernel may have dropped what it could not write, and another would prove nothing.
   */
  async keep<T>(change: () => T | Promise<T>, undo?: () => unknown): Promise<T> {
    const before = new Set(this.#files())
    const result = await change()
    try {
      await syncAll(this.#files().filter(file => !before.has(file) || !isObject(file)))
      return result
    } catch (error) {
      await undo?.()
      throw lost(error)
    }
  }

  #files(): readonly string[] {
    try {
      return filesIn(this.#path)
    } catch (error) {
      throw lost(error)
    }
  }
}

/** `<uuid>.object` and its lock: never written again. What counts the objects, and the token's own, may have been. */
function isObject(file: string): boolean {
  return /-[^/]*\.(object|lock)$/.test(file)
}

function filesIn(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .flatMap(entry => entry.isDirectory() ? filesIn(join(path, entry.name)) : [join(path, entry.name)])
}

async function syncAll(files: readonly string[]): Promise<void> {
  await Promise.all(files.map(sync))
  await Promise.all(Array.from(new Set(files.map(file => dirname(file))), sync))
}

/** Another process may have taken the file away meanwhile; then nothing is left to keep. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  try {
    await handle?.sync()
  } finally {
    await handle?.close()
  }
}

function lost(cause: unknown): HsmError {
  return new HsmError('lost', 'the files of the token may not have reached the disk', undefined, { cause })
}
