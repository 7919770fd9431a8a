import pkcs11 from 'pkcs11js'
import { fixedTemplate, standardGcm, standardInvalid } from './parts.js'
import type { Profile } from './profile.js'

/** SoftHSM 2.6 and 2.7. */
export const softhsm: Profile = {
  name: 'softhsm',
  title: 'SoftHSM 2',
  probeAtStart: 'nothing',
  match: [{ manufacturer: 'SoftHSM project' }],
  host: 'inline',
  pin: 'free-text',
  seal: standardGcm,
  oaep: 'raw',
  import: 'process',
  edwards: { parameters: 'oid', prehash: false },
  lacks: [],
  macBytesMax: 1024 * 1024,
  randomChunkBytes: 4096,
  labelBytesMax: 255,
  idBytesMax: 64,
  helperObjects: false,
  objectsMax: null,
  pairIsOneObject: false,
  template: fixedTemplate,
  allowedMechanisms: true,
  checkValue: true,
  sessionKeys: true,
  unreadable: [],
  leavesUnfinished: true,
  returnValues: {
    // 2.6 answers GENERAL_ERROR to a wrong key, tag or additional data, and to much else; 2.7 the two proper codes.
    ciphertextInvalid: standardInvalid,
    ambiguous: [pkcs11.CKR_GENERAL_ERROR],
    busy: [],
    // Of C_Login in 2.6, while another process logs in and rewrites the file with the PIN; a new process reads it well.
    lost: [pkcs11.CKR_USER_PIN_NOT_INITIALIZED],
    // 2.6 fails now and then when another process searches while an object is being made (fixed in 2.7.0).
    createAgain: [pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_TEMPLATE_INCONSISTENT],
  },
  recover: ['new-session', 'login-again', 'reinitialise', 'new-process'],
  lanes: {
    count: 2, parallelPerProcess: false, maxSessions: null, callDeadlineMs: 5_000, slowCallDeadlineMs: 30_000, openGapMs: 0, keepAliveMs: 0,
    settleMs: 0,
  },
  sources: {
    import: 'device', edwards: 'device', lacks: 'device',
    match: 'device', pin: 'device', seal: 'device', oaep: 'device', template: 'device', allowedMechanisms: 'device', checkValue: 'device',
    unreadable: 'device', leavesUnfinished: 'device', returnValues: 'device', recover: 'device', labelBytesMax: 'device',
    idBytesMax: 'device',
    sessionKeys: 'device', helperObjects: 'device', pairIsOneObject: 'device', macBytesMax: 'device', randomChunkBytes: 'device',
  },
}
