import { timingSafeEqual } from 'node:crypto'
import * as api from '../api/macs.js'
import type { Input } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import type { UsableKey } from '../domain/key-state.js'
import { fitsUse } from './key-fit.js'
import { onKey } from './operation.js'
import type { Services } from './services.js'

export const generateMac = onKey(api.generateMac, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  fits: (key, input) => { fitsUse(key, 'GenerateMac', 'GENERATE_VERIFY_MAC', input.MacAlgorithm) },
  key: input => input.KeyId,
  async run({ key, input, used }, { backingKeys }) {
    const { result, version } = await backingKeys.use(key, (hsm, material) => hsm.mac(material, input.Message))
    used(key.key, version)
    return { KeyId: key.key.arn, Mac: result, MacAlgorithm: input.MacAlgorithm }
  },
})

export const verifyMac = onKey(api.verifyMac, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  fits: (key, input) => { fitsUse(key, 'VerifyMac', 'GENERATE_VERIFY_MAC', input.MacAlgorithm) },
  key: input => input.KeyId,
  async run({ key, input, used }, services) {
    const version = await checkMac(key, input, services)
    used(key.key, version)
    return { KeyId: key.key.arn, MacValid: true, MacAlgorithm: input.MacAlgorithm }
  },
  async rehearse({ keys: [key], input }, services) {
    if (key) await checkMac(key, input, services)
  },
})

/** A MAC that is only the beginning of the right one is as wrong as any other. */
async function checkMac(key: UsableKey, { Message, Mac }: Input<typeof api.verifyMac>, { backingKeys }: Services) {
  const { result: genuine, version } = await backingKeys.use(key, (hsm, material) => hsm.mac(material, Message))
  const valid = Mac.length === genuine.length && timingSafeEqual(Mac, genuine)
  // To whoever has none, it is a secret: a MAC that this caller could not make himself.
  genuine.fill(0)
  if (!valid) throw new KmsError('KMSInvalidMacException')
  return version
}
