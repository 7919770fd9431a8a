import pkcs11 from 'pkcs11js'
import type { Profile } from './profile.js'

/** SoftHSM 2.6 and 2.7. */
export const softhsm: Profile = {
  name: 'softhsm',
  match: { manufacturer: 'SoftHSM project' },
  host: 'inline',
  suite: 'gcm',
  pin: 'free-text',
  // 4,096 bytes are the KMS API's limit for Encrypt; the rest is room for what the service seals for itself.
  seal: { mode: 'gcm-caller-iv', plaintextBytesMax: 4096 + 256, outputSlackBytes: 16 },
  macBytesMax: 1024 * 1024,
  randomChunkBytes: 4096,
  labelBytesMax: 255,
  idBytesMax: 64,
  template: {
    secret: { modifiable: false, copyable: false },
    private: { modifiable: false, copyable: false },
    public: { modifiable: false, copyable: false },
  },
  allowedMechanisms: true,
  unreadable: [],
  leavesUnfinished: true,
  returnValues: {
    // 2.6 answers GENERAL_ERROR to a wrong key, tag or additional data, and to much else; 2.7 the two proper codes.
    ciphertextInvalid: [pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE],
    ambiguous: [pkcs11.CKR_GENERAL_ERROR],
    busy: [],
    lost: [],
    // 2.6 fails now and then when another process searches while an object is being made (fixed in 2.7.0).
    createAgain: [pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_TEMPLATE_INCONSISTENT],
  },
}
