/**
 * The container's health check: 0 when /readyz of the server beside it answers 200. It asks over loopback, sends nothing and believes
 * nothing but the status, so the name in the certificate does not matter.
 */
import { get as getPlain } from 'node:http'
import { get as getTls } from 'node:https'

const timeoutMs = 4_000

const [host, port] = (process.env.CLAVIGER_LISTEN ?? '127.0.0.1:8080').split(/:(?=\d+$)/)
const loopback = /^(127\.|localhost$|\[::1\]$)/.test(host)
// A listener that is not loopback has TLS always; one that is may or may not.
const ways = loopback ? [getPlain, getTls] : [getTls]

function isReady(get) {
  return new Promise(resolve => {
    const options = { host: loopback ? host.replace(/[[\]]/g, '') : '127.0.0.1', port, path: '/readyz', timeout: timeoutMs }
    const request = get({ ...options, rejectUnauthorized: false }, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })
}

const answers = await Promise.all(ways.map(isReady))
process.exit(answers.includes(true) ? 0 : 1)
