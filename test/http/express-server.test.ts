import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import { expect } from 'chai'
import { expressApp, expressServer } from '../../src/http/express-server.js'
import { createHttpServer } from '../../src/http/server.js'
import { RawClient, rawRequest, recordingLog } from './fixtures.js'
import { selfSigned } from './self-signed.js'

describe('the server under Express', () => {
  it('makes requests and responses with the prototypes that Express sets on them', async () => {
    const app = expressApp()
    const seen: unknown[] = []
    const note = (...objects: readonly object[]) => seen.push(...objects.map(object => Object.getPrototypeOf(object) as unknown))
    app.post('/', (request, response) => {
      note(request, response)
      response.send(`${request.method} ${request.path} ${String(request.app === app && response.app === app)}`)
    })
    const server = expressServer(app, {}, undefined)
    server.prependListener('request', note)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = new RawClient((server.address() as AddressInfo).port).write(rawRequest('/', ''))
    expect(await client.answers(1)).to.match(/\r\n\r\nPOST \/ true$/)
    client.socket.destroy()
    server.close()
    expect(seen).to.deep.equal([app.request, app.response, app.request, app.response])
  })
})

describe('the HTTP server with TLS', () => {
  const tls = selfSigned()
  const endpoint = {
    answer: async () => ({ status: 200, headers: [], body: 'ok' }), refuse: () => ({ status: 400, headers: [], body: '' }),
  }
  const started = async () => {
    const server = createHttpServer({ endpoint, tls, ready: async () => ({ ok: true, checks: {} }), clock: Date, log: recordingLog() })
    return { server, ...await server.listen(0, '127.0.0.1') }
  }

  it('answers those who trust its certificate', async () => {
    const { server, port } = await started()
    const request = httpsRequest({
      host: '127.0.0.1', port, method: 'POST', path: '/', ca: tls.certificate, servername: 'localhost', agent: false,
    })
    request.end('{}')
    const [response] = await once(request, 'response') as [IncomingMessage]
    expect(response.statusCode).to.equal(200)
    expect(Buffer.concat(await response.toArray() as Buffer[]).toString()).to.equal('ok')
    await server.close(60_000)
  })

  it('survives those who do not speak it', async () => {
    const { server, port } = await started()
    const client = new RawClient(port).write(rawRequest('/', ''))
    await client.closed
    expect(client.received).not.to.contain('200')
    await server.close(60_000)
  })

  it('does not wait for a handshake that never ends when it closes', async () => {
    const { server, port } = await started()
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    const closed = once(socket, 'close')
    await server.close(50)
    socket.resume()
    await closed
  })
})
