import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The processes of a benchmark. None of them outlives it. */
export const here = fileURLToPath(new URL('.', import.meta.url))
const children: ChildProcess[] = []

export function kept<C extends ChildProcess>(child: C): C {
  children.push(child)
  return child
}

/** A program of this folder. */
export function program(file: string): ChildProcess {
  return kept(fork(join(here, file)))
}

export async function ask<T>(child: ChildProcess, order: object): Promise<T> {
  child.send(order)
  const [answer] = await once(child, 'message') as [{ result?: T, error?: string }]
  if (answer.result === undefined) throw new Error(answer.error)
  return answer.result
}

export function endChildren(): void {
  for (const child of children) child.kill('SIGKILL')
}
