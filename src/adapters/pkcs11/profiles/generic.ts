import pkcs11 from 'pkcs11js'
import { portableTemplate, standardGcm, standardInvalid } from './parts.js'
import type { Profile } from './profile.js'

/** A token that nobody described: what can be found out is found out at the start, and for the rest the careful answer stands here. */
export const generic: Profile = {
  name: 'generic',
  title: 'a token without a profile of its own',
  probeAtStart: 'everything',
  match: [],
  host: 'process',
  pin: 'free-text',
  seal: standardGcm,
  oaep: 'none',
  import: 'refuse',
  edwards: { parameters: 'oid', prehash: false },
  lacks: [],
  macBytesMax: 16_384,
  randomChunkBytes: 1024,
  labelBytesMax: 40,
  idBytesMax: 0,
  helperObjects: false,
  objectsMax: null,
  pairIsOneObject: false,
  template: portableTemplate,
  allowedMechanisms: false,
  checkValue: false,
  sessionKeys: false,
  unreadable: [],
  leavesUnfinished: false,
  returnValues: {
    ciphertextInvalid: standardInvalid,
    ambiguous: [pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_DEVICE_ERROR],
    busy: [],
    lost: [],
    createAgain: [],
  },
  recover: ['new-session', 'login-again', 'reinitialise', 'new-process'],
  lanes: {
    count: 4, parallelPerProcess: false, maxSessions: null, callDeadlineMs: 10_000, slowCallDeadlineMs: 60_000, openGapMs: 100,
    keepAliveMs: 30_000, settleMs: 1_000,
  },
  sources: {
    import: 'assumed', edwards: 'assumed', lacks: 'assumed',
    match: 'assumed', host: 'assumed', pin: 'assumed', seal: 'assumed', oaep: 'assumed', macBytesMax: 'assumed',
    randomChunkBytes: 'assumed',
    labelBytesMax: 'assumed', idBytesMax: 'assumed', helperObjects: 'assumed', objectsMax: 'assumed', pairIsOneObject: 'assumed',
    template: 'assumed', allowedMechanisms: 'assumed', checkValue: 'assumed', sessionKeys: 'assumed', unreadable: 'assumed',
    leavesUnfinished: 'assumed', returnValues: 'assumed', recover: 'assumed', lanes: 'assumed',
  },
}
