import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { acquireToken } from '../../../src/adapters/pkcs11/token/token.js'
import { newTokenDirectory, pinFileOf, testToken } from '../../support/softhsm.js'
import { expectRefused, recordingLog, silentLog, whileReplaced } from './support.js'

describe('logging in', () => {
  it('sends a refused PIN once, and never again', async () => {
    const config = await testToken()
    const directory = newTokenDirectory()
    mkdirSync(directory)
    const pinFile = join(directory, 'pin')
    copyFileSync(pinFileOf(config), pinFile)
    const token = acquireToken({ ...config, pin: { file: pinFile } }, silentLog)
    const session = token.openSession()
    try {
      writeFileSync(pinFile, 'not the PIN')
      token.lib.C_Logout(session)
      let tries = 0
      whileReplaced(token.lib, 'C_Login', run => { tries += 1; return run() }, () => {
        expectRefused(() => token.openSession(), 'login')
        copyFileSync(pinFileOf(config), pinFile)
        expectRefused(() => token.openSession(), 'login')
      })
      expect(tries).to.equal(1)
    } finally {
      token.closeSession(session)
      token.release()
    }
  })

  it('says that the PIN was refused, and nothing of it', async () => {
    const pinFile = `${newTokenDirectory()}.pin`
    writeFileSync(pinFile, 'wrong-but-well-formed', { mode: 0o600 })
    try {
      acquireToken({ ...await testToken(), pin: { file: pinFile } }, silentLog)
      expect.fail('a wrong PIN was taken')
    } catch (error) {
      expect(error).to.include({ kind: 'login', returnValue: pkcs11.CKR_PIN_INCORRECT })
      expect(String(error)).not.to.include('wrong-but')
    }
  })

  it('does not reach the token with a PIN that cannot be one', async () => {
    const config = await testToken()
    const pinFile = `${newTokenDirectory()}.pin`
    const probe = acquireToken(config, silentLog)
    probe.release()
    const { pin: _pin, ...none } = config
    whileReplaced(probe.lib, 'C_Login', () => { throw new Error('the token was asked') }, () => {
      for (const pin of ['', 'abc', 'x'.repeat(256), 'x'.repeat(5000)]) {
        writeFileSync(pinFile, pin, { mode: 0o600 })
        expectRefused(() => acquireToken({ ...config, pin: { file: pinFile } }, silentLog), 'configuration')
      }
      expectRefused(() => acquireToken({ ...config, pin: { file: '/no/such/file' } }, silentLog), 'configuration')
      expectRefused(() => acquireToken(none, silentLog), 'configuration')
    })
  })

  it('takes a PIN with one line end, and warns of a file that others can read', async () => {
    const config = await testToken()
    const pinFile = `${newTokenDirectory()}.pin`
    const log = recordingLog()
    writeFileSync(pinFile, `${readFileSync(pinFileOf(config), 'utf8')}\n`, { mode: 0o644 })
    acquireToken({ ...config, pin: { file: pinFile } }, log).release()
    expect(log.entries.filter(entry => entry.level === 'warn')).to.have.length(1)
  })
})
