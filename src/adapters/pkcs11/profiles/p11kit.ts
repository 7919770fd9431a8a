import pkcs11 from 'pkcs11js'
import { softhsm } from './softhsm.js'
import type { Profile } from './profile.js'

/**
 * SoftHSM behind `p11-kit server`: a token at the end of a socket, which can die, hang and come back. 0.24 carries neither GCM nor CBC,
 * so that nothing can be sealed; GCM is carried since 0.25.
 */
export const p11kit: Profile = {
  ...softhsm,
  name: 'p11-kit',
  title: 'SoftHSM 2 behind p11-kit server',
  match: [{ manufacturer: 'SoftHSM project', libraryDescription: 'PKCS#11 Kit*' }],
  host: 'process',
  import: 'refuse',
  // Reading the attribute back is CKR_DEVICE_ERROR here.
  allowedMechanisms: false,
  returnValues: {
    ...softhsm.returnValues,
    // Everything answers so when the server is gone, and until the library is initialised anew.
    lost: [...softhsm.returnValues.lost, pkcs11.CKR_DEVICE_ERROR],
  },
  // Session numbers of before may belong to others afterwards: nothing short of a new initialise can be trusted.
  recover: ['reinitialise', 'new-process'],
  lanes: {
    count: 4, parallelPerProcess: false, maxSessions: null, callDeadlineMs: 5_000, slowCallDeadlineMs: 30_000, openGapMs: 10,
    keepAliveMs: 30_000, settleMs: 0,
  },
  sources: { ...softhsm.sources, match: 'device', host: 'device', recover: 'device', lanes: 'assumed', seal: 'assumed' },
}
