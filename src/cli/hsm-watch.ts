import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { controlSocket } from '../compose.js'
import { readConfig } from '../config.js'
import { UnusableInput } from '../inspect.js'
import type { HsmStatus } from '../ports/hsm.js'
import { table, type OutputOptions } from './output.js'

interface WatchOptions extends OutputOptions {
  readonly store?: string
  readonly seconds?: string
  readonly once?: boolean
  readonly config?: string
}

/** A page of the control socket. */
export interface WatchedStore extends HsmStatus { readonly name: string, readonly connection: string }

const secondsDefault = 2
const answerMsMax = 5_000
const answerBytesMax = 1024 * 1024

/** Shows lanes, queue and latency of a running server, again and again until it is told to stop. */
export async function hsmWatch(options: WatchOptions): Promise<void> {
  const seconds = Number(options.seconds ?? secondsDefault)
  if (!(seconds >= 0.1 && seconds <= 3_600)) throw new UnusableInput('--seconds must be between 0.1 and 3600')
  const path = controlSocket(readConfig({ ...process.env, ...options.config !== undefined && { CLAVIGER_CONFIG: options.config } }))
  let unread = false
  // Its reader is gone (`| head`). The stream itself does not say so: it never counts as destroyed.
  process.stdout.once('error', () => { unread = true })
  for (;;) {
    const stores = chosen(await ask(path), options.store)
    // JSON Lines: one look, one line.
    process.stdout.write(options.json ? `${JSON.stringify(stores)}\n` : `${stores.flatMap(lines).join('\n')}\n`)
    if (options.once) return
    await pause(seconds * 1_000)
    if (unread) return
  }
}

function chosen(stores: readonly WatchedStore[], name: string | undefined): readonly WatchedStore[] {
  const found = stores.filter(store => name === undefined || store.name === name)
  if (found.length > 0) return found
  throw new UnusableInput(`there is no key store ${name}; there are: ${stores.map(store => store.name).join(', ')}`)
}

function lines({ name, connection, host, token, profile, suite, circuit, lanes, queue, calls, latency }: WatchedStore): readonly string[] {
  const title = token
    ? `token "${token.label}" (${token.manufacturer} ${token.model}), profile ${profile}, suite ${suite}`
    : connection === 'disconnected' ? 'disconnected' : 'no token reached yet'
  return [
    `${name}: ${title}, host ${host}, circuit ${circuit}`,
    `  calls: ${calls.done} done, ${calls.failed} failed, ${calls.refused} refused, ${calls.deadlineMissed} over their deadline`,
    `  latency of the last ${latency.calls}: p50 ${latency.p50} µs, p99 ${latency.p99} µs, max ${latency.max} µs`,
    ...queue.max > 0 ? [`  queue: ${queue.length} of ${queue.max}, waiting ${queue.waitMsMax} ms at most`] : [],
    ...table(lanes.map(({ lane, pid, state, calls: each, replaced }) =>
      [`  lane ${lane}`, state, pid === undefined ? '' : `pid ${pid}`, `${each} calls`, `replaced ${replaced} times`])),
    '',
  ]
}

function ask(path: string): Promise<readonly WatchedStore[]> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string) => reject(new UnusableInput(`no running server answers on ${path}: ${why}`))
    const asked = request({ socketPath: path, path: '/key-stores', timeout: answerMsMax }, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part
        if (text.length > answerBytesMax) asked.destroy(new Error('its answer is too long'))
      })
      // Its server may end in the middle of an answer.
      answer.on('error', error => refuse(error.message)).on('end', () => {
        if (answer.statusCode !== 200) return refuse(`status ${answer.statusCode}`)
        try {
          resolve(JSON.parse(text) as WatchedStore[])
        } catch {
          refuse('its answer is not JSON')
        }
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('it does not answer'))).on('error', error => refuse(error.message)).end()
  })
}
