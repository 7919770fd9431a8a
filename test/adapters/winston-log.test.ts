import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { expect } from 'chai'
import { createLog, type LogLevel } from '../../src/adapters/winston-log.js'
import type { LogFields } from '../../src/ports/log.js'

/** A stream that keeps what it is given; a stuck one takes one piece and never finishes it. */
class Kept extends Writable {
  text = ''
  readonly #stuck: boolean

  constructor(stuck = false) {
    super()
    this.#stuck = stuck
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString()
    if (!this.#stuck) done()
  }
}

async function logged(format: 'json' | 'readable', message: string, fields?: LogFields, level: LogLevel = 'info'): Promise<string> {
  const stream = new Kept()
  createLog({ level: 'debug', format, stream })[level](message, fields)
  await new Promise(resolve => setImmediate(resolve))
  return stream.text
}

async function json(fields: LogFields): Promise<Record<string, unknown>> {
  return JSON.parse(await logged('json', 'a message', fields)) as Record<string, unknown>
}

describe('the application log', () => {
  it('is one JSON object a line, with time, level and message', async () => {
    const line = await logged('json', 'a message', { keyId: 'k', count: 3 }, 'warn')
    expect(line.endsWith('}\n')).to.equal(true)
    const { time, ...entry } = JSON.parse(line) as Record<string, unknown>
    expect(time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(entry).to.deep.equal({ level: 'warn', message: 'a message', keyId: 'k', count: 3 })
  })

  it('is readable on a terminal', async () => {
    const line = await logged('readable', 'a message', { keyId: 'k', text: 'two words', list: [1, 2] })
    expect(line).to.match(/^\d\d:\d\d:\d\d\.\d{3} info {2}a message keyId=k text="two words" list=\[1,2\]\n$/)
  })

  it('leaves out what is below its level', async () => {
    const stream = new Kept()
    const log = createLog({ level: 'warn', format: 'json', stream })
    log.debug('no')
    log.info('no')
    log.warn('first')
    log.error('second')
    await new Promise(resolve => setImmediate(resolve))
    expect(stream.text.match(/"message":"\w+"/g)).to.deep.equal(['"message":"first"', '"message":"second"'])
  })

  it('replaces what has the name of a secret, at any depth', async () => {
    const secrets = [
      'pin', 'PIN', 'userPin', 'user_pin', 'tokenPIN', 'soPin', 'secret', 'secretAccessKey', 'SecretAccessKey', 'clientSecret', 'plaintext',
      'Plaintext', 'password', 'dbPassword', 'passphrase', 'authorization', 'Authorization', 'x-amz-security-token', 'sessionToken',
      'GrantTokens', 'importToken', 'privateKey', 'PrivateKeyPlaintext', 'keyBytes', 'key_bytes', 'cookie', 'set-cookie',
    ]
    for (const name of secrets) {
      expect((await json({ [name]: 'hush' }))[name], name).to.equal('[redacted]')
      expect(await logged('json', 'm', { a: [{ b: new Map([[name, { c: 'hush' }]]) }] }), name).not.to.contain('hush')
      expect(await logged('readable', 'm', { a: { [name]: 'hush' } }), name).not.to.contain('hush')
    }
  })

  it('shows names that only look like it', async () => {
    for (const name of ['mapping', 'token', 'keyId', 'accessKeyId', 'keyMaterialId', 'pinned', 'spinning', 'ciphertext', 'grantId']) {
      expect((await json({ [name]: 'shown' }))[name], name).to.equal('shown')
    }
  })

  it('never shows bytes', async () => {
    const bytes = Uint8Array.of(65, 66, 67)
    const buffer = Buffer.from(bytes)
    const forms = { bytes, buffer, view: new DataView(bytes.buffer), plain: bytes.buffer, parsed: buffer.toJSON() }
    const { time: _time, level: _level, message: _message, ...fields } = await json({ ...forms, list: [bytes] })
    const hidden = Object.fromEntries(Object.keys(forms).map(name => [name, '[bytes]']))
    expect(fields).to.deep.equal({ ...hidden, list: ['[bytes]'] })
  })

  it('keeps what errors say: name, message, stack, cause and codes', async () => {
    const cause = Object.assign(new TypeError('inner'), { code: 'EIO', pin: '1234' })
    const { error } = await json({ error: new AggregateError([new Error('one')], 'outer', { cause }) })
    expect(error).to.deep.include({ name: 'AggregateError', message: 'outer' })
    expect(error).to.have.nested.property('stack').that.matches(/outer\n {4}at /)
    expect(error).to.have.property('cause').that.includes({ name: 'TypeError', message: 'inner', code: 'EIO', pin: '[redacted]' })
    expect(error).to.have.nested.property('errors[0].message', 'one')
    const readable = await logged('readable', 'failed', { error: new Error('outer', { cause }) })
    expect(readable).to.match(/failed error="outer"\n {4}\| Error: outer\n {4}\| {5}at /)
    expect(readable).to.match(/\n {4}\| caused by TypeError: inner\n/)
  })

  it('cannot be made to begin a line by a message, a field or an error', async () => {
    const forged = 'x\n{"level":"info","message":"forged"}\r\n\u001b[2J\u0085\u2028'
    for (const format of ['json', 'readable'] as const) {
      const text = await logged(format, forged, { [forged]: forged, list: [forged], plain: forged })
      expect(text.split(/[\n\r\u0085\u2028]/), format).to.have.length(2)
      expect(text, format).not.to.match(/\u001b/)
      const lines = (await logged(format, 'm', { error: new Error(forged) })).split(/[\n\r\u0085\u2028]/).slice(1, -1)
      expect(lines.every(line => line.startsWith('    | ')), format).to.equal(true)
    }
  })

  it('does not let a field take the place of time, level or message', async () => {
    const entry = await json({ level: 'error', message: 'other', time: 'never' })
    expect(entry).to.include({ level: 'info', message: 'a message', field_level: 'error' })
  })

  it('never throws, whatever it is given, and gives every value an end', async () => {
    const circular: Record<string, unknown> = { name: 'circular' }
    circular.self = circular
    const hostile = Object.defineProperty({}, 'x', { enumerable: true, get: () => { throw new Error('no') } })
    const long = 'x'.repeat(100_000)
    const odd = { circular, big: 1n, none: undefined, never: null, date: new Date(NaN), f: () => 1, symbol: Symbol('s'), long }
    const line = await logged('json', 'm', odd)
    expect(line).to.contain('[deeper]').and.contain('"big":"1"').and.contain('(100000 characters)')
    expect(line.length).to.be.lessThan(10_000)
    expect((await logged('json', 'm', { many: Array.from({ length: 100_000 }, () => 'y') })).length).to.be.lessThan(1000)
    const stream = new Kept()
    const log = createLog({ level: 'debug', format: 'readable', stream })
    log.info('m', hostile)
    log.info('n')
    await new Promise(resolve => setImmediate(resolve))
    expect(stream.text).to.match(/log entries were lost.* lost=1\n.* n\n$/)
  })

  it('drops entries, and says how many, rather than wait or fill the memory when its reader is slow', async () => {
    const stream = new Kept(true)
    const log = createLog({ level: 'info', format: 'json', stream })
    for (let at = 0; at < 2000; at++) {
      log.info('x'.repeat(8000))
      if (at % 16 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    expect(stream.writableLength).to.be.within(4_000_000, 4_500_000)
  })

  it('survives a reader that goes away', async () => {
    const url = new URL('../../src/adapters/winston-log.js', import.meta.url).href
    const program = `
      import { createLog } from ${JSON.stringify(url)}
      const log = createLog({ level: 'info', format: 'json' })
      log.info('hello')
      process.stdin.on('end', () => {
        for (let at = 0; at < 100; at++) log.info('nobody reads this')
        setImmediate(() => { log.error('nor this'); process.stderr.write('alive') })
      }).resume()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'pipe'] })
    const exit = once(child, 'exit')
    let stderr = ''
    child.stderr.on('data', (text: Buffer) => { stderr += text.toString() })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    child.stdin.end()
    expect(await exit).to.deep.equal([0, null])
    expect(stderr).to.equal('alive')
  })
})
