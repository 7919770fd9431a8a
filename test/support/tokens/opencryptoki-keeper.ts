import { chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { initialise, newPin } from './ceremony.js'
import { lockMachine } from './machine-lock.js'
import { SlotDaemon } from './slot-daemon.js'
import { label, TokenUnavailable } from './token.js'
import type { KeeperAnswer, KeeperRequest } from './opencryptoki.js'

/**
 * `opencryptoki-keeper.js <library> <file for the PIN>`, as a child with a channel: waits for its turn on this machine, makes the soft
 * token ready, answers to requests about the daemon, and clears everything away when the channel closes.
 */
const [module = '', pinFile = ''] = process.argv.slice(2)
/** One machine has one daemon and one soft token: test processes wait for each other. */
const lockFile = '/run/lock/claviger-opencryptoki'
const lockWaitSecondsMax = 300
const soPinAtFirst = '87654321'
const pinLength = 8
const softTokenModel = 'IBM SoftTok'
/** Fixed when the package was built, like the socket; PKCS_APP_STORE makes 3.8 write its files into the root directory. */
const store = '/var/lib/opencryptoki/swtok'
const sharedMemory = '/dev/shm'
const sharedPrefix = 'var.lib.opencryptoki.'
const daemon = new SlotDaemon()
const left = new AbortController()
/** The library makes some for every token that it knows, whether it is there or not. */
let sharedBefore: ReadonlySet<string> = new Set()
let ours = false
let working: Promise<void> = Promise.resolve()

const answer = (message: KeeperAnswer) => { if (process.connected) process.send?.(message) }

process.on('message', (request: KeeperRequest) => inTurn(() => request === 'start' ? daemon.start() : daemon.stop(request)))
process.on('disconnect', end)
// Whoever started this may have gone before there was a listener.
if (process.connected) inTurn(prepare)
else end()

function end(): void {
  left.abort()
  working = working.then(clear).finally(() => process.exit())
}

function inTurn(work: () => Promise<void>): void {
  working = working.then(work).then(() => answer({ ownDaemon: daemon.isOwn }), (error: unknown) => answer(refusal(error)))
}

function refusal(error: unknown): KeeperAnswer {
  const text = error instanceof Error ? error.message : String(error)
  return error instanceof TokenUnavailable ? { unavailable: text } : { failed: `openCryptoki: ${text}` }
}

async function prepare(): Promise<void> {
  await lockMachine(lockFile, lockWaitSecondsMax, left.signal)
  sharedBefore = new Set(readdirSync(sharedMemory))
  makeDirectories()
  await daemon.start()
  const lib = new pkcs11.PKCS11()
  lib.load(module)
  if (claim(lib)) wipe()
  lib.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  try {
    make(lib)
  } finally {
    lib.C_Finalize()
  }
}

/** Whether a token of an earlier test process is in the way. Throws TokenUnavailable for anybody else's. */
function claim(lib: PKCS11): boolean {
  lib.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  try {
    const info = lib.C_GetTokenInfo(softToken(lib))
    const initialised = (info.flags & pkcs11.CKF_TOKEN_INITIALIZED) !== 0
    if (initialised && info.label.trimEnd() !== label) {
      throw new TokenUnavailable(`the soft token of openCryptoki on this machine is in use: ${info.label.trimEnd()}`)
    }
    ours = true
    return initialised
  } finally {
    lib.C_Finalize()
  }
}

function softToken(lib: PKCS11): Handle {
  const slot = lib.C_GetSlotList(true).find(each => lib.C_GetTokenInfo(each).model.trimEnd() === softTokenModel)
  if (!slot) throw new TokenUnavailable('openCryptoki has no soft token in its configuration')
  return slot
}

function make(lib: PKCS11): void {
  const slot = softToken(lib)
  const pin = newPin(pinLength)
  lib.C_InitToken(slot, soPinAtFirst, label.padEnd(32))
  initialise(lib, slot, { soPin: soPinAtFirst, newSoPin: newPin(pinLength), pin })
  writeFileSync(pinFile, pin, { mode: 0o600, flag: 'wx' })
}

async function clear(): Promise<void> {
  await daemon.end()
  if (!ours) return
  wipe()
  const made = readdirSync(sharedMemory).filter(name => name.startsWith(sharedPrefix) && !sharedBefore.has(name))
  for (const name of made) rmSync(join(sharedMemory, name), { force: true })
}

function wipe(): void {
  for (const name of ['NVTOK.DAT', 'MK_SO', 'MK_USER']) rmSync(join(store, name), { force: true })
  for (const name of readdirSync(join(store, 'TOK_OBJ'))) rmSync(join(store, 'TOK_OBJ', name), { force: true })
  rmSync(join(sharedMemory, `${sharedPrefix}swtok`), { force: true })
}

// Containers come up with an empty /run, and without anybody who fills it.
function makeDirectories(): void {
  for (const path of ['/var/lock/opencryptoki', '/var/lock/opencryptoki/swtok', store, join(store, 'TOK_OBJ')]) {
    if (mkdirSync(path, { recursive: true, mode: 0o770 }) !== undefined) chownSync(path, 0, statSync(dirname(store)).gid)
  }
}
