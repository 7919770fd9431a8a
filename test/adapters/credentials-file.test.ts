import {
  chmodSync, closeSync, existsSync, lstatSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readCredentialsFile, writeCredentialsFile } from '../../src/adapters/credentials-file.js'

describe('the credentials file', () => {
  const credentials = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'a=b/c+d' }
  let directory: string
  let file: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'claviger-credentials-'))
    file = join(directory, 'admin.env')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const mode = (): number => statSync(file).mode & 0o777

  it('is read as it was written, by its owner alone, and replaced as a whole', () => {
    for (const each of [{ ...credentials, AWS_REGION: 'eu-central-1' }, credentials]) {
      writeCredentialsFile(file, each)
      expect(readCredentialsFile(file)).to.deep.equal(each)
      expect(mode()).to.equal(0o600)
      expect(readdirSync(directory)).to.deep.equal(['admin.env'])
    }
  })

  it('is not there: undefined', () => {
    expect(readCredentialsFile(file)).to.equal(undefined)
  })

  it('never stands in a file that others had opened before', () => {
    const left = `${file}.new`
    writeFileSync(left, '')
    chmodSync(left, 0o666)
    const reader = openSync(left, 'r')
    writeCredentialsFile(file, credentials)
    expect(mode()).to.equal(0o600)
    expect(readFileSync(reader, 'utf8')).to.equal('')
    closeSync(reader)
  })

  it('is not written through a symbolic link', () => {
    const elsewhere = join(directory, 'elsewhere')
    for (const there of [false, true]) {
      if (there) writeFileSync(elsewhere, 'not ours')
      symlinkSync(elsewhere, `${file}.new`)
      writeCredentialsFile(file, credentials)
      expect(lstatSync(file).isFile()).to.equal(true)
      expect(readCredentialsFile(file)).to.deep.equal(credentials)
      if (there) expect(readFileSync(elsewhere, 'utf8')).to.equal('not ours')
      else expect(existsSync(elsewhere)).to.equal(false)
    }
  })
})
