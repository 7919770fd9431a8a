import pkcs11 from 'pkcs11js'
import { standardGcm, standardInvalid } from './parts.js'
import type { Profile, TemplateFacts } from './profile.js'

const unchangeable: TemplateFacts = { set: { modifiable: false }, omit: [] }

/** openCryptoki: the soft token of 3.8 has no GCM; other tokens and later releases have, which the probe at the start finds out. */
export const opencryptoki: Profile = {
  name: 'opencryptoki',
  title: 'openCryptoki',
  probeAtStart: 'seal',
  match: [
    { manufacturer: 'IBM*', libraryDescription: 'Meta PKCS11 LIBRARY*' }, { manufacturer: 'IBM*', libraryDescription: 'openCryptoki*' },
    { manufacturer: 'IBM Corp.', model: 'IBM SoftTok*' },
  ],
  host: 'process',
  pin: 'free-text',
  seal: { ...standardGcm, mode: 'cbc-hmac' },
  oaep: 'raw',
  import: 'process',
  edwards: { parameters: 'oid', prehash: false },
  lacks: [],
  macBytesMax: 1024 * 1024,
  randomChunkBytes: 4096,
  labelBytesMax: 255,
  idBytesMax: 64,
  helperObjects: false,
  // Of the soft token, which then says HOST_MEMORY.
  objectsMax: 2048,
  pairIsOneObject: false,
  template: { secret: unchangeable, mac: unchangeable, private: unchangeable, public: unchangeable },
  allowedMechanisms: false,
  checkValue: false,
  sessionKeys: true,
  unreadable: ['key_gen_mechanism'],
  leavesUnfinished: false,
  returnValues: {
    ciphertextInvalid: standardInvalid,
    ambiguous: [pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED],
    busy: [],
    // Of C_Initialize, when its daemon does not run.
    lost: [pkcs11.CKR_FUNCTION_FAILED],
    createAgain: [],
  },
  recover: ['new-session', 'login-again', 'reinitialise', 'new-process'],
  lanes: {
    count: 4, parallelPerProcess: true, maxSessions: null, callDeadlineMs: 5_000, slowCallDeadlineMs: 30_000, openGapMs: 50,
    keepAliveMs: 60_000,
    settleMs: 0,
  },
  sources: {
    import: 'device', edwards: 'assumed', lacks: 'assumed',
    match: 'device', pin: 'device', seal: 'device', oaep: 'device', macBytesMax: 'device', randomChunkBytes: 'device',
    labelBytesMax: 'device',
    idBytesMax: 'device', helperObjects: 'device', objectsMax: 'device', pairIsOneObject: 'assumed', template: 'device',
    allowedMechanisms: 'device', checkValue: 'device', sessionKeys: 'device', unreadable: 'device', leavesUnfinished: 'assumed',
    returnValues: 'assumed', recover: 'device', lanes: 'assumed', host: 'assumed',
  },
}
