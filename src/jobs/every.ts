import type { Log } from '../ports/log.js'

export interface Repeated {
  /** Runs the task now, or waits for the run that is under way. Rejects if the task does. */
  now(): Promise<void>
  /** No further run; resolves when the one under way has ended. */
  stop(): Promise<void>
}

/** Runs a task again and again, never twice at once, with a pause of `intervalMs` between the end of one run and the next. */
export function every(intervalMs: number, name: string, task: () => Promise<void>, log: Log): Repeated {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let stopped = false

  function run(): Promise<void> {
    clearTimeout(timer)
    running ??= task().finally(() => {
      running = undefined
      if (!stopped) schedule()
    })
    return running
  }

  function schedule(): void {
    timer = setTimeout(() => {
      run().catch(error => log.error('a job failed and will be tried again', { job: name, error }))
    }, intervalMs)
    timer.unref()
  }

  schedule()
  return {
    now: run,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running?.catch(() => {})
    },
  }
}
