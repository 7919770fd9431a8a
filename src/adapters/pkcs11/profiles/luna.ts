import pkcs11 from 'pkcs11js'
import { portableTemplate, standardGcm, standardInvalid } from './parts.js'
import type { Profile } from './profile.js'

/** Secure channel or network, as Luna's client says it. */
const networkFailed = 0x80000384

/** Thales Luna 7. In FIPS mode the HSM makes the IV and appends it: which it is, the probe at the start finds out. */
export const luna: Profile = {
  name: 'luna',
  title: 'Thales Luna 7',
  probeAtStart: 'seal',
  match: [
    { manufacturer: 'Safenet*', model: 'Luna*' }, { manufacturer: 'SafeNet*', model: 'Luna*' }, { manufacturer: 'Thales*', model: 'Luna*' },
    { manufacturer: 'Gemalto*', model: 'Luna*' }, { model: 'LunaSA*' }, { model: 'LunaVirtual*' }, { model: 'Cryptovisor*' },
    { libraryDescription: 'Chrystoki*' },
  ],
  host: 'process',
  pin: 'free-text',
  seal: { ...standardGcm, outputSlackBytes: 32, emptyPlaintext: false },
  oaep: 'native',
  import: 'hsm',
  edwards: { parameters: 'oid', prehash: false },
  lacks: [],
  macBytesMax: 16_384,
  randomChunkBytes: 4096,
  labelBytesMax: 64,
  idBytesMax: 64,
  helperObjects: false,
  objectsMax: null,
  pairIsOneObject: false,
  template: portableTemplate,
  allowedMechanisms: false,
  checkValue: true,
  sessionKeys: true,
  unreadable: ['key_gen_mechanism', 'sign_recover', 'verify_recover'],
  leavesUnfinished: false,
  returnValues: {
    ciphertextInvalid: standardInvalid,
    ambiguous: [pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED],
    busy: [],
    lost: [pkcs11.CKR_DEVICE_ERROR, networkFailed],
    createAgain: [],
  },
  // When all members of a HA group were lost, nothing but a new initialise brings them back.
  recover: ['new-session', 'login-again', 'reinitialise', 'new-process'],
  lanes: {
    count: 16, parallelPerProcess: true, maxSessions: null, callDeadlineMs: 5_000, slowCallDeadlineMs: 30_000, openGapMs: 50,
    keepAliveMs: 60_000,
    settleMs: 1_000,
  },
  sources: {
    import: 'assumed', edwards: 'assumed', lacks: 'assumed',
    match: 'report', pin: 'documentation', oaep: 'assumed', macBytesMax: 'assumed', randomChunkBytes: 'assumed', labelBytesMax: 'assumed',
    idBytesMax: 'assumed', helperObjects: 'assumed', pairIsOneObject: 'assumed', template: 'assumed', allowedMechanisms: 'assumed',
    checkValue: 'assumed', sessionKeys: 'assumed', unreadable: 'assumed', leavesUnfinished: 'assumed', returnValues: 'assumed',
    lanes: 'assumed',
    host: 'assumed',
  },
}
