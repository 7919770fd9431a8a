import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { RowAuthenticator } from '../../src/ports/row-authenticator.js'

const rootVersion = 1

/** Row MACs without an HSM. Answers in a later turn of the event loop, as an HSM does, so that calls interleave. */
export function softwareRowAuthenticator(secret: Uint8Array = randomBytes(32)): RowAuthenticator {
  async function tag(data: Uint8Array): Promise<Uint8Array> {
    await new Promise(resolve => setImmediate(resolve))
    return Buffer.concat([Buffer.of(rootVersion), createHmac('sha256', secret).update(data).digest()])
  }
  return {
    tag,
    async verify(data, given) {
      const expected = await tag(data)
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}
