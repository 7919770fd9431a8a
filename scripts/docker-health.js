/**
 * The container's health check: 0 when /readyz of the server beside it answers 200. It asks over loopback, sends nothing and believes
 * nothing but the status, so the name in the certificate does not matter. A server that ends the connection because it requires a client
 * certificate is asked on the control socket in its data directory.
 */
import { get as getPlain } from 'node:http'
import { get as getTls } from 'node:https'
import { join } from 'node:path'

const timeoutMs = 4_000

const [host, port] = (process.env.CLAVIGER_LISTEN ?? '127.0.0.1:8080').split(/:(?=\d+$)/)
const loopback = /^(127\.|localhost$|\[::1\]$)/.test(host)
const listener = { host: loopback ? host.replace(/[[\]]/g, '') : '127.0.0.1', port }
const control = { socketPath: join(process.env.CLAVIGER_DATA_DIR ?? 'data', 'control.sock') }
// A listener that is not loopback has TLS always; one that is may or may not.
const ways = loopback ? [getPlain, getTls] : [getTls]

/** `ready`, `not ready`, `ended` without an answer, or `silent`: nobody there, or none in time. */
function asked(get, where) {
  return new Promise(resolve => {
    const request = get({ ...where, path: '/readyz', timeout: timeoutMs, rejectUnauthorized: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', part => { text += part }).on('error', () => resolve('ended'))
        .on('end', () => resolve(response.statusCode === 200 && text.startsWith('{"ok":true') ? 'ready' : 'not ready'))
    })
    request.on('timeout', () => {
      resolve('silent')
      request.destroy()
    })
    request.on('error', ({ code }) => resolve(code === 'ECONNREFUSED' ? 'silent' : 'ended'))
  })
}

const answers = await Promise.all(ways.map(way => asked(way, listener)))
if (!answers.some(answer => answer.endsWith('ready')) && answers.includes('ended')) answers.push(await asked(getPlain, control))
process.exit(answers.includes('ready') ? 0 : 1)
