import { connect, createServer } from 'node:net'
import { DescribeKeyCommand, KMSClient, NotFoundException } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { KmsError } from '../../src/domain/errors.js'
import { jsonEndpoint } from '../../src/http/json/endpoint.js'
import type { HttpRequest } from '../../src/http/message.js'
import { createHttpServer } from '../../src/http/server.js'
import { accessKeyId, credentials, kmsApi, rawRequest, recordingLog, secret } from './fixtures.js'
import { describeServed, echo, eventually, gate, serve } from './served.js'

describeServed('the HTTP server', () => {
  it('hands over a request as it was received', async () => {
    const kms = echo()
    const { client } = await serve(kms)
    const head = ['POST /?a=%20b HTTP/1.1', 'HOST: Example:80', 'content-length: 2', 'X-Twice: one', 'x-twice:  two ', '__proto__: p']
    const text = [...head, '', '{}'].join('\r\n')
    await client().write(text).answers(1)
    const [{ requestId, headers, ...rest }] = kms.seen as [HttpRequest]
    expect(rest).to.deep.equal({ method: 'POST', target: '/?a=%20b', sourceIp: '127.0.0.1', secure: false, body: Buffer.from('{}') })
    expect([...headers]).to.deep.equal([['host', 'Example:80'], ['content-length', '2'], ['x-twice', 'one,two'], ['__proto__', 'p']])
    expect(requestId).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('spells its headers as clients look for them, with the time of its clock', async () => {
    const { client } = await serve()
    const answer = await client().write(rawRequest('/', 'body')).answers(1)
    expect(answer).to.match(/^HTTP\/1\.1 200 OK\r\n/).and.match(/\r\n\r\n4$/)
    expect(answer).to.contain('\r\nContent-Length: 1\r\n').and.contain('\r\nDate: Thu, 01 Jan 2026 12:30:15 GMT\r\n')
    expect(answer).to.contain('\r\nx-amzn-RequestId: ')
    expect(answer).not.to.match(/x-powered-by|etag|age:/i)
  })

  it('counts the bytes of an answer, not its characters', async () => {
    const { client } = await serve({ ...echo(), answer: async () => ({ status: 200, headers: [], body: 'é' }) })
    expect(await client().write(rawRequest('/', '')).answers(1)).to.contain('Content-Length: 2\r\n')
  })

  it('keeps a connection open for the next request', async () => {
    const { client } = await serve()
    const one = client()
    for (let at = 1; at <= 3; at++) await one.write(rawRequest('/', 'x'.repeat(at))).answers(at)
    expect(one.received.match(/\r\n\r\n\d/g)).to.deep.equal(['\r\n\r\n1', '\r\n\r\n2', '\r\n\r\n3'])
  })

  it('answers pipelined requests in their order', async () => {
    const gates = [gate(), gate(), gate()]
    let at = 0
    const { client } = await serve(echo(() => gates[at++]?.opened ?? Promise.resolve()))
    const one = client().write([1, 2, 3].map(length => rawRequest('/', 'x'.repeat(length))).join(''))
    for (const { open } of [...gates].reverse()) open()
    expect((await one.answers(3)).match(/\r\n\r\n\d/g)).to.deep.equal(['\r\n\r\n1', '\r\n\r\n2', '\r\n\r\n3'])
  })

  it('puts a body together that comes byte by byte or in chunks', async () => {
    const kms = echo()
    const { client } = await serve(kms)
    const slow = client()
    for (const byte of rawRequest('/', 'slow')) slow.write(byte)
    await slow.answers(1)
    await client().write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n').answers(1)
    expect(kms.seen.map(({ body }) => Buffer.from(body).toString())).to.deep.equal(['slow', 'abcde'])
  })

  it('knows no other place and no other method', async () => {
    const { client } = await serve()
    for (const line of ['GET /', 'PUT /', 'OPTIONS /', 'POST /other', 'POST //', 'GET /livez/', 'POST /livez', 'GET /LIVEZ', 'GET /%00']) {
      expect(await client().write(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`).answers(1)).to.match(/^HTTP\/1\.1 404 [^]*\r\n\r\nnot-found$/)
    }
  })

  it('answers 500 without text when something behind it fails', async () => {
    const { client, log } = await serve({ ...echo(), answer: async () => { throw new Error('private') } })
    expect(await client().write(rawRequest('/', '')).answers(1)).to.match(/\r\n\r\nfault$/)
    expect(log.entries.map(({ level }) => level)).to.deep.equal(['error'])
  })
})

describeServed('health', () => {
  it('is answered without a signature', async () => {
    const { client } = await serve()
    expect(await client().write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n').answers(1)).to.match(/^HTTP\/1\.1 200 [^]*\{"ok":true\}$/)
    expect(await client().write('GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n').answers(1)).to.match(/^HTTP\/1\.1 200 [^]*"hsm":"ok"/)
  })

  it('is answered to HEAD without a body', async () => {
    const { client } = await serve()
    const answer = await client().write('HEAD /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').until(() => false)
    expect(answer).to.match(/^HTTP\/1\.1 200 /).and.match(/\r\n\r\n$/)
  })
})

describeServed('closing', () => {
  it('answers what was begun, tells its client to go, and takes nothing new', async () => {
    const held = gate()
    const kms = echo(() => held.opened)
    const { client, server, port } = await serve(kms)
    const [busy, idle] = [client().write(rawRequest('/', 'x')), client()]
    await eventually(() => kms.seen.length === 1)
    await new Promise(resolve => idle.socket.connecting ? idle.socket.once('connect', resolve) : resolve(undefined))
    const closed = server.close(60_000)
    expect(await refusesConnections(port)).to.equal(true)
    held.open()
    expect(await busy.answers(1)).to.match(/^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n/).and.match(/\r\n\r\n1$/)
    await Promise.all([busy.closed, idle.closed, closed])
  })

  it('cuts what is not done at the deadline', async () => {
    const kms = echo(() => new Promise(() => {}))
    const { client, server } = await serve(kms)
    const stuck = client().write(rawRequest('/', 'x'))
    await eventually(() => kms.seen.length === 1)
    await server.close(20)
    await stuck.closed
    expect(stuck.received).to.equal('')
  })

  it('is done at once when nothing is in flight', async () => {
    const { client, server } = await serve()
    const one = client().write(rawRequest('/', 'x'))
    await one.answers(1)
    await server.close(60_000)
    await one.closed
  })
})

describe('listening', () => {
  it('fails when the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const server = createHttpServer({ endpoint: echo(), ready: async () => ({ ok: true, checks: {} }), clock: Date, log: recordingLog() })
    const error: unknown = await server.listen(port, '127.0.0.1').catch((reason: unknown) => reason)
    other.close()
    expect(error).to.have.property('code', 'EADDRINUSE')
  })
})

describeServed('the KMS API over HTTP', () => {
  const deps = { credentials, regions: new Set(['us-east-1']), clock: Date, log: recordingLog() }
  const clientOf = (port: number) => new KMSClient({
    region: 'us-east-1', endpoint: `http://127.0.0.1:${port}`, maxAttempts: 1, credentials: { accessKeyId, secretAccessKey: secret },
  })

  it('is understood by the JavaScript SDK', async () => {
    const { port } = await serve(jsonEndpoint(kmsApi(new Map()), {
      ...deps,
      perform: async (_origin, front) => {
        await front.authenticate()
        throw new KmsError('NotFoundException', 'there is none')
      },
    }))
    const client = clientOf(port)
    const error: unknown = await client.send(new DescribeKeyCommand({ KeyId: 'k' })).catch((reason: unknown) => reason)
    client.destroy()
    expect(error).to.be.instanceOf(NotFoundException)
    expect(error).to.include({ name: 'NotFoundException', message: 'there is none' })
    expect((error as NotFoundException).$metadata.requestId).to.match(/^[0-9a-f-]{36}$/)
  })
})

function refusesConnections(port: number): Promise<boolean> {
  return new Promise(resolve => {
    connect(port, '127.0.0.1').once('connect', () => resolve(false)).once('error', () => resolve(true))
  })
}
