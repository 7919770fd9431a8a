import pkcs11 from 'pkcs11js'
import { portableTemplate, sealedBytesMax, standardInvalid } from './parts.js'
import type { Profile } from './profile.js'

/** AWS CloudHSM, Client SDK 5. */
export const cloudhsm: Profile = {
  name: 'cloudhsm',
  title: 'AWS CloudHSM, Client SDK 5',
  probeAtStart: 'nothing',
  match: [
    { manufacturer: 'Marvell Semiconductors*' }, { manufacturer: 'Cavium*' }, { model: 'CloudHSM*' }, { libraryDescription: '*CloudHSM*' },
  ],
  host: 'process',
  pin: 'user:password',
  seal: {
    // CKM_CLOUDHSM_AES_GCM: its own mechanism returns the IV in front, so that nothing must be kept alive and read back.
    mode: 'gcm-hsm-iv-prefix',
    gcmMechanism: 0x80001087,
    ivBytes: 12,
    ivBits: 0,
    // Of 16,224 bytes that it would take.
    plaintextBytesMax: sealedBytesMax,
    outputSlackBytes: 32,
    emptyPlaintext: false,
  },
  oaep: 'native',
  import: 'refuse',
  edwards: { parameters: 'oid', prehash: false },
  lacks: [],
  macBytesMax: 16_288,
  randomChunkBytes: 4096,
  labelBytesMax: 127,
  idBytesMax: 64,
  helperObjects: false,
  // Of hsm1.medium; hsm2m.medium holds 16,666, which configuration can say.
  objectsMax: 3300,
  pairIsOneObject: false,
  // MODIFIABLE may only be true, COPYABLE is unknown, and the two recoveries are not for EC keys.
  template: {
    ...portableTemplate,
    private: { set: {}, omit: ['sign_recover'] },
    public: { set: {}, omit: ['verify_recover'] },
  },
  allowedMechanisms: false,
  checkValue: true,
  sessionKeys: true,
  unreadable: ['always_sensitive', 'key_gen_mechanism', 'sign_recover', 'verify_recover'],
  leavesUnfinished: false,
  returnValues: {
    ciphertextInvalid: standardInvalid,
    // FUNCTION_FAILED is throttling, no quorum for a young key, and more: never a bad ciphertext without a second look.
    ambiguous: [pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED],
    busy: [pkcs11.CKR_FUNCTION_FAILED],
    lost: [pkcs11.CKR_DEVICE_ERROR],
    createAgain: [],
  },
  // The library connects again by itself while one HSM of the cluster answers.
  recover: ['new-session', 'login-again', 'new-process'],
  lanes: {
    count: 16, parallelPerProcess: true, maxSessions: 1024, callDeadlineMs: 5_000, slowCallDeadlineMs: 30_000, openGapMs: 100,
    keepAliveMs: 60_000,
    settleMs: 2_000,
  },
  sources: {
    import: 'assumed', edwards: 'assumed', lacks: 'assumed',
    match: 'assumed', seal: 'documentation', macBytesMax: 'documentation', randomChunkBytes: 'assumed', labelBytesMax: 'assumed',
    idBytesMax: 'assumed', helperObjects: 'assumed', pairIsOneObject: 'assumed', returnValues: 'report', recover: 'assumed',
    lanes: 'assumed',
    allowedMechanisms: 'documentation', leavesUnfinished: 'assumed', host: 'assumed',
  },
}
