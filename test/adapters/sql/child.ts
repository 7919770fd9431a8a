import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export const source = (file: string) => new URL(`../../../src/${file}`, import.meta.url).href
export const support = (file: string) => new URL(`../../support/${file}`, import.meta.url).href

export interface Child {
  readonly process: ChildProcessWithoutNullStreams
  /** Each line of its output, once. */
  readonly lines: AsyncIterator<string>
  /** Resolves when it is gone. */
  end(signal: NodeJS.Signals): Promise<void>
}

/** Runs a module, given as its text, in another process. It ends when its input does, so it never outlives the tests. */
export function startChild(program: string, ...parameters: string[]): Child {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, ...parameters], { stdio: 'pipe' })
  child.stderr.pipe(process.stderr)
  const exit = once(child, 'exit')
  return {
    process: child,
    lines: createInterface(child.stdout)[Symbol.asyncIterator](),
    async end(signal) {
      child.kill(signal)
      await exit
    },
  }
}

export async function nextLine(child: Child): Promise<string> {
  const line = await child.lines.next()
  if (line.done) throw new Error('the child ended before it said anything more')
  return line.value
}
