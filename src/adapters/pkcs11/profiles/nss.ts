import pkcs11 from 'pkcs11js'
import { standardGcm, standardInvalid } from './parts.js'
import type { Profile, TemplateFacts } from './profile.js'

// It says CKA_LOCAL false of what it generated itself, and cannot be told otherwise.
const secret: TemplateFacts = { set: { modifiable: false }, omit: [], reads: { local: false } }

/** NSS softoken 3.87, the cryptographic library of Firefox with its key database. A software token, like SoftHSM. */
export const nss: Profile = {
  name: 'nss',
  title: 'NSS softoken',
  probeAtStart: 'nothing',
  match: [{ manufacturer: 'Mozilla Foundation', model: 'NSS*' }],
  host: 'inline',
  pin: 'free-text',
  seal: standardGcm,
  oaep: 'native',
  // An RSA key that it unwraps may do everything, whatever the template says; one of a curve it does not unwrap.
  import: 'hsm-secrets',
  edwards: { parameters: 'oid', prehash: false },
  lacks: ['ecdsa-secp256k1'],
  macBytesMax: 1024 * 1024,
  randomChunkBytes: 4096,
  labelBytesMax: 255,
  // A second secret key with the same id takes the place of the first, and nobody is told: so keys have none.
  idBytesMax: 0,
  helperObjects: false,
  objectsMax: null,
  pairIsOneObject: false,
  template: {
    secret, mac: secret, private: secret,
    // Public keys are public there, whatever the template says.
    public: { set: { modifiable: false }, omit: [], reads: { local: false, private: false } },
  },
  allowedMechanisms: false,
  checkValue: false,
  sessionKeys: true,
  unreadable: ['key_gen_mechanism', 'modulus_bits'],
  leavesUnfinished: false,
  returnValues: {
    ciphertextInvalid: [...standardInvalid, pkcs11.CKR_DATA_LEN_RANGE],
    ambiguous: [],
    busy: [],
    lost: [],
    createAgain: [],
  },
  recover: ['new-session', 'login-again', 'reinitialise', 'new-process'],
  lanes: {
    count: 2, parallelPerProcess: true, maxSessions: null, callDeadlineMs: 5_000, slowCallDeadlineMs: 30_000, openGapMs: 0, keepAliveMs: 0,
    settleMs: 0,
  },
  sources: {
    import: 'device', edwards: 'assumed', lacks: 'device',
    match: 'device', pin: 'device', seal: 'device', oaep: 'device', macBytesMax: 'device', randomChunkBytes: 'device',
    labelBytesMax: 'device',
    idBytesMax: 'device', helperObjects: 'device', pairIsOneObject: 'device', template: 'device', allowedMechanisms: 'device',
    checkValue: 'device', sessionKeys: 'device', unreadable: 'device', returnValues: 'device', leavesUnfinished: 'assumed',
    recover: 'assumed',
    lanes: 'assumed', objectsMax: 'assumed', host: 'assumed',
  },
}
