import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import pkcs11, { type Handle } from 'pkcs11js'
import { faultModule } from './build.js'
import { readTrace } from './control.js'
import { aesKey } from './templates.js'
import { Remote } from './remote.js'
import { faultToken, type FaultToken } from './token.js'

const digestOfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const stateUser = 3
const statePublic = 2

describe('the fault module', () => {
  let token: FaultToken
  let hsm: Remote
  let session: Handle

  before(async () => { token = await faultToken({ trace: true }) })
  beforeEach(async () => {
    token.control.clear()
    hsm = new Remote(token.config)
    session = await hsm.openLoggedIn()
  })
  afterEach(() => hsm.close())

  const random = (bytes = 4): Promise<Buffer> => hsm.call('C_GenerateRandom', session, Buffer.alloc(bytes))
  const randomCode = (): Promise<number> => hsm.code('C_GenerateRandom', session, Buffer.alloc(4))
  const state = async (): Promise<number> => (await hsm.call<pkcs11.SessionInfo>('C_GetSessionInfo', session)).state

  async function digest(): Promise<Buffer> {
    await hsm.call('C_DigestInit', session, { mechanism: pkcs11.CKM_SHA256 })
    return hsm.call('C_Digest', session, Buffer.from('abc'), Buffer.alloc(32))
  }

  async function count(label: string, remote = hsm, at = session): Promise<number> {
    await remote.call('C_FindObjectsInit', at, [{ type: pkcs11.CKA_LABEL, value: label }])
    const found = await remote.call<readonly Handle[]>('C_FindObjects', at, 10)
    await remote.call('C_FindObjectsFinal', at)
    return found.length
  }

  it('is compiled once', async () => {
    expect(existsSync(await faultModule())).to.be.true
    expect(await faultModule()).to.equal(token.config.module)
  })

  it('passes on what no rule concerns', async () => {
    token.control.set({ on: 'C_Sign', action: 'rv', code: pkcs11.CKR_DEVICE_ERROR })
    expect((await digest()).toString('hex')).to.equal(digestOfAbc)
  })

  it('answers any CKR, from the n-th call on and so many times', async () => {
    token.control.set({ on: 'C_GenerateRandom', action: 'rv', code: 0x80000384, nth: 2, times: 2 })
    expect([await randomCode(), await randomCode(), await randomCode(), await randomCode()]).to.deep.equal([0, 0x80000384, 0x80000384, 0])
  })

  it('answers each n-th call, in one process only if told so', async () => {
    const rule = { on: 'C_GenerateRandom', action: 'rv', code: pkcs11.CKR_DEVICE_ERROR, every: 2 } as const
    token.control.set({ ...rule, pid: hsm.process.pid ?? 0 })
    expect([await randomCode(), await randomCode(), await randomCode(), await randomCode()]).to.deep.equal([0, 48, 0, 48])
    token.control.set({ ...rule, pid: process.pid })
    expect([await randomCode(), await randomCode()]).to.deep.equal([0, 0])
  })

  it('loses an answer after the work was done', async () => {
    token.control.set({ on: 'C_GenerateKey', action: 'rv-after', code: pkcs11.CKR_DEVICE_ERROR })
    expect(await hsm.code('C_GenerateKey', session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, aesKey('lost'))).to.equal(48)
    expect(await count('lost')).to.equal(1)
  })

  it('delays', async () => {
    token.control.set({ on: 'C_GenerateRandom', action: 'delay', ms: 30.5 })
    const start = performance.now()
    await random()
    expect(performance.now() - start).to.be.at.least(30)
  })

  it('hangs until the device comes back, and waits on under a new rule that says so', async () => {
    token.control.set({ on: 'C_GenerateRandom', action: 'hang', times: 1 })
    let answered = false
    const pending = random().then(() => { answered = true })
    await hung()
    token.control.set({ on: '*', action: 'hang' })
    await hung()
    expect(answered).to.be.false
    token.control.clear()
    await pending
  })

  it('hangs for ever if told so', async () => {
    token.control.set({ on: 'C_GenerateRandom', action: 'hang', forEver: true })
    const pending = randomCode().catch((error: unknown) => error)
    await hung()
    token.control.clear()
    hsm.process.kill('SIGTERM')
    hsm.process.kill('SIGKILL')
    expect((await hsm.ended).signal).to.be.oneOf(['SIGKILL', 'SIGTERM'])
    expect(await pending).to.be.instanceOf(Error)
  })

  // Longer than a hung call takes to look at the control file again.
  const hung = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 60))

  it('flips one bit of an output, a given one or any', async () => {
    token.control.set({ on: 'C_Digest', action: 'flip', bit: 3 })
    expect((await digest()).toString('hex')).to.equal(`b2${digestOfAbc.slice(2)}`)
    token.control.set({ on: 'C_Digest', action: 'flip' })
    expect(differingBits(await digest(), Buffer.from(digestOfAbc, 'hex'))).to.equal(1)
  })

  it('flips a bit of the first attribute that is read, not of its length', async () => {
    const key = await hsm.generate(session, pkcs11.CKM_AES_KEY_GEN, aesKey('flipped'))
    token.control.set({ on: 'C_GetAttributeValue', action: 'flip', bit: 0, times: 1 })
    const read = () => hsm.call<pkcs11.Template>('C_GetAttributeValue', session, key, [{ type: pkcs11.CKA_VALUE_LEN }])
    expect((await read())[0]?.value).to.deep.equal(Buffer.from('2100000000000000', 'hex'))
    expect((await read())[0]?.value).to.deep.equal(Buffer.from('2000000000000000', 'hex'))
  })

  it('says that an output is a byte shorter', async () => {
    token.control.set({ on: 'C_Digest', action: 'short' })
    expect(await digest()).to.have.length(31)
  })

  it('forgets the login', async () => {
    token.control.set({ on: 'C_GenerateRandom', action: 'logout', times: 1 })
    expect(await state()).to.equal(stateUser)
    await random()
    expect(await state()).to.equal(statePublic)
  })

  it('drops sessions', async () => {
    token.control.set({ on: 'C_GenerateRandom', action: 'drop-sessions', times: 1 })
    expect(await randomCode()).to.equal(pkcs11.CKR_SESSION_HANDLE_INVALID)
  })

  it('removes the device until it is back, without its sessions', async () => {
    token.control.set({ on: 'C_GenerateRandom', action: 'removed', nth: 2 })
    await random()
    expect(await randomCode()).to.equal(pkcs11.CKR_DEVICE_REMOVED)
    expect(await hsm.code('C_GetSlotList', true)).to.equal(pkcs11.CKR_DEVICE_REMOVED)
    token.control.clear()
    expect(await randomCode()).to.equal(pkcs11.CKR_SESSION_HANDLE_INVALID)
  })

  it('can be initialised again after a removal', async () => {
    token.control.set({ on: '*', action: 'removed' })
    expect(await hsm.code('C_Finalize')).to.equal(pkcs11.CKR_DEVICE_REMOVED)
    expect(await hsm.code('C_Initialize', { flags: 2 })).to.equal(pkcs11.CKR_DEVICE_REMOVED)
    token.control.clear()
    session = await hsm.openLoggedIn()
    await random()
  })

  for (const [action, end] of [
    ['exit', { code: 1, signal: null }], ['abort', { code: null, signal: 'SIGABRT' }], ['kill', { code: null, signal: 'SIGKILL' }],
  ] as const) {
    it(`ends its process: ${action}`, async () => {
      token.control.set({ on: 'C_GenerateRandom', action })
      await random().catch(() => undefined)
      expect(await hsm.ended).to.deep.equal(end)
    })
  }

  it('ends its process after the work was done', async () => {
    token.control.set({ on: 'C_GenerateKey', action: 'kill-after' })
    await hsm.generate(session, pkcs11.CKM_AES_KEY_GEN, aesKey('made and killed')).catch(() => undefined)
    await hsm.ended
    token.control.clear()
    const next = new Remote(token.config)
    expect(await count('made and killed', next, await next.openLoggedIn())).to.equal(1)
    await next.close()
  })

  it('shares a total among processes', async () => {
    const other = new Remote(token.config)
    const theirs = await other.openLoggedIn()
    token.control.set({ on: 'C_GenerateRandom', action: 'rv', code: pkcs11.CKR_DEVICE_ERROR, total: 3 })
    const codes = await Promise.all([1, 2, 3, 4].flatMap(() => [randomCode(), other.code('C_GenerateRandom', theirs, Buffer.alloc(4))]))
    expect(codes.filter(code => code === 48)).to.have.length(3)
    await other.close()
  })

  it('writes down every call', async () => {
    await random()
    const mine = readTrace(token.traceFile).filter(call => call.pid === hsm.process.pid)
    expect(mine[0]).to.deep.equal({ pid: hsm.process.pid, function: 'C_Initialize', returnValue: 0 })
    expect(mine.at(-1)?.function).to.equal('C_GenerateRandom')
  })

  for (const line of ['C_Nothing rv 1', 'C_Sign explode', 'C_Sign rv', 'C_Sign rv 0x30 nth=0', '* delay soon', 'imitate enigma']) {
    it(`ends a process that cannot follow: ${line}`, async () => {
      await writeFile(token.control.file, line)
      const other = new Remote(token.config, 'ignore')
      await other.call('C_Initialize', { flags: 2 }).catch(() => undefined)
      expect((await other.ended).code).to.equal(70)
    })
  }
})

function differingBits(a: Buffer, b: Buffer): number {
  return [...a].map((byte, at) => byte ^ (b[at] ?? 0)).join(' ').split(' ').reduce((sum, byte) => sum + popCount(Number(byte)), 0)
}

function popCount(byte: number): number {
  return byte.toString(2).replaceAll('0', '').length
}
