import { expect } from 'chai'
import { every, type Repeated } from '../../src/jobs/every.js'
import { RecordedLog } from '../support/recorded.js'
import { rejected } from '../support/refusal.js'

/** Shorter than any wait of these tests, so that nothing ends them but what they wait for. */
const soonMs = 1
const neverMs = 1_000_000

/** A task whose runs wait to be ended, and that can be waited for. */
class Task {
  started = 0
  atOnce = 0
  atOnceMax = 0
  #end: ((error?: Error) => void) | undefined
  #onStart: (() => void) | undefined

  readonly run = (): Promise<void> => {
    this.started++
    this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce)
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = error => error ? reject(error) : resolve()
    })
    this.#onStart?.()
    return ended.finally(() => { this.atOnce-- })
  }

  end(error?: Error): void {
    this.#end?.(error)
  }

  next(): Promise<void> {
    return new Promise(resolve => { this.#onStart = resolve })
  }
}

describe('repeated job', () => {
  let task: Task
  let log: RecordedLog
  let job: Repeated

  beforeEach(() => {
    task = new Task()
    log = new RecordedLog()
  })
  afterEach(async () => {
    const stopped = job.stop()
    task.end()
    await stopped
  })

  const begin = (intervalMs: number) => every(intervalMs, 'test', task.run, log)

  it('runs again and again', async () => {
    job = begin(soonMs)
    for (let run = 1; run <= 3; run++) {
      await task.next()
      expect(task.started).to.equal(run)
      task.end()
    }
  })

  it('does not run before its interval is over', async () => {
    job = begin(neverMs)
    await new Promise(resolve => setImmediate(resolve))
    expect(task.started).to.equal(0)
  })

  it('runs at once when asked, and settles with the run', async () => {
    job = begin(neverMs)
    const running = job.now()
    expect(task.started).to.equal(1)
    task.end()
    await running
  })

  it('never runs twice at once: whoever asks waits for the run that is under way', async () => {
    job = begin(soonMs)
    await task.next()
    const waiting = [job.now(), job.now()]
    expect(task.started).to.equal(1)
    task.end()
    await Promise.all(waiting)
    await task.next()
    expect(task.atOnceMax).to.equal(1)
  })

  it('tells who asked for the run that it failed', async () => {
    job = begin(neverMs)
    const running = job.now()
    task.end(new RangeError('broken'))
    await rejected(running, RangeError)
  })

  it('logs a run by the clock that failed, and goes on', async () => {
    job = begin(soonMs)
    await task.next()
    task.end(new RangeError('broken'))
    await task.next()
    expect(task.started).to.equal(2)
    expect(log.entries[0]).to.deep.include({ level: 'error', message: 'a job failed and will be tried again' })
    expect(log.entries[0]?.fields).to.include({ job: 'test' })
  })

  it('stops when the run under way has ended, and not before', async () => {
    job = begin(soonMs)
    await task.next()
    let stopped = false
    const stopping = job.stop().then(() => { stopped = true })
    await new Promise(resolve => setImmediate(resolve))
    expect(stopped).to.equal(false)
    task.end()
    await stopping
    // Long enough for a run that should not come.
    await new Promise(resolve => setTimeout(resolve, 20 * soonMs))
    expect(task.started).to.equal(1)
  })

  it('stops although the run under way fails', async () => {
    job = begin(soonMs)
    await task.next()
    const stopping = job.stop()
    task.end(new RangeError('broken'))
    await stopping
    expect(task.started).to.equal(1)
  })
})
