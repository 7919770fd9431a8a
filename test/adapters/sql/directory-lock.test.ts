import { expect } from 'chai'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DirectoryLockedError, lockDirectory } from '../../../src/adapters/sql/directory-lock.js'
import { nextLine, source, startChild } from './child.js'

const holder = `
  import { lockDirectory } from '${source('adapters/sql/directory-lock.js')}'
  const lock = lockDirectory(process.argv[1])
  console.log('locked')
  process.stdin.resume().on('end', () => lock.release())
`

describe('lockDirectory', () => {
  let directory: string
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'claviger-lock-')) })
  afterEach(() => rmSync(directory, { recursive: true }))

  it('refuses a directory that another process serves, until that process is killed', async () => {
    const child = startChild(holder, directory)
    expect(await nextLine(child)).to.equal('locked')
    expect(() => lockDirectory(directory)).to.throw(DirectoryLockedError, `${directory} is already served by another process`)
    await child.end('SIGKILL')
    lockDirectory(directory).release()
  })

  it('keeps another process out while this one holds it', async () => {
    const lock = lockDirectory(directory)
    const child = startChild(`
      import { lockDirectory } from '${source('adapters/sql/directory-lock.js')}'
      try { lockDirectory(process.argv[1]); console.log('locked') } catch (error) { console.log(error.name) }
    `, directory)
    expect(await nextLine(child)).to.equal('DirectoryLockedError')
    lock.release()
  })

  it('is held once, also within one process, and a refusal does not loosen it', () => {
    const lock = lockDirectory(directory)
    expect(() => lockDirectory(directory)).to.throw(DirectoryLockedError)
    expect(() => lockDirectory(directory)).to.throw(DirectoryLockedError)
    lock.release()
    lock.release()
    lockDirectory(directory).release()
  })

  it('says what is wrong when the directory is missing', () => {
    expect(() => lockDirectory(join(directory, 'missing'))).to.throw('ENOENT')
  })

  it('makes its file readable by nobody else', () => {
    lockDirectory(directory).release()
    expect(statSync(join(directory, 'server.lock')).mode & 0o777).to.equal(0o600)
  })
})
