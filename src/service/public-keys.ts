import * as api from '../api/keys.js'
import type { Output } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import { fitsPublicKey } from './key-fit.js'
import { algorithmsOf } from './key-metadata.js'
import { onKey } from './operation.js'

export const getPublicKey = onKey(api.getPublicKey, {
  readOnly: true,
  crossAccount: true,
  state: 'public-key',
  aliases: true,
  fits: fitsPublicKey,
  key: input => input.KeyId,
  async run({ key, used }, { backingKeys }) {
    const { arn, keySpec, keyUsage, currentVersion } = key.key
    // The state table lets a key that waits for material pass; one that has none, or no longer, has no public half either.
    if (key.versions.get(currentVersion)?.state !== 'ready') throw new KmsError('KMSInvalidStateException', `${arn} is pending import.`)
    const { result, version } = await backingKeys.use(key, (hsm, material) => hsm.publicKey(material))
    used(key.key, version)
    return {
      KeyId: arn,
      PublicKey: result,
      // As in KeyMetadata: values that the deprecated member never had are put there all the same.
      CustomerMasterKeySpec: keySpec as NonNullable<Output<typeof api.getPublicKey>['CustomerMasterKeySpec']>,
      KeySpec: keySpec,
      KeyUsage: keyUsage,
      ...algorithmsOf(key.key),
    }
  },
})
