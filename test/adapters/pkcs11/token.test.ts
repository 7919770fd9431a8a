import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { reactionTo } from '../../../src/adapters/pkcs11/driver/errors.js'
import { profiles } from '../../../src/adapters/pkcs11/profiles/choose.js'
import { p11kit } from '../../../src/adapters/pkcs11/profiles/p11kit.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import type { Refusal } from '../../../src/adapters/pkcs11/token/refusal.js'
import { acquireToken } from '../../../src/adapters/pkcs11/token/token.js'
import { faultModule } from '../../support/fault-module/build.js'
import { FaultControl, readTrace } from '../../support/fault-module/control.js'
import { newTokenDirectory, pinFileOf, testToken } from '../../support/softhsm.js'
import { expectRefused, recordingLog, silentLog, throwing, whileReplaced } from './support.js'

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

  it('leaves the last try before the token locks itself to the operator', async () => {
    const config = await testToken()
    const probe = acquireToken(config, silentLog)
    probe.release()
    for (const [flag, words] of [[pkcs11.CKF_USER_PIN_FINAL_TRY, 'one try left'], [pkcs11.CKF_USER_PIN_LOCKED, 'locked']] as const) {
      const told = (run: () => unknown): unknown => {
        const info = run() as pkcs11.TokenInfo
        return { ...info, flags: info.flags | flag }
      }
      whileReplaced(probe.lib, 'C_Login', () => { throw new Error('the token was asked') }, () => {
        whileReplaced(probe.lib, 'C_GetTokenInfo', told, () => {
          expect(() => acquireToken(config, silentLog)).to.throw(words).with.property('kind', 'login')
        })
      })
    }
    acquireToken(config, silentLog).release()
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

describe('logging in again', () => {
  it('ends the login and makes another, once in a second', async () => {
    const token = acquireToken(await testToken(), silentLog)
    const session = token.openSession()
    const calls: string[] = []
    const count = (name: string) => (run: () => unknown): unknown => { calls.push(name); return run() }
    try {
      const { loginCount } = token
      whileReplaced(token.lib, 'C_Logout', count('logout'), () => whileReplaced(token.lib, 'C_Login', count('login'), () => {
        for (let time = 0; time < 3; time++) token.loginAgain(session)
      }))
      expect(calls).to.deep.equal(['logout', 'login'])
      expect(token.loginCount).to.equal(loginCount + 1)
      expect(token.lib.C_GetSessionInfo(session).state).to.equal(3)
    } finally {
      token.closeSession(session)
      token.release()
    }
  })

  it('is done where nobody is logged in, and fails where the device is gone', async () => {
    const config = await testToken()
    for (const [code, kind] of [[pkcs11.CKR_USER_NOT_LOGGED_IN, undefined], [pkcs11.CKR_DEVICE_REMOVED, 'lost']] as const) {
      const token = acquireToken(config, silentLog)
      const session = token.openSession()
      token.lib.C_Logout(session)
      whileReplaced(token.lib, 'C_Logout', throwing(code), () => {
        if (kind) expectRefused(() => { token.loginAgain(session) }, kind)
        else token.loginAgain(session)
      })
      token.closeSession(session)
      token.release()
    }
  })
})

describe('a refused PIN', function () {
  this.timeout(60_000)
  const child = fileURLToPath(new URL('acquire-token-child.js', import.meta.url))
  let directory: string
  let pinFile: string
  let refusalFile: string
  let trace: string
  let library: string
  let config: Pkcs11Config

  before(async () => { library = await faultModule() })

  beforeEach(async () => {
    const token = await testToken()
    directory = newTokenDirectory()
    mkdirSync(directory)
    const [control, own] = [join(directory, 'control'), join(directory, 'own-pin')]
    ;[pinFile, refusalFile, trace] = [join(directory, 'pin'), join(directory, 'refused'), join(directory, 'trace')]
    new FaultControl(control).clear()
    copyFileSync(pinFileOf(token), own)
    const environment = { ...token.environment, FAULT_MODULE: token.module, FAULT_CONTROL: control, FAULT_TRACE: trace }
    config = { ...token, module: library, environment, pin: { file: pinFile }, refusalFile }
  })

  interface Outcome { readonly kind?: string, readonly returnValue?: number, readonly message?: string, readonly environment?: string[] }

  /** A start of the service, in a process of its own. */
  function start(changed: Partial<Pkcs11Config> = {}, environment: Record<string, string> = {}, input?: string): Outcome {
    const { stdout, stderr } = spawnSync(process.execPath, [child, JSON.stringify({ ...config, ...changed })], {
      encoding: 'utf8', env: { ...process.env, ...environment }, ...input === undefined ? {} : { input },
    })
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as Outcome
  }

  function logins(): number {
    return existsSync(trace) ? readTrace(trace).filter(call => call.function === 'C_Login').length : 0
  }

  function writePin(pin: string, at: number): void {
    writeFileSync(pinFile, pin, { mode: 0o600 })
    utimesSync(pinFile, at, at)
  }

  const rightPin = (): string => readFileSync(join(directory, 'own-pin'), 'utf8')

  it('reaches the token once, however often the service is started', () => {
    writePin('not the PIN', 1_700_000_000)
    for (let time = 0; time < 3; time++) {
      expect(start()).to.include({ kind: 'login', returnValue: pkcs11.CKR_PIN_INCORRECT })
      expect(logins()).to.equal(1)
    }
    const { message } = start()
    expect(message).to.include(refusalFile).and.include('CKR_PIN_INCORRECT (0xa0)').and.not.include('not the PIN')
    expect(statSync(refusalFile).mode & 0o777).to.equal(0o600)
    const refusal = JSON.parse(readFileSync(refusalFile, 'utf8')) as Refusal
    expect(Object.keys(refusal)).to.deep.equal(['at', 'token', 'code', 'pinFile'])
    expect(refusal).to.deep.include({ code: 0xa0, pinFile: { modifiedMs: 1_700_000_000_000, bytes: 11 } })
    expect(refusal.token.label).to.equal('claviger-test')
  })

  it('is followed by one try of each other PIN, and forgotten when a login succeeds', () => {
    writePin('not the PIN', 1_700_000_000)
    start()
    writePin('nor is this', 1_700_000_001)
    for (let time = 0; time < 2; time++) expect(start()).to.include({ kind: 'login' })
    expect(logins()).to.equal(2)
    writePin(rightPin(), 1_700_000_002)
    expect(start()).not.to.have.property('kind')
    expect(existsSync(refusalFile)).to.equal(false)
    expect(start()).not.to.have.property('kind')
  })

  it('is tried again when the operator has removed the marker', () => {
    writePin('not the PIN', 1_700_000_000)
    start()
    rmSync(refusalFile)
    expect(start()).to.include({ kind: 'login' })
    expect(logins()).to.equal(2)
  })

  it('stands until then where it does not come from a file, even if it is another one', () => {
    const pin = { environment: 'CLAVIGER_CHILD_PIN' }
    expect(start({ pin }, { CLAVIGER_CHILD_PIN: 'not the PIN' })).to.include({ kind: 'login' })
    const { kind, message } = start({ pin }, { CLAVIGER_CHILD_PIN: rightPin() })
    expect(kind).to.equal('login')
    expect(message).to.include(`remove ${refusalFile}`)
    expect(logins()).to.equal(1)
    rmSync(refusalFile)
    const { environment } = start({ pin }, { CLAVIGER_CHILD_PIN: rightPin() })
    expect(environment).to.be.an('array').that.does.not.include('CLAVIGER_CHILD_PIN')
  })

  it('of a lane is known to be the one of the file that the stamp tells of', () => {
    const stamp = { modifiedMs: 1_700_000_000_000, bytes: 11 }
    for (let time = 0; time < 2; time++) expect(start({ pin: { pin: 'not the PIN', stamp } })).to.include({ kind: 'login' })
    expect(logins()).to.equal(1)
    expect(start({ pin: { pin: rightPin(), stamp: { ...stamp, bytes: 12 } } })).not.to.have.property('kind')
  })

  it('of another token is no matter', () => {
    const refusal = { at: '2024-01-01T00:00:00.000Z', token: { label: 'another', serial: '1' }, code: 0xa0, pinFile: null }
    writeFileSync(refusalFile, JSON.stringify(refusal))
    writePin(rightPin(), 1_700_000_000)
    expect(start()).not.to.have.property('kind')
  })

  it('may be what a marker means that cannot be read', () => {
    writePin(rightPin(), 1_700_000_000)
    for (const text of ['', 'null', '{}', '{"at":1}', 'x']) {
      writeFileSync(refusalFile, text)
      expect(start(), text).to.include({ kind: 'login' })
    }
    expect(logins()).to.equal(0)
  })

  it('is what every code of C_Login means that speaks of the PIN', () => {
    const codes = [
      pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED,
    ]
    writePin(rightPin(), 1_700_000_000)
    const control = new FaultControl(config.environment?.FAULT_CONTROL ?? '')
    for (const code of codes) {
      control.set({ on: 'C_Login', action: 'rv', code })
      for (let time = 0; time < 2; time++) expect(start()).to.include({ kind: 'login', returnValue: code })
      rmSync(refusalFile)
    }
    expect(logins()).to.equal(codes.length)
  })

  it('is what a token without one means, but for SoftHSM, which says so while another process logs in', () => {
    const notInitialised = new pkcs11.Pkcs11Error('CKR_USER_PIN_NOT_INITIALIZED', pkcs11.CKR_USER_PIN_NOT_INITIALIZED)
    for (const profile of profiles) {
      const isSoftHsm = [softhsm, p11kit].includes(profile)
      expect(reactionTo(notInitialised, profile).kind, profile.name).to.equal(isSoftHsm ? 'lost' : 'login')
    }
  })

  it('is not what a lost device means', () => {
    writePin(rightPin(), 1_700_000_000)
    const control = new FaultControl(config.environment?.FAULT_CONTROL ?? '')
    control.set({ on: 'C_Login', action: 'rv', code: pkcs11.CKR_DEVICE_REMOVED })
    expect(start()).to.include({ kind: 'lost' })
    expect(existsSync(refusalFile)).to.equal(false)
    control.clear()
    expect(start()).not.to.have.property('kind')
  })

  it('comes from a file descriptor as well', () => {
    expect(start({ pin: { descriptor: 0 } }, {}, `${rightPin()}\n`)).not.to.have.property('kind')
    expect(start({ pin: { descriptor: 0 } }, {}, 'not the PIN')).to.include({ kind: 'login' })
  })

  it('does not keep the refusal from being seen when it cannot be noted', () => {
    writePin('not the PIN', 1_700_000_000)
    expect(start({ refusalFile: '/no/such/directory/refused' })).to.include({ kind: 'login', returnValue: pkcs11.CKR_PIN_INCORRECT })
  })
})
