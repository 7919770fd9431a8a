import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { controlServer, socketPathBytesMax } from '../../src/http/control.js'
import { RecordedLog } from '../support/recorded.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'

interface Answer { readonly status: number | undefined, readonly body: unknown }

function ask(socketPath: string, path: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path, method }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part })
        .on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }))
    }).on('error', reject).end()
  })
}

/** Everything that comes back for bytes that are no request. */
function send(path: string, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(path, () => socket.write(bytes))
    socket.setEncoding('latin1').on('data', (part: string) => { text += part }).on('end', () => resolve(text)).on('error', reject)
  })
}

describe('the control socket', () => {
  let directory: string
  let path: string
  let log: RecordedLog
  const closers: (() => Promise<void>)[] = []

  beforeEach(() => {
    directory = temporaryDirectory()
    path = join(directory, 'control.sock')
    log = new RecordedLog()
  })
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
    removeDirectory(directory)
  })

  async function open(pages: Readonly<Record<string, () => unknown>> = { '/page': () => ({ a: 1 }) }, at = path) {
    const control = await controlServer({ path: at, pages, log })
    if (control) closers.push(() => control.close())
    return control
  }

  it('answers a page that takes its time, and one that fails after a while', async () => {
    await open({ '/slow': async () => ({ a: 1 }), '/failing': () => Promise.reject(new Error('private')) })
    expect(await ask(path, '/slow')).to.deep.equal({ status: 200, body: { a: 1 } })
    expect(await ask(path, '/failing')).to.deep.equal({ status: 500, body: { error: 'the page failed' } })
    expect(log.entries.map(({ message }) => message)).to.deep.equal(['a page of the control socket failed'])
  })

  it('answers the pages that there are, and nothing else', async () => {
    await open()
    expect(await ask(path, '/page')).to.deep.equal({ status: 200, body: { a: 1 } })
    for (const [name, method] of [['/', 'GET'], ['/page/', 'GET'], ['/page?x', 'GET'], ['/page', 'POST'], ['/__proto__', 'GET']] as const) {
      expect((await ask(path, name, method)).status, `${method} ${name}`).to.equal(404)
    }
  })

  it('is for its owner only, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await open()
      expect(process.umask()).to.equal(0)
    } finally {
      process.umask(before)
    }
    expect(statSync(path).isSocket()).to.equal(true)
    expect(statSync(path).mode & 0o777).to.equal(0o600)
  })

  it('takes the place of what a killed process has left, and leaves nothing itself', async () => {
    writeFileSync(path, '')
    const control = await open()
    expect((await ask(path, '/page')).status).to.equal(200)
    await control?.close()
    closers.splice(0)
    expect(readdirSync(directory)).to.deep.equal([])
  })

  it('survives what is no request', async () => {
    await open()
    for (const bytes of ['\0'.repeat(100), 'GET\r\n\r\n', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`, 'GET /page HTTP/9.9\r\n\r\n']) {
      expect(await send(path, bytes)).to.match(/^(HTTP\/1\.1 4\d\d )?/)
    }
    expect((await ask(path, '/page')).status).to.equal(200)
  })

  it('answers 500 for a page that fails, without saying why', async () => {
    await open({ '/page': () => { throw new Error('the inside') } })
    const { status, body } = await ask(path, '/page')
    expect(status).to.equal(500)
    expect(JSON.stringify(body)).to.not.include('inside')
    expect(log.entries.map(({ message }) => message)).to.deep.equal(['a page of the control socket failed'])
  })

  it('closes although somebody is connected', async () => {
    const control = await open()
    const socket = connect(path)
    const closed = new Promise(resolve => { socket.on('close', resolve).on('error', () => undefined) })
    await new Promise(resolve => { socket.once('connect', resolve) })
    await control?.close()
    closers.splice(0)
    await closed
  })

  it('is done without where the path is too long for a socket', async () => {
    const long = join(directory, 'x'.repeat(socketPathBytesMax))
    expect(await open({}, long)).to.equal(undefined)
    expect(log.entries.map(({ level }) => level)).to.deep.equal(['warn'])
    expect(readdirSync(directory)).to.deep.equal([])
  })

  it('is done without where none can be made', async () => {
    mkdirSync(path)
    expect(await open()).to.equal(undefined)
    expect(await open({}, join(directory, 'missing', 'control.sock'))).to.equal(undefined)
    expect(log.entries.map(({ level }) => level)).to.deep.equal(['warn', 'warn'])
  })
})
