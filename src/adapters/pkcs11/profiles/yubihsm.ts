import pkcs11 from 'pkcs11js'
import { sealedBytesMax, standardInvalid } from './parts.js'
import type { Profile } from './profile.js'

/** YubiHSM 2 with yubihsm_pkcs11 2.4.1 or later; AES needs firmware 2.3 or later. */
export const yubihsm: Profile = {
  name: 'yubihsm',
  title: 'YubiHSM 2',
  probeAtStart: 'nothing',
  // The same manufacturer makes YubiKeys, whose model says so.
  match: [{ manufacturer: 'Yubico (www.yubico.com)', model: 'YubiHSM*' }],
  host: 'process',
  pin: 'AAAApassword',
  seal: {
    mode: 'cbc-hmac', gcmMechanism: pkcs11.CKM_AES_GCM, ivBytes: 12, ivBits: 96, plaintextBytesMax: sealedBytesMax, outputSlackBytes: 16,
    emptyPlaintext: true,
  },
  oaep: 'native',
  import: 'refuse',
  edwards: { parameters: 'name', prehash: false },
  lacks: [],
  // One command of at most 2,048 bytes, with the session's own framing around it.
  macBytesMax: 1_900,
  randomChunkBytes: 2_000,
  labelBytesMax: 40,
  // Ours have 20 bytes and are left out: the device picks one.
  idBytesMax: 2,
  helperObjects: true,
  // And 126 KB together; authentication keys and helper objects count.
  objectsMax: 256,
  pairIsOneObject: true,
  template: {
    secret: { set: { modifiable: false, copyable: false }, omit: [] },
    // Its templates of HMAC keys and of pairs refuse what they do not list.
    mac: {
      set: { key_type: pkcs11.CKK_SHA256_HMAC },
      omit: ['value_len', 'private', 'sensitive', 'encrypt', 'decrypt', 'wrap', 'unwrap', 'derive'],
    },
    private: { set: { modifiable: false, copyable: false }, omit: ['decrypt', 'sign_recover', 'unwrap'] },
    // Public keys are so, though nobody sees them without a login.
    public: { set: { modifiable: false, copyable: false }, omit: ['private', 'verify_recover'], reads: { private: false } },
  },
  allowedMechanisms: false,
  checkValue: false,
  sessionKeys: false,
  unreadable: ['key_gen_mechanism', 'value_len', 'sign_recover', 'verify_recover'],
  leavesUnfinished: false,
  returnValues: {
    ciphertextInvalid: standardInvalid,
    ambiguous: [],
    busy: [],
    lost: [pkcs11.CKR_DEVICE_ERROR],
    createAgain: [],
  },
  // With a password the library renews a recycled session by itself; with a YubiKey only a new initialise helps.
  recover: ['new-session', 'login-again', 'reinitialise', 'new-process'],
  lanes: {
    // Of its 16 sessions, which a dead process holds for 30 s; and it does one command at a time.
    count: 2, parallelPerProcess: false, maxSessions: 16, callDeadlineMs: 10_000, slowCallDeadlineMs: 60_000, openGapMs: 250,
    keepAliveMs: 10_000, settleMs: 0,
  },
  sources: {
    import: 'assumed', edwards: 'assumed', lacks: 'assumed',
    match: 'report', macBytesMax: 'assumed', randomChunkBytes: 'assumed', unreadable: 'assumed', lanes: 'assumed',
    leavesUnfinished: 'assumed',
    recover: 'report', host: 'assumed',
  },
}
