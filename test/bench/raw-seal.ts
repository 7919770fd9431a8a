import { readFileSync } from 'node:fs'
import graphene from 'graphene-pk11'

/**
 * A child process that seals and opens through PKCS#11 in a loop and nothing else: what the HSM's library can do for one process. Uses the
 * binding directly, with a session key of its own, so that it is a limit and not our driver's figure.
 */
export interface RawOrder { readonly durationMs: number }
export interface RawResult { readonly sealsPerSecond: number, readonly opensPerSecond: number }

const osLocking = 2
const [modulePath = '', tokenLabel = '', pinFile = ''] = process.argv.slice(2)
const plaintext = Buffer.alloc(32, 7)
const iv = Buffer.alloc(12, 1)
const aad = Buffer.alloc(32, 2)
const output = Buffer.alloc(64)

const module = graphene.Module.load(modulePath)
module.initialize({ flags: osLocking })
const slots = module.getSlots(true)
const slot = Array.from({ length: slots.length }, (_, at) => slots.items(at)).find(item => item.getToken().label.trim() === tokenLabel)
if (!slot) throw new Error('the token is not there')
const session = slot.open(graphene.SessionFlag.SERIAL_SESSION | graphene.SessionFlag.RW_SESSION)
session.login(readFileSync(pinFile, 'utf8').trim())
const key = session.generateKey(graphene.KeyGenMechanism.AES, {
  keyType: graphene.KeyType.AES, valueLen: 32, token: true, sensitive: true, extractable: false, encrypt: true, decrypt: true,
  label: 'bench',
})
const mechanism = { mechanism: graphene.MechanismEnum.AES_GCM, parameter: { type: 7, iv, aad, ivBits: 96, tagBits: 128 } }
const { lib } = module

function perSecond(durationMs: number, once: () => void): number {
  const start = performance.now()
  let count = 0
  while (performance.now() - start < durationMs) {
    for (let burst = 0; burst < 100; burst++) once()
    count += 100
  }
  return count / ((performance.now() - start) / 1000)
}

function seal(): Buffer {
  lib.C_EncryptInit(session.handle, mechanism, key.handle)
  return lib.C_Encrypt(session.handle, plaintext, output)
}

const sealed = Buffer.from(seal())

process.on('message', ({ durationMs }: RawOrder) => {
  const result: RawResult = {
    sealsPerSecond: perSecond(durationMs / 2, seal),
    opensPerSecond: perSecond(durationMs / 2, () => {
      lib.C_DecryptInit(session.handle, mechanism, key.handle)
      lib.C_Decrypt(session.handle, sealed, output)
    }),
  }
  process.send?.({ result })
})
process.on('disconnect', () => {
  session.destroy(key)
  process.exit()
})
process.send?.('ready')
