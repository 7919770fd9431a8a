import pkcs11, { type Handle, type PKCS11, type Template } from 'pkcs11js'
import type { Connection } from './connection.js'
import { failureText } from './errors.js'
import { exactly } from './operations.js'

/** Objects that live for one call. */

/** Lets `use` have an object of the session and destroys it, whatever comes: what cannot be destroyed ends with its session. */
export function withSessionObject<T>(connection: Connection, session: Handle, object: Handle, use: (object: Handle) => T): T {
  try {
    return use(object)
  } finally {
    try {
      connection.lib.C_DestroyObject(session, object)
    } catch (error) {
      connection.log.warn('an object of a session could not be destroyed, the session is ended', { failure: failureText(error) })
      connection.endSession()
    }
  }
}

/** Makes a secret of `bytes` bytes that may be read, reads it, and destroys it. The bytes are the caller's. */
export function readSecret(
  connection: Connection, bytes: number, make: (lib: PKCS11, session: Handle, template: Template) => Handle,
): Buffer {
  const { lib } = connection
  const session = connection.session()
  return withSessionObject(connection, session, make(lib, session, readable(bytes)), key => {
    const [read] = lib.C_GetAttributeValue(session, key, [{ type: pkcs11.CKA_VALUE }])
    return padded(read?.value ?? Buffer.alloc(0), bytes)
  })
}

/** The x-coordinate of what a private key and somebody's uncompressed point agree on. The bytes are the caller's. */
export function ecdh(connection: Connection, privateKey: Handle, publicData: Buffer, bytes: number): Buffer {
  const parameter = { type: pkcs11.CK_PARAMS_EC_DH, kdf: pkcs11.CKD_NULL, publicData }
  return readSecret(connection, bytes, (lib, session, template) =>
    lib.C_DeriveKey(session, { mechanism: pkcs11.CKM_ECDH1_DERIVE, parameter }, privateKey, template))
}

function readable(bytes: number): Template {
  return [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY }, { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_GENERIC_SECRET },
    { type: pkcs11.CKA_TOKEN, value: false }, { type: pkcs11.CKA_SENSITIVE, value: false }, { type: pkcs11.CKA_EXTRACTABLE, value: true },
    { type: pkcs11.CKA_VALUE_LEN, value: bytes },
  ]
}

/** Memory of its own; some tokens leave out zeros in front. What was read is overwritten. */
function padded(value: Buffer, bytes: number): Buffer {
  try {
    if (value.length === 0 || value.length > bytes) exactly(bytes, value)
    const secret = Buffer.alloc(bytes)
    value.copy(secret, bytes - value.length)
    return secret
  } finally {
    value.fill(0)
  }
}
