import http from 'node:http'
import { expect } from 'chai'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, spawnServer, type SpawnedServer } from '../support/server.js'
import { auditEvents } from './audit-records.js'
import { signed, type Sent } from './raw-request.js'
import { newKey } from './suite.js'

const connections = 64
const loadMs = 300

describe('a stop', function suiteOfStop() {
  this.timeout(60_000)
  let server: SpawnedServer

  before(async () => { server = await spawnServer({ settings: { log: { level: 'debug' } } }) })
  after(async () => {
    await server.kill()
    removeDirectory(server.dataDir)
  })

  it('by SIGTERM answers every request that was begun, then ends with 0', async () => {
    const { id } = await newKey(kmsClient(server))
    const request = signed(server, { operation: 'GenerateDataKey', input: { KeyId: id, KeySpec: 'AES_256' } })
    const answered: string[] = []
    const broken: string[] = []
    const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
    const load = Promise.all(Array.from({ length: connections }, () => callUntilRefused(request, agent, answered, broken)))
    await new Promise(resolve => setTimeout(resolve, loadMs))
    const exit = await server.kill('SIGTERM')
    await load
    agent.destroy()

    expect([exit.code, exit.signal]).to.deep.equal([0, null])
    expect(exit.stdout).to.match(/"message":"stopping","why":"SIGTERM"[^]*"message":"stopped"/)
    expect(broken).to.deep.equal([])
    // Whatever was done was recorded first, so a record without an answer would be a request that was cut off.
    const recorded = auditEvents(server.dataDir).flatMap(({ eventName, requestID }) => eventName === 'GenerateDataKey' ? [requestID] : [])
    expect(recorded).to.have.length.above(connections)
    const [answeredIds, recordedIds] = [new Set(answered), new Set(recorded)]
    expect(recorded.filter(id => !answeredIds.has(id ?? '')), 'recorded, not answered').to.deep.equal([])
    expect(answered.filter(id => !recordedIds.has(id)), 'answered, not recorded').to.deep.equal([])
  })

  /** One request after the other, until the server takes no more. */
  async function callUntilRefused(request: Sent, agent: http.Agent, answered: string[], broken: string[]): Promise<void> {
    for (;;) {
      const outcome = await call(request, agent)
      if (outcome === 'refused') return
      if (outcome === 'broken') return void broken.push(outcome)
      answered.push(outcome)
    }
  }

  /** The request id of a whole answer; `refused` when nothing came back, `broken` when part of an answer did. */
  function call({ method, headers, body }: Sent, agent: http.Agent): Promise<string> {
    return new Promise(resolve => {
      const options = { method, headers: { 'content-length': String(body.length), ...headers }, agent }
      const sending = http.request(server.url, options, answer => {
        answer.resume().on('error', () => resolve('broken')).on('end', () => {
          const whole = answer.complete && answer.statusCode === 200
          resolve(whole ? String(answer.headers['x-amzn-requestid']) : 'broken')
        })
      })
      sending.on('error', () => resolve('refused')).end(body)
    })
  }
})

describe('a stop by SIGINT', function suiteOfInterrupt() {
  this.timeout(60_000)

  it('ends with 0 as well, at once when nothing is being done', async () => {
    const server = await spawnServer()
    // A connection that is open and idle is nothing being done.
    await kmsClient(server).listKeys({})
    const began = performance.now()
    const { code } = await server.kill('SIGINT')
    expect(code).to.equal(0)
    expect(performance.now() - began).to.be.below(5_000)
    removeDirectory(server.dataDir)
  })
})
