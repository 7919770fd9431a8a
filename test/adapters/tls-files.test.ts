import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { TlsFilesError, type TlsPaths } from '../../src/adapters/tls-files/read.js'
import { TlsFiles } from '../../src/adapters/tls-files/tls-files.js'
import type { TlsMaterial } from '../../src/ports/tls.js'
import { MovedClock } from '../support/clock.js'
import { TestCa, type Pair } from '../support/pki.js'
import { RecordedLog } from '../support/recorded.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'

const dayMs = 86_400_000

describe('the files of TLS', () => {
  let ca: TestCa
  let directory: string
  let paths: TlsPaths
  let log: RecordedLog
  let clock: MovedClock
  let changes: TlsMaterial[]

  before(() => { ca = new TestCa('a CA') })
  beforeEach(() => {
    directory = temporaryDirectory()
    paths = { certificate: join(directory, 'c.pem'), key: join(directory, 'k.pem') }
    log = new RecordedLog()
    clock = new MovedClock(Date.now())
    changes = []
  })
  afterEach(() => removeDirectory(directory))

  const pair = (days = 100) => ca.issue({ names: ['DNS:localhost'], until: new Date(Date.now() + days * dayMs) })
  const messages = () => log.entries.map(({ level, message }) => `${level}: ${message}`)

  function write({ certificate, key }: Pair, into = directory): void {
    writeFileSync(join(into, 'c.pem'), certificate)
    writeFileSync(join(into, 'k.pem'), key)
  }

  function opened(): TlsFiles {
    const files = new TlsFiles(paths, log, clock)
    files.onChange(material => void changes.push(material))
    return files
  }

  it('are read at once, with whatever stands beside the certificates', () => {
    const made = pair()
    write({ certificate: `the server\n${made.certificate}and its CA\n${ca.certificate}`, key: made.key })
    expect(opened().material).to.deep.equal({ certificate: made.certificate + ca.certificate, key: made.key })
    expect(log.entries).to.deep.equal([])
  })

  it('must be good from the start', () => {
    write({ certificate: pair().certificate, key: pair().key })
    expect(opened).to.throw(TlsFilesError, /is not the key of/)
  })

  it('are nothing new as long as they hold the same', async () => {
    const made = pair()
    write(made)
    const files = opened()
    await files.look()
    write(made)
    await files.look()
    expect(changes).to.deep.equal([])
    expect(log.entries).to.deep.equal([])
  })

  it('are taken anew when they hold something else, and the log says which certificate it is', async () => {
    write(pair())
    const files = opened()
    const next = pair()
    write(next)
    await files.look()
    expect(changes).to.deep.equal([{ certificate: next.certificate, key: next.key }])
    expect(files.material).to.deep.equal(changes[0])
    expect(messages()).to.deep.equal(['info: new TLS certificate'])
    expect(log.entries[0]?.fields).to.deep.include({ names: 'DNS:localhost' })
    expect(log.entries[0]?.fields?.sha256Fingerprint).to.match(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    expect(Date.parse(String(log.entries[0]?.fields?.expires)) - Date.now()).to.be.within(99 * dayMs, 100 * dayMs)
  })

  it('are found where Kubernetes puts them: behind a link that is moved', async () => {
    const [first, second] = [join(directory, '..1'), join(directory, '..2')]
    for (const version of [first, second]) {
      mkdirSync(version)
      write(pair(), version)
    }
    symlinkSync('..1', join(directory, '..data'))
    for (const name of ['c.pem', 'k.pem']) symlinkSync(join('..data', name), join(directory, name))
    const files = opened()
    const before = files.material
    symlinkSync('..2', join(directory, '..data_tmp'))
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
    rmSync(first, { recursive: true })
    await files.look()
    expect(changes).to.have.length(1)
    expect(files.material).not.to.deep.equal(before)
    expect(messages()).to.deep.equal(['info: new TLS certificate'])
  })

  for (const [how, spoil] of [
    ['only the certificate is new', () => writeFileSync(paths.certificate, pair().certificate)],
    ['only the key is new', () => writeFileSync(paths.key, pair().key)],
    ['the certificate is half written', () => writeFileSync(paths.certificate, pair().certificate.slice(0, 400))],
    ['the chain is half written', () => writeFileSync(paths.certificate, pair().certificate + ca.certificate.slice(0, 100))],
    ['the key is empty', () => writeFileSync(paths.key, '')],
    ['a file is gone', () => unlinkSync(paths.certificate)],
    ['a file is a directory', () => { unlinkSync(paths.key); mkdirSync(paths.key) }],
  ] as const) {
    it(`stay as they were while ${how}, and the log is told once`, async () => {
      write(pair())
      const files = opened()
      const before = files.material
      spoil()
      for (let times = 0; times < 3; times++) await files.look()
      expect(changes).to.deep.equal([])
      expect(files.material).to.equal(before)
      expect(messages()).to.deep.equal(['error: the files of TLS cannot be used: those of before stay in use'])
      expect(log.entries[0]?.fields?.faults).to.have.length(1)
      rmSync(paths.key, { recursive: true, force: true })
      write(pair())
      await files.look()
      expect(changes).to.have.length(1)
      expect(messages().slice(1)).to.deep.equal(['info: the files of TLS can be used again', 'info: new TLS certificate'])
    })
  }

  it('are told of again when they are bad once more', async () => {
    const made = pair()
    write(made)
    const files = opened()
    for (const key of ['', made.key, '']) {
      writeFileSync(paths.key, key)
      await files.look()
    }
    expect(messages().map(text => text.split(':')[0])).to.deep.equal(['error', 'info', 'error'])
  })

  it('count as bad when the listener cannot use them', async () => {
    write(pair())
    const files = new TlsFiles(paths, log, clock)
    const before = files.material
    files.onChange(() => { throw new Error('too short') })
    write(pair())
    await files.look()
    expect(files.material).to.equal(before)
    expect(log.entries.map(({ fields }) => fields)).to.deep.equal([{ faults: ['too short'] }])
  })

  it('hold no private key in the log', async () => {
    const made = pair()
    write(made)
    const files = opened()
    writeFileSync(paths.certificate, made.key)
    writeFileSync(paths.key, made.certificate)
    await files.look()
    expect(log.entries).to.have.length(1)
    expect(JSON.stringify(log.entries)).not.to.contain('MI').and.not.to.contain('BEGIN')
  })

  describe('of client certificates', () => {
    beforeEach(() => {
      write(pair())
      paths = { ...paths, clients: { ca: [join(directory, 'ca.pem')], crl: [join(directory, 'crl.pem')], required: false } }
      writeFileSync(join(directory, 'ca.pem'), ca.certificate)
      writeFileSync(join(directory, 'crl.pem'), ca.crl())
    })

    it('are taken anew, too, without a word of the certificate, which is the same', async () => {
      const files = opened()
      const other = new TestCa('another CA')
      writeFileSync(join(directory, 'ca.pem'), ca.certificate + other.certificate)
      writeFileSync(join(directory, 'crl.pem'), ca.crl() + other.crl())
      await files.look()
      expect(changes.map(({ clients }) => clients?.ca)).to.deep.equal([[ca.certificate, other.certificate]])
      expect(changes[0]?.clients?.crl).to.have.length(2)
      expect(log.entries).to.deep.equal([])
    })

    it('stay as they were while one is half written', async () => {
      const files = opened()
      for (const name of ['ca.pem', 'crl.pem']) writeFileSync(join(directory, name), '')
      await files.look()
      expect(changes).to.deep.equal([])
      expect(log.entries[0]?.fields?.faults).to.have.length(2)
    })

    it('are warned of when the list is out of date, and not before', async () => {
      const files = opened()
      clock.advance(dayMs - 3_600_000)
      await files.look()
      expect(messages().filter(text => text.includes('revocation'))).to.deep.equal([])
      clock.advance(2 * 3_600_000)
      await files.look()
      expect(messages()).to.include('warn: a revocation list is out of date: client certificates of its CA are refused')
    })

    it('are warned of before a CA expires', () => {
      writeFileSync(join(directory, 'ca.pem'), ca.certificate + new TestCa('another CA', { days: 13 }).certificate)
      opened()
      expect(messages()).to.deep.equal(['warn: a client CA expires'])
    })
  })

  describe('that expire', () => {
    const warnings = () => log.entries.filter(({ level }) => level === 'warn').map(({ fields }) => fields?.expired)

    it('are warned of once a day from 14 days before on', async () => {
      write(pair(20))
      const files = opened()
      for (const days of [0, 5.9]) {
        clock.set(Date.now() + days * dayMs)
        await files.look()
        expect(warnings(), `after ${days} days`).to.deep.equal([])
      }
      for (const [days, count] of [[6.1, 1], [6.5, 1], [7.2, 2], [8, 2], [8.3, 3]] as const) {
        clock.set(Date.now() + days * dayMs)
        await files.look()
        expect(warnings(), `after ${days} days`).to.have.length(count)
      }
    })

    it('are warned of at once when the server starts with them, and said to have expired when they have', () => {
      write(pair(1))
      opened()
      expect(warnings()).to.deep.equal([false])
      write(ca.issue({ until: new Date(Date.now() - 1_000) }))
      opened()
      expect(warnings()).to.deep.equal([false, true])
    })

    it('are warned of again when the next expires soon, too', async () => {
      write(pair(3))
      const files = opened()
      write(pair(4))
      await files.look()
      expect(warnings()).to.deep.equal([false, false])
      write(pair(90))
      await files.look()
      expect(warnings()).to.have.length(2)
    })
  })
})
