import pkcs11 from 'pkcs11js'
import { portableTemplate, standardGcm, standardInvalid } from './parts.js'
import type { Profile } from './profile.js'

/** Entrust nShield. In worlds of FIPS 140 level 3 the module makes the IV; which world it is, the probe at the start finds out. */
export const nshield: Profile = {
  name: 'nshield',
  title: 'Entrust nShield',
  probeAtStart: 'seal',
  match: [{ manufacturer: 'nCipher Corp. Ltd*' }, { manufacturer: 'Entrust*' }, { libraryDescription: '*nShield*' }],
  host: 'process',
  pin: 'free-text',
  seal: { ...standardGcm, mode: 'gcm-hsm-iv-writeback', outputSlackBytes: 32, emptyPlaintext: false },
  oaep: 'native',
  import: 'hsm',
  edwards: { parameters: 'oid', prehash: false },
  lacks: [],
  macBytesMax: 8_192,
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
    // FUNCTION_FAILED has been seen for a bad ciphertext; the second ciphertext makes sure of it.
    ambiguous: [pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_GENERAL_ERROR],
    busy: [],
    lost: [pkcs11.CKR_DEVICE_ERROR],
    createAgain: [],
  },
  recover: ['new-session', 'login-again', 'reinitialise', 'new-process'],
  lanes: {
    count: 8, parallelPerProcess: true, maxSessions: null, callDeadlineMs: 5_000, slowCallDeadlineMs: 60_000, openGapMs: 50,
    keepAliveMs: 60_000,
    settleMs: 500,
  },
  sources: {
    import: 'assumed', edwards: 'assumed', lacks: 'assumed',
    match: 'report', seal: 'report', oaep: 'assumed', macBytesMax: 'assumed', randomChunkBytes: 'assumed', labelBytesMax: 'assumed',
    idBytesMax: 'assumed', helperObjects: 'assumed', objectsMax: 'assumed', pairIsOneObject: 'assumed', template: 'assumed',
    allowedMechanisms: 'assumed', checkValue: 'assumed', sessionKeys: 'assumed', unreadable: 'assumed', leavesUnfinished: 'assumed',
    returnValues: 'report', recover: 'assumed', lanes: 'assumed', host: 'assumed',
  },
}
