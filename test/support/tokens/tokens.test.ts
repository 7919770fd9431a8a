import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { nssToken } from './nss.js'
import { openCryptokiToken, type OpenCryptokiToken } from './opencryptoki.js'
import { p11KitServer, type ServedToken } from './p11-kit.js'
import { here, runHere } from './run-here.js'
import { softHsmToken, yubiHsmMechanisms } from './softhsm.js'
import { TokenUnavailable, type TestToken } from './token.js'
import type { TokenUse } from './use-token.js'

/** What the profiles say of these tokens was found here. A process for each token, because its library is one to a process. */

type Facts = Readonly<Record<string, string>>

/** The longest of them waits for another test process that has the machine's only openCryptoki. */
const setUpMsMax = 330_000

async function survey(token: TestToken): Promise<Facts> {
  return JSON.parse(await runHere('survey.js', JSON.stringify(token.config))) as Facts
}

/** Skips what needs a token that this machine cannot have. */
async function orSkip<T>(context: Mocha.Context, make: () => Promise<T>): Promise<T> {
  try {
    return await make()
  } catch (error) {
    if (!(error instanceof TokenUnavailable)) throw error
    console.error(`      ${error.message}`)
    return context.skip()
  }
}

const users = new Set<User>()
afterEach(async () => {
  await Promise.all([...users].map(user => user.end()))
  users.clear()
})

/** The facts of these objects about these attributes, and what they are. */
function read(roles: readonly string[], attributes: Readonly<Record<string, string>>): Facts {
  return Object.fromEntries(roles.flatMap(role => Object.entries(attributes).map(([name, value]) => [`${role} ${name}`, value])))
}

const missing = 'ATTRIBUTE_TYPE_INVALID'
/** Of C_Initialize: the first when it ended in order, the second when it left something behind. */
const withoutDaemon = ['HOST_MEMORY', 'FUNCTION_FAILED']
const keys = ['AES', 'HMAC', 'private'] as const
const softHsmReads: Facts = {
  ...read(keys, {
    ALWAYS_SENSITIVE: '01', NEVER_EXTRACTABLE: '01', LOCAL: '01', MODIFIABLE: '01', COPYABLE: '01', DESTROYABLE: '01',
    ALLOWED_MECHANISMS: '',
  }),
  ...read(['AES'], { KEY_GEN_MECHANISM: '8010000000000000' }),
  ...read(['public'], { PRIVATE: '01', LOCAL: '01', ALWAYS_SENSITIVE: missing, NEVER_EXTRACTABLE: missing }),
}
const everyTemplate: Facts = {
  'makes AES': 'ok', 'makes HMAC': 'ok', 'makes P-256': 'ok', 'makes AES with MODIFIABLE': 'ok', 'with MODIFIABLE': '00',
  'makes AES with COPYABLE': 'ok', 'with COPYABLE': '00', 'makes AES with DESTROYABLE': 'ok', 'makes AES with ALLOWED_MECHANISMS': 'ok',
  'makes HMAC of type SHA256_HMAC': 'TEMPLATE_INCONSISTENT', 'same CKA_ID': 'both are there',
}
const softHsmCbc: Facts = {
  'AES-CBC': 'ok', 'AES-CBC-PAD': 'ok', 'AES-CBC-PAD ending with 0': 'GENERAL_ERROR', 'AES-CBC-PAD ending with 2': 'GENERAL_ERROR',
  'AES-CBC-PAD ending with 17': 'GENERAL_ERROR', 'AES-CBC-PAD of nothing': 'ok', 'AES-CBC-PAD of null': 'ARGUMENTS_BAD',
  'AES-CBC-PAD after null': 'OPERATION_ACTIVE', 'AES-CBC-PAD of 17 bytes to open': 'ENCRYPTED_DATA_LEN_RANGE',
}
const macAndSignature: Facts = {
  'HMAC': 'true', 'HMAC of 1 MiB': '32', 'HMAC wrong': 'SIGNATURE_INVALID', 'ECDSA': 'true', 'ECDSA wrong': 'SIGNATURE_INVALID',
}
const staleOnSoftHsm: Facts = {
  'use of what was destroyed': 'OBJECT_HANDLE_INVALID', 'read of what was destroyed': 'OBJECT_HANDLE_INVALID',
}

describe('the SoftHSM token for tests', function () {
  this.timeout(setUpMsMax)

  it('says and does what its profile relies on', async function () {
    const token = await orSkip(this, softHsmToken)
    expect(await survey(token)).to.include({
      lists: 'AES_GCM AES_CBC AES_CBC_PAD AES_ECB AES_CTR SHA256_HMAC EC_KEY_PAIR_GEN ECDSA RSA_PKCS_PSS',
      ...everyTemplate, ...softHsmReads, ...softHsmCbc, ...macAndSignature, ...staleOnSoftHsm,
      'with ALLOWED_MECHANISMS': '8710000000000000', 'AES-GCM': 'ok', 'AES-GCM with ivBits 0': 'ok',
      'AES-GCM wrong tag': 'GENERAL_ERROR', 'AES-GCM after a wrong tag': 'ok', 'AES-GCM of 15 bytes': 'GENERAL_ERROR',
      'AES-GCM of nothing': 'ok', 'AES-GCM of 1 MiB': 'ok', 'AES-GCM opened into what it holds': 'BUFFER_TOO_SMALL',
    })
    await token.close()
  })

  it('hides AES-GCM when its mechanisms are those of YubiHSM', async function () {
    const token = await orSkip(this, () => softHsmToken(yubiHsmMechanisms))
    expect(await survey(token)).to.include({
      lists: 'AES_CBC AES_CBC_PAD AES_ECB SHA256_HMAC EC_KEY_PAIR_GEN ECDSA',
      ...everyTemplate, ...softHsmReads, ...softHsmCbc, ...macAndSignature, ...staleOnSoftHsm, 'AES-GCM': 'MECHANISM_INVALID',
    })
    await token.close()
  })

  it('leaves no file behind', async function () {
    const token = await orSkip(this, softHsmToken)
    const { pinFile } = token.settings as { pinFile: string }
    expect(existsSync(pinFile)).to.be.true
    await token.close()
    expect(existsSync(pinFile)).to.be.false
  })
})

describe('the NSS token for tests', function () {
  this.timeout(setUpMsMax)
  let facts: Facts = {}

  before(async function () {
    const token = await orSkip(this, nssToken)
    facts = await survey(token)
    await token.close()
  })

  it('makes keys by the portable template, and refuses additions with GENERAL_ERROR', () => {
    expect(facts).to.include({
      'makes AES': 'ok', 'makes HMAC': 'ok', 'makes P-256': 'ok', 'makes AES with MODIFIABLE': 'ok', 'with MODIFIABLE': '00',
      'makes AES with COPYABLE': 'GENERAL_ERROR', 'makes AES with DESTROYABLE': 'GENERAL_ERROR',
      'makes AES with ALLOWED_MECHANISMS': 'GENERAL_ERROR', 'makes HMAC of type SHA256_HMAC': 'ok',
    })
  })

  it('puts a new secret key in the place of one with the same CKA_ID', () => {
    // The handle of the HMAC key names the AES key that was made after it.
    expect(facts['same CKA_ID']).to.equal('KEY_TYPE_INCONSISTENT')
  })

  it('says that its keys were not generated, and that public keys are not private', () => {
    expect(facts).to.include({
      ...read(keys, {
        ALWAYS_SENSITIVE: '01', NEVER_EXTRACTABLE: '01', LOCAL: '00', MODIFIABLE: '01', KEY_GEN_MECHANISM: missing, COPYABLE: missing,
        DESTROYABLE: missing, ALLOWED_MECHANISMS: missing, CHECK_VALUE: missing,
      }),
      ...read(['public'], { LOCAL: '00', PRIVATE: '00' }),
    })
  })

  it('has AES-GCM, with ulIvBits as they are', () => {
    expect(facts).to.include({
      'AES-GCM': 'ok', 'AES-GCM with ivBits 0': 'MECHANISM_PARAM_INVALID', 'AES-GCM wrong tag': 'ENCRYPTED_DATA_INVALID',
      'AES-GCM after a wrong tag': 'ok', 'AES-GCM of 15 bytes': 'DATA_LEN_RANGE', 'AES-GCM of nothing': 'ok', 'AES-GCM of 1 MiB': 'ok',
      'AES-GCM opened into what it holds': '5',
    })
  })

  it('has AES-CBC, and reads beyond an IV that is too short', () => {
    expect(facts).to.include({
      'AES-CBC': 'ok', 'AES-CBC-PAD': 'ok', 'AES-CBC-PAD ending with 0': 'ENCRYPTED_DATA_INVALID',
      'AES-CBC-PAD ending with 2': 'ENCRYPTED_DATA_INVALID', 'AES-CBC-PAD ending with 17': 'ENCRYPTED_DATA_INVALID',
      'AES-CBC-PAD with an IV of 15': '32', 'AES-CBC-PAD of nothing': 'ok', 'AES-CBC-PAD of null': '16',
    })
  })

  it('answers anything but SIGNATURE_INVALID to a wrong HMAC', () => {
    expect(facts).to.include({ 'HMAC': 'true', 'ECDSA': 'true', 'ECDSA wrong': 'SIGNATURE_INVALID' })
    expect(facts['HMAC wrong']).not.to.be.oneOf(['true', 'false', 'SIGNATURE_INVALID'])
  })

  it('knows a stale key by KEY_HANDLE_INVALID, and gives 64 KiB of random bytes at most', () => {
    expect(facts).to.include({
      'use of what was destroyed': 'KEY_HANDLE_INVALID', 'read of what was destroyed': 'OBJECT_HANDLE_INVALID',
      'random of 65536': 'ok', 'random of 65537': 'ARGUMENTS_BAD',
    })
  })
})

describe('the openCryptoki token for tests', function () {
  this.timeout(setUpMsMax)
  let token: OpenCryptokiToken | undefined
  let facts: Facts = {}

  before(async function () {
    token = await orSkip(this, openCryptokiToken)
    facts = await survey(token)
  })
  after(() => token?.close())

  it('has AES-CBC and HMAC, and neither AES-GCM nor elliptic curves', () => {
    expect(facts).to.include({
      'lists': 'AES_CBC AES_CBC_PAD AES_ECB SHA256_HMAC RSA_PKCS_PSS', 'AES-GCM': 'MECHANISM_INVALID', 'makes P-256': 'MECHANISM_INVALID',
      'AES-CBC': 'ok', 'AES-CBC-PAD': 'ok', 'AES-CBC-PAD of nothing': 'ok', 'AES-CBC-PAD of null': 'ARGUMENTS_BAD',
      'AES-CBC-PAD after null': 'OPERATION_ACTIVE', 'HMAC': 'true', 'HMAC of 1 MiB': '32', 'HMAC wrong': 'SIGNATURE_INVALID',
    })
  })

  it('takes any padding', () => {
    expect(facts).to.include({ 'AES-CBC-PAD ending with 0': '16', 'AES-CBC-PAD ending with 2': '14', 'AES-CBC-PAD ending with 17': '16' })
  })

  it('makes keys by the portable template, and refuses attributes that it does not know', () => {
    expect(facts).to.include({
      'makes AES': 'ok', 'makes HMAC': 'ok', 'makes AES with MODIFIABLE': 'ok', 'with MODIFIABLE': '00', 'makes AES with COPYABLE': missing,
      'makes AES with DESTROYABLE': missing, 'makes AES with ALLOWED_MECHANISMS': missing, 'same CKA_ID': 'both are there',
      'use of what was destroyed': 'KEY_HANDLE_INVALID', 'read of what was destroyed': 'OBJECT_HANDLE_INVALID',
      ...read(['AES', 'HMAC'], {
        ALWAYS_SENSITIVE: '01', NEVER_EXTRACTABLE: '01', LOCAL: '01', MODIFIABLE: '01', KEY_GEN_MECHANISM: missing, COPYABLE: missing,
        DESTROYABLE: missing, ALLOWED_MECHANISMS: missing, CHECK_VALUE: missing,
      }),
    })
  })

  it('works on without its daemon, which only a new process needs', async function () {
    if (!token?.ownDaemon) return this.skip()
    const old = new User(token)
    expect(await old.does('open')).to.equal('ok')
    await token.stopDaemon()
    expect(await old.does('random', 'generate')).to.equal('ok ok')
    expect(await newcomer(token)).to.be.oneOf(withoutDaemon)
    await token.startDaemon()
    expect(await newcomer(token)).to.equal('ok')
    await token.stopDaemon('SIGKILL')
    expect(await old.does('random', 'generate')).to.equal('ok ok')
    expect(await newcomer(token)).to.be.oneOf(withoutDaemon)
    await token.startDaemon()
    expect(await newcomer(token)).to.equal('ok')
    expect(await old.does('random', 'generate')).to.equal('ok ok')
  })

  it('is cleared away, and its daemon ended, when its process is killed', async () => {
    await token?.close()
    token = undefined
    const store = '/var/lib/opencryptoki/swtok'
    expect(readdirSync(store)).not.to.include('NVTOK.DAT')
    const text = `const { openCryptokiToken } = await import(${JSON.stringify(here('opencryptoki.js'))})
      await openCryptokiToken()
      console.log('up')`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', text], { stdio: ['ignore', 'pipe', 'inherit'] })
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => { throw new Error('it ended by itself') })])
    expect(readdirSync(store)).to.include('NVTOK.DAT')
    child.kill('SIGKILL')
    // The next one gets the lock when everything is cleared away.
    await (await openCryptokiToken()).close()
    expect(readdirSync(store)).not.to.include('NVTOK.DAT')
    expect(runsForTests('pkcsslotd')).to.be.false
  })
})

describe('the token behind p11-kit server', function () {
  this.timeout(setUpMsMax)
  let behind: TestToken | undefined
  let token: ServedToken | undefined

  before(async function () {
    behind = await orSkip(this, softHsmToken)
    token = await orSkip(this, () => p11KitServer(behind as TestToken))
  })
  after(async () => {
    await token?.close()
    await behind?.close()
  })

  it('carries what seals nothing: key generation, HMAC, ECDSA and random bytes', async () => {
    if (!token) return
    expect(await survey(token)).to.include({
      'lists': 'AES_ECB SHA256_HMAC EC_KEY_PAIR_GEN ECDSA RSA_PKCS_PSS', 'AES-GCM': 'MECHANISM_INVALID', 'AES-CBC': 'MECHANISM_INVALID',
      'AES-CBC-PAD': 'MECHANISM_INVALID', 'AES-ECB': 'ok', ...everyTemplate, ...softHsmReads, ...macAndSignature, ...staleOnSoftHsm,
      'with ALLOWED_MECHANISMS': 'DEVICE_ERROR', 'random of 65537': 'ok',
    })
  })

  it('is a lost device once its server is killed, and until the next initialise after it is back', async () => {
    if (!token) return
    const user = new User(token)
    expect(await user.does('open', 'random', 'generate')).to.equal('ok ok ok')
    await token.kill()
    expect(await user.does('random', 'slots', 'generate')).to.equal('DEVICE_ERROR DEVICE_ERROR DEVICE_ERROR')
    await token.restart()
    expect(await user.does('random', 'slots')).to.equal('DEVICE_ERROR DEVICE_ERROR')
    expect(await user.does('again', 'random', 'generate')).to.equal('ok ok ok')
  })

  it('hangs while it is stopped', async () => {
    if (!token) return
    const user = new User(token)
    expect(await user.does('open')).to.equal('ok')
    token.stop()
    const answered = user.does('random')
    const hung = await Promise.race([answered, new Promise(resolve => setTimeout(() => resolve('no answer'), 500))])
    token.continue()
    expect(hung).to.equal('no answer')
    expect(await answered).to.equal('ok')
  })
})

/** Whether one runs that a test started. */
function runsForTests(program: string): boolean {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).some(pid => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'latin1').trim() === program
        && readFileSync(`/proc/${pid}/environ`, 'latin1').includes('CLAVIGER_TEST_DAEMON=1')
    } catch {
      return false
    }
  })
}

/** What a new process gets when it opens the token. */
async function newcomer(token: TestToken): Promise<string> {
  return new User(token).does('open')
}

/** A process that has the token open. */
class User {
  private readonly child: ChildProcess

  constructor(token: TestToken) {
    users.add(this)
    this.child = fork(here('use-token.js'), [JSON.stringify(token.config)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  }

  /** One after the other; answers what each gave. */
  async does(...uses: readonly TokenUse[]): Promise<string> {
    const answers: string[] = []
    for (const use of uses) {
      const answer = once(this.child, 'message') as Promise<[string]>
      this.child.send(use)
      answers.push((await answer)[0])
    }
    return answers.join(' ')
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}
