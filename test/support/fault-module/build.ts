import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

// The tests run compiled, from the project's root; C sources stay where they are.
const sources = 'test/support/fault-module'
const headers = 'node_modules/pkcs11js/includes/pkcs11'
const cache = 'node_modules/.cache/claviger-fault-module'
const flags = [
  '-std=gnu11', '-O2', '-g', '-fPIC', '-shared', '-fvisibility=hidden', '-pthread', '-Wall', '-Wextra', '-Werror', '-isystem', headers,
]

let built: Promise<string> | undefined

/** Absolute path of the fault module's library; compiled when its sources have changed, once for all processes of a checkout. */
export function faultModule(): Promise<string> {
  built ??= build()
  return built
}

async function build(): Promise<string> {
  const names = (await readdir(sources)).filter(name => /\.[ch]$/.test(name)).sort()
  const hash = createHash('sha256').update(JSON.stringify([process.platform, process.arch, flags]))
  for (const name of names) hash.update(`${name}\0`).update(await readFile(join(sources, name)))
  const folder = resolve(cache, hash.digest('hex').slice(0, 16))
  const library = join(folder, 'libfault.so')
  if (!existsSync(library)) await compile(names.filter(name => name.endsWith('.c')), folder, library)
  return library
}

// Beside its place and then renamed: other processes see a whole library or none.
async function compile(names: readonly string[], folder: string, library: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const beside = join(folder, `${process.pid}-${randomBytes(4).toString('hex')}.so`)
  try {
    await compiled([...flags, '-o', beside, ...names.map(name => join(sources, name)), '-ldl'])
    await rename(beside, library)
  } finally {
    await rm(beside, { force: true })
  }
}

async function compiled(args: readonly string[]): Promise<void> {
  for (const compiler of ['cc', 'gcc', 'clang']) {
    try {
      await run(compiler, args)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  throw new Error('the fault module needs a C compiler: none of cc, gcc and clang is there (on Debian: apt-get install gcc)')
}
