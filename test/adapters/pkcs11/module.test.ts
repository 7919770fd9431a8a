import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Module } from 'graphene-pk11'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { loadLibrary, type TokenChoice } from '../../../src/adapters/pkcs11/token/module.js'
import { onlySlot } from '../../../src/adapters/pkcs11/token/slots.js'
import { findSoftHsm } from '../../../src/adapters/pkcs11/token/softhsm-token.js'
import { acquireToken, type Token } from '../../../src/adapters/pkcs11/token/token.js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { newTokenDirectory, testToken } from '../../support/softhsm.js'
import { expectRefused, recordingLog, silentLog, throwing, whileReplaced } from './support.js'

describe('loading a library', () => {
  it('sets its environment first', () => {
    const directory = newTokenDirectory()
    mkdirSync(directory)
    const library = join(directory, 'another.so')
    copyFileSync(findSoftHsm(), library)
    const load = Module.load.bind(Module)
    let seen: string | undefined
    Module.load = file => {
      seen = process.env.CLAVIGER_TEST_LIBRARY
      return load(file)
    }
    try {
      loadLibrary(library, { environment: { CLAVIGER_TEST_LIBRARY: 'set' } })
      expect(seen).to.equal('set')
    } finally {
      Module.load = load
      delete process.env.CLAVIGER_TEST_LIBRARY
    }
  })

  it('hands over its parameters whole, and keeps to one setup while it is in use', async () => {
    const config = await testToken()
    const library = loadLibrary(config.module, config)
    const given: unknown[] = []
    const note = (run: () => unknown, args: readonly unknown[]): unknown => {
      const options = args[0] as { libraryParameters?: string }
      given.push({ ...options })
      // SoftHSM takes none.
      delete options.libraryParameters
      return run()
    }
    const parameterised = { ...config, libraryParameters: 'configdir=/x' }
    whileReplaced(library.lib, 'C_Initialize', note, () => { acquireToken(parameterised, silentLog).release() })
    // The binding cuts off the last character.
    expect(given).to.deep.equal([{ flags: 2, libraryParameters: 'configdir=/x ' }])
    const token = acquireToken(parameterised, silentLog)
    expect(() => acquireToken(config, silentLog)).to.throw('already in use in this process with another libraryParameters')
    token.release()
    acquireToken(config, silentLog).release()
  })
})

describe('initialising a library anew under its users', () => {
  let config: Pkcs11Config
  let token: Token

  beforeEach(async () => {
    config = await testToken()
    token = acquireToken(config, silentLog)
  })

  afterEach(() => { token.release() })

  it('is noticed by everybody, and the token is found and logged in to again', () => {
    const { generation, loginCount } = token
    const before = token.openSession()
    token.reinitialise()
    expect(token.generation).to.equal(generation + 1)
    expect(token.loginCount).to.be.greaterThan(loginCount)
    const after = token.openSession()
    token.ensureLogin(after)
    expect(token.lib.C_GetSessionInfo(after).state).to.equal(3)
    // Its number may be that of a session of now.
    for (const session of [before, before, before]) token.closeSession(session)
    expect(token.lib.C_GetSessionInfo(after).state).to.equal(3)
    token.closeSession(after)
  })

  it('helps when the library was finalised by somebody else', () => {
    token.lib.C_Finalize()
    expectRefused(() => token.openSession(), 'lost')
    token.reinitialise()
    token.closeSession(token.openSession())
  })

  it('happens once in a second: who asks again suffered from the same loss', () => {
    let initialisations = 0
    whileReplaced(token.lib, 'C_Initialize', run => { initialisations += 1; return run() }, () => {
      for (let time = 0; time < 3; time++) token.reinitialise()
    })
    expect(initialisations).to.equal(1)
    token.closeSession(token.openSession())
  })

  it('says that the device is lost when it fails, and works when it is back', async () => {
    whileReplaced(token.lib, 'C_Initialize', throwing(pkcs11.CKR_DEVICE_ERROR), () => {
      expectRefused(() => { token.reinitialise() }, 'lost')
      expectRefused(() => token.openSession(), 'lost')
    })
    expectRefused(() => { token.reinitialise() }, 'lost')
    await eventually(() => { token.reinitialise() })
    token.closeSession(token.openSession())
  })

  it('says that the device is lost when the token is not there afterwards', () => {
    whileReplaced(token.lib, 'C_GetSlotList', () => [], () => { expectRefused(() => { token.reinitialise() }, 'lost') })
    whileReplaced(token.lib, 'C_GetTokenInfo', throwing(pkcs11.CKR_TOKEN_NOT_PRESENT), () => {
      expectRefused(() => token.openSession(), 'lost')
    })
    token.closeSession(token.openSession())
  })

  it('does not care what C_Finalize says', () => {
    whileReplaced(token.lib, 'C_Finalize', run => { run(); throwing(pkcs11.CKR_DEVICE_ERROR)() }, () => { token.reinitialise() })
    token.closeSession(token.openSession())
  })

  it('is told to the operator', async () => {
    token.release()
    const log = recordingLog()
    token = acquireToken(await testToken(), log)
    token.reinitialise()
    expect(log.entries.filter(({ level }) => level === 'warn')).to.have.length(1)
  })
})

describe('choosing a token', () => {
  interface FakeToken { readonly label: string, readonly serial?: string, readonly flags?: number, readonly broken?: boolean }

  function libraryWith(...tokens: readonly FakeToken[]): PKCS11 {
    return {
      C_GetSlotList: () => tokens.map((_, at) => Buffer.from([at])),
      C_GetTokenInfo: (slot: Handle) => {
        const { label, serial = '1', flags = pkcs11.CKF_TOKEN_INITIALIZED, broken = false } = tokens[slot[0] as number] as FakeToken
        if (broken) throw new pkcs11.Pkcs11Error('CKR_DEVICE_ERROR:48', pkcs11.CKR_DEVICE_ERROR)
        const names = { label: label.padEnd(32), serialNumber: serial.padEnd(16), manufacturerID: '', model: '' }
        return { ...names, flags, minPinLen: 4, maxPinLen: 8 }
      },
    } as unknown as PKCS11
  }

  const chosen = (choice: TokenChoice, ...tokens: readonly FakeToken[]): number => onlySlot(libraryWith(...tokens), choice)[0] as number

  it('goes by label, serial or both', () => {
    const tokens = [{ label: 'a', serial: '1' }, { label: 'b', serial: '2' }, { label: 'b', serial: '3' }]
    expect(chosen({ tokenLabel: 'a' }, ...tokens)).to.equal(0)
    expect(chosen({ tokenSerial: '2' }, ...tokens)).to.equal(1)
    expect(chosen({ tokenLabel: 'b', tokenSerial: '3' }, ...tokens)).to.equal(2)
    expectRefused(() => chosen({ tokenLabel: 'a', tokenSerial: '2' }, ...tokens), 'configuration')
  })

  it('refuses more than one, and names them', () => {
    const tokens = [{ label: 'b', serial: '2' }, { label: 'b', serial: '3' }]
    expectRefused(() => chosen({ tokenLabel: 'b' }, ...tokens), 'configuration')
    expect(() => chosen({ tokenLabel: 'b' }, ...tokens)).to.throw('2 tokens have label b; exactly one must')
    expect(() => chosen({}, ...tokens)).to.throw('2 tokens have any name; exactly one must. There are: label b serial 2, label b serial 3')
  })

  it('passes over tokens that are not initialised, and slots that do not answer', () => {
    const tokens = [{ label: 'a', flags: 0 }, { label: 'a', broken: true }, { label: 'a' }]
    expect(chosen({ tokenLabel: 'a' }, ...tokens)).to.equal(2)
    expect(() => chosen({ tokenLabel: 'a' }, { label: 'a', flags: 0 })).to.throw('1 not initialised').with.property('kind', 'configuration')
  })

  it('cannot say that a token is missing when a slot does not answer, or none is there', () => {
    expect(() => chosen({ tokenLabel: 'a' }, { label: 'b' }, { label: 'a', broken: true })).to.throw().with.property('kind', 'lost')
    expect(() => chosen({ tokenLabel: 'a' })).to.throw().with.property('kind', 'lost')
  })
})

async function eventually(act: () => void): Promise<void> {
  const giveUp = performance.now() + 10_000
  for (;;) {
    try {
      act()
      return
    } catch (error) {
      if (performance.now() > giveUp) throw error
      await new Promise(resolve => { setTimeout(resolve, 50) })
    }
  }
}
