import pkcs11 from 'pkcs11js'
import { returnValueOf } from '../../../src/adapters/pkcs11/driver/errors.js'

/**
 * `remote-child.js <module>`: calls pkcs11js for its parent, who thereby survives what the fault module does to a process. A message
 * names a function and its arguments; the answer is a value or a CKR.
 */
const lib = new pkcs11.PKCS11()
lib.load(process.argv[2] ?? '')

// Both steps in one call: IV and additional data must stay where they are until the second.
const functions = new Map<string, (...args: never[]) => unknown>([
  ['seal', (session: Buffer, mechanism: number, key: Buffer, iv: Buffer, data: Buffer) => {
    const parameter = gcm(iv)
    lib.C_EncryptInit(session, { mechanism, parameter }, key)
    const ivAfterInit = Buffer.from(parameter.iv)
    const out = lib.C_Encrypt(session, data, Buffer.alloc(data.length + 64))
    return { out: Buffer.from(out), ivAfterInit, iv: Buffer.from(parameter.iv) }
  }],
  ['unseal', (session: Buffer, mechanism: number, key: Buffer, iv: Buffer, data: Buffer) => {
    const parameter = gcm(iv)
    lib.C_DecryptInit(session, { mechanism, parameter }, key)
    const out = lib.C_Decrypt(session, data, Buffer.alloc(data.length))
    return Buffer.from(out.subarray(0, parameter.aad.length > 0 ? out.length : 0))
  }],
])

// Only a zero-length buffer of its own is a null pointer; one that has come through the pipe is not.
function gcm(given: Buffer): { type: number, iv: Buffer, aad: Buffer, ivBits: number, tagBits: number } {
  const iv = given.length === 0 ? Buffer.alloc(0) : given
  return { type: pkcs11.CK_PARAMS_AES_GCM_v240, iv, aad: Buffer.from('additional data'), ivBits: iv.length * 8, tagBits: 128 }
}

process.on('message', ({ id, name, args }: { id: number, name: string, args: never[] }) => {
  try {
    const call = functions.get(name) ?? Reflect.get(lib, name) as (...args: never[]) => unknown
    process.send?.({ id, value: call.apply(lib, args) })
  } catch (error) {
    process.send?.({ id, code: returnValueOf(error) ?? 0, message: String(error) })
  }
})
