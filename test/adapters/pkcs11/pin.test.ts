import { execFileSync } from 'node:child_process'
import { mkdirSync, openSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { checkPin, hidePin, readDescriptor, readPin, resolvePin } from '../../../src/adapters/pkcs11/token/pin.js'
import type { PinSource } from '../../../src/adapters/pkcs11/config.js'
import type { PinShape } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { newTokenDirectory } from '../../support/softhsm.js'
import { expectRefused, recordingLog, silentLog } from './support.js'

const limits = { min: 4, max: 255 }

describe('where a PIN is read from', () => {
  let directory: string

  before(() => {
    directory = newTokenDirectory()
    mkdirSync(directory)
  })

  function file(content: string | Buffer, mode = 0o600): string {
    const path = join(directory, 'pin')
    writeFileSync(path, content, { mode: 0o600 })
    execFileSync('/bin/chmod', [mode.toString(8), path])
    return path
  }

  const resolved = (source: PinSource): string => resolvePin(source, silentLog).toString()

  describe('a file', () => {
    it('is read anew each time, less one line end', () => {
      const path = file('first\n')
      expect(resolved({ file: path })).to.equal('first')
      file('second\r\n')
      expect(resolved({ file: path })).to.equal('second')
      file('third\n\n')
      expect(resolved({ file: path })).to.equal('third\n')
    })

    it('is stamped with its time and size', () => {
      const path = file('12345678\n')
      utimesSync(path, 1_700_000_000, 1_700_000_000)
      expect(readPin({ file: path }, silentLog).stamp).to.deep.equal({ modifiedMs: 1_700_000_000_000, bytes: 9 })
    })

    for (const mode of [0o640, 0o604, 0o644]) {
      it(`with mode ${mode.toString(8)} is warned of`, () => {
        const log = recordingLog()
        expect(resolvePin({ file: file('12345678', mode) }, log).toString()).to.equal('12345678')
        expect(log.entries.map(({ level }) => level)).to.deep.equal(['warn'])
        expect(JSON.stringify(log.entries)).not.to.include('12345678')
      })
    }

    it('that cannot be read: it says why', () => {
      expect(() => resolvePin({ file: '/no/such/file' }, silentLog))
        .to.throw('the PIN cannot be read from the file /no/such/file: no such file or directory')
      expect(() => resolvePin({ file: directory }, silentLog)).to.throw(`${directory}: it is not a regular file`)
    })

    it('must be there, a regular one, and no longer than a PIN', () => {
      const pipe = join(directory, 'pipe')
      execFileSync('mkfifo', [pipe])
      for (const path of ['/no/such/file', directory, pipe]) expectRefused(() => resolvePin({ file: path }, silentLog), 'configuration')
      unlinkSync(pipe)
      expectRefused(() => resolvePin({ file: file('x'.repeat(300)) }, silentLog), 'configuration')
      expect(resolved({ file: file('x'.repeat(255)) })).to.have.length(255)
    })
  })

  it('a variable of the environment can be taken out of it before it is needed', () => {
    process.env.CLAVIGER_TEST_PIN_5 = 'of another store'
    for (const source of [undefined, { file: '/nowhere' }, { environment: 'CLAVIGER_TEST_PIN_5' }]) hidePin(source)
    expect(process.env).not.to.have.property('CLAVIGER_TEST_PIN_5')
    expect(resolved({ environment: 'CLAVIGER_TEST_PIN_5' })).to.equal('of another store')
  })

  it('a variable of the environment is taken out of it, and known from then on', () => {
    process.env.CLAVIGER_TEST_PIN_1 = 'from-the-environment'
    expect(resolved({ environment: 'CLAVIGER_TEST_PIN_1' })).to.equal('from-the-environment')
    expect(process.env).not.to.have.property('CLAVIGER_TEST_PIN_1')
    expect(resolved({ environment: 'CLAVIGER_TEST_PIN_1' })).to.equal('from-the-environment')
    process.env.CLAVIGER_TEST_PIN_1 = 'a newer one'
    expect(resolved({ environment: 'CLAVIGER_TEST_PIN_1' })).to.equal('a newer one')
    expectRefused(() => resolvePin({ environment: 'CLAVIGER_TEST_PIN_2' }, silentLog), 'configuration')
  })

  it('a caller may overwrite what it got', () => {
    process.env.CLAVIGER_TEST_PIN_3 = 'kept elsewhere'
    for (let time = 0; time < 2; time++) {
      const pin = resolvePin({ environment: 'CLAVIGER_TEST_PIN_3' }, silentLog)
      expect(pin.toString()).to.equal('kept elsewhere')
      pin.fill(0)
    }
  })

  it('a file descriptor is read to its end, once', () => {
    const descriptor = openSync(file('from a descriptor\n'), 'r')
    expect(resolved({ descriptor })).to.equal('from a descriptor')
    expect(resolved({ descriptor })).to.equal('from a descriptor')
    expectRefused(() => resolvePin({ descriptor: 987 }, silentLog), 'configuration')
    expectRefused(() => resolvePin({ descriptor: -1 }, silentLog), 'configuration')
  })

  it('a file descriptor may be a pipe that the shell has twice', () => {
    const module = new URL('../../../src/adapters/pkcs11/token/pin.js', import.meta.url).href
    const program = `import { readDescriptor } from '${module}'; process.stdout.write(readDescriptor(3))`
    const shell = '"$0" --input-type=module --eval "$1" 3< <(echo from-the-shell)'
    expect(execFileSync('bash', ['-c', shell, process.execPath, program]).toString()).to.equal('from-the-shell\n')
    expectRefused(() => readDescriptor(986), 'configuration')
  })

  describe('a systemd credential', () => {
    afterEach(() => { delete process.env.CREDENTIALS_DIRECTORY })

    it('is a file of its directory, without a stamp', () => {
      process.env.CREDENTIALS_DIRECTORY = directory
      writeFileSync(join(directory, 'hsm-pin'), 'from a credential\n', { mode: 0o400 })
      const { bytes, stamp } = readPin({ credential: 'hsm-pin' }, silentLog)
      expect([bytes.toString(), stamp]).to.deep.equal(['from a credential', undefined])
    })

    it('has a plain name', () => {
      process.env.CREDENTIALS_DIRECTORY = directory
      for (const credential of ['', '.', '..', '../pin', 'a/b', '/etc/hostname', 'a\0b', 'not-there']) {
        expectRefused(() => resolvePin({ credential }, silentLog), 'configuration')
      }
    })

    it('needs a service that was started with credentials', () => {
      expectRefused(() => resolvePin({ credential: 'hsm-pin' }, silentLog), 'configuration')
    })
  })

  it('is exactly one place', () => {
    const both = { file: file('12345678'), environment: 'CLAVIGER_TEST_PIN_4' } as PinSource
    for (const source of [both, {} as PinSource, undefined]) expectRefused(() => readPin(source, silentLog), 'configuration')
  })

  it('is, for a lane, what it was given, with the stamp of the file', () => {
    const stamp = { modifiedMs: 1, bytes: 2 }
    const { bytes, ...rest } = readPin({ pin: 'as it is\n', stamp }, silentLog)
    expect([bytes.toString(), rest]).to.deep.equal(['as it is\n', { stamp }])
  })
})

describe('the shape of a PIN', () => {
  const taken: Record<PinShape, readonly string[]> = {
    'free-text': ['1234', 'x'.repeat(255), 'with blanks and: colons', 'Größe-ß'],
    'user:password': ['u:12345678', 'CryptoUser:CUPassword123!', `${'u'.repeat(31)}:${'p'.repeat(32)}`, 'user:pass:word'],
    'AAAApassword': ['0001password', 'fFaApassword', `0001${'p'.repeat(64)}`, '@0001password', '#label#0001password'],
  }
  const refused: Record<PinShape, readonly string[]> = {
    'free-text': ['', '123', 'x'.repeat(256)],
    'user:password': ['passphrase', ':12345678', 'u:1234567', `u:${'p'.repeat(33)}`, `${'u'.repeat(32)}:12345678`, 'u:1234\n5678', ''],
    'AAAApassword': [
      'password1', '001password', '0001passwor', `0001${'p'.repeat(65)}`, 'g001password', '@@0001password', '##0001password', '',
    ],
  }
  const check = (pin: string | Buffer, shape: PinShape, lengths = limits) => () => {
    checkPin(Buffer.from(pin), shape, lengths, 'the file /pin')
  }

  for (const shape of Object.keys(taken) as PinShape[]) {
    it(`${shape}: takes what may be one`, () => {
      for (const pin of taken[shape]) expect(check(pin, shape), pin).not.to.throw()
    })

    it(`${shape}: refuses what cannot be one, and says nothing of it`, () => {
      for (const pin of refused[shape]) {
        const form = `the PIN from the file /pin is not of the form ${shape}, or not as long as the token asks (4 to 255 bytes)`
        expect(check(pin, shape), pin).to.throw().that.includes({ name: 'HsmError', kind: 'configuration', message: form })
      }
    })
  }

  it('is what the token says of lengths', () => {
    expectRefused(check('12345', 'free-text', { min: 6, max: 8 }), 'configuration')
    expectRefused(check('123456789', 'free-text', { min: 6, max: 8 }), 'configuration')
    check('12345678', 'free-text', { min: 6, max: 8 })()
  })

  it('is not judged by lengths that the token does not say', () => {
    check('1', 'free-text', { min: 0, max: 0 })()
    check('1', 'free-text', { min: 0xffffffff, max: 0xffffffff })()
  })

  it('counts for the token\'s limits the password alone, where the user comes before it', () => {
    check('CryptoUser:password-of-32-bytes-0123456789a', 'user:password', { min: 7, max: 32 })()
    expectRefused(check('CryptoUser:12345678', 'user:password', { min: 9, max: 32 }), 'configuration')
    check('#a label#0001password', 'AAAApassword', { min: 12, max: 12 })()
  })

  it('is text, as the binding passes it on', () => {
    expectRefused(check(Buffer.from([0x70, 0x69, 0x6e, 0x2d, 0xff]), 'free-text'), 'configuration')
  })
})
