import pkcs11 from 'pkcs11js'
import type { FaultRule } from './fault-module/control.js'

/** The fault table: what is done to which function, and what clients may see of it. */

export interface Fault {
  readonly on: `C_${string}` | '*'
  readonly name: string
  readonly rule: FaultRule
  /** The device says that a good ciphertext is bad, every time it is asked: then so do we. */
  readonly saysInvalid: boolean
}

const functions = [
  'C_EncryptInit', 'C_Encrypt', 'C_DecryptInit', 'C_Decrypt', 'C_SignInit', 'C_Sign', 'C_GenerateRandom', 'C_GenerateKey',
  'C_FindObjectsInit', 'C_FindObjects', 'C_GetAttributeValue', 'C_OpenSession', 'C_GetSessionInfo',
  'C_VerifyInit', 'C_Verify', 'C_DeriveKey', 'C_GenerateKeyPair', 'C_CreateObject', 'C_DestroyObject',
] as const

/** One of each class in errors.ts, and some that are in none. */
const codes: readonly (readonly [string, number])[] = [
  ['CKR_GENERAL_ERROR', pkcs11.CKR_GENERAL_ERROR], ['CKR_FUNCTION_FAILED', pkcs11.CKR_FUNCTION_FAILED],
  ['CKR_DEVICE_ERROR', pkcs11.CKR_DEVICE_ERROR], ['CKR_DEVICE_MEMORY', pkcs11.CKR_DEVICE_MEMORY],
  ['CKR_DEVICE_REMOVED', pkcs11.CKR_DEVICE_REMOVED], ['CKR_TOKEN_NOT_PRESENT', pkcs11.CKR_TOKEN_NOT_PRESENT],
  ['CKR_SESSION_HANDLE_INVALID', pkcs11.CKR_SESSION_HANDLE_INVALID], ['CKR_SESSION_CLOSED', pkcs11.CKR_SESSION_CLOSED],
  ['CKR_USER_NOT_LOGGED_IN', pkcs11.CKR_USER_NOT_LOGGED_IN], ['CKR_OBJECT_HANDLE_INVALID', pkcs11.CKR_OBJECT_HANDLE_INVALID],
  ['CKR_KEY_HANDLE_INVALID', pkcs11.CKR_KEY_HANDLE_INVALID], ['CKR_OPERATION_ACTIVE', pkcs11.CKR_OPERATION_ACTIVE],
  ['CKR_OPERATION_NOT_INITIALIZED', pkcs11.CKR_OPERATION_NOT_INITIALIZED], ['CKR_SESSION_COUNT', pkcs11.CKR_SESSION_COUNT],
  ['CKR_HOST_MEMORY', pkcs11.CKR_HOST_MEMORY], ['CKR_CRYPTOKI_NOT_INITIALIZED', pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED],
  ['CKR_ENCRYPTED_DATA_INVALID', pkcs11.CKR_ENCRYPTED_DATA_INVALID], ['CKR_BUFFER_TOO_SMALL', pkcs11.CKR_BUFFER_TOO_SMALL],
  ['CKR_MECHANISM_PARAM_INVALID', pkcs11.CKR_MECHANISM_PARAM_INVALID], ['vendor 0x80000384', 0x80000384],
]

const flippable = new Set<string>(['C_Encrypt', 'C_Decrypt', 'C_Sign', 'C_GenerateRandom', 'C_GetAttributeValue'])

/** A rule that meets every third call: the device fails now and then. `always`: it does nothing else. */
const manners = [['now and then', { every: 3 }], ['always', {}]] as const

function faultsOf(on: Fault['on']): readonly Fault[] {
  const of = (name: string, rule: FaultRule, saysInvalid = false): Fault => ({ on, name, rule, saysInvalid })
  return [
    ...manners.flatMap(([manner, when]) => [
      ...codes.map(([name, code]) =>
        of(`${name} ${manner}`, { on, action: 'rv', code, ...when }, manner === 'always' && isVerdict(on, code))),
      ...flippable.has(on) ? [of(`bit flip ${manner}`, { on, action: 'flip', ...when })] : [],
    ]),
    of('answer lost', { on, action: 'rv-after', code: pkcs11.CKR_DEVICE_ERROR, every: 3 }),
    of('delay of 100 ms', { on, action: 'delay', ms: 100 }),
    of('hang of one', { on, action: 'hang', total: 1 }),
    of('hang', { on, action: 'hang' }),
    of('crash of one', { on, action: 'kill', total: 1 }),
    of('crash', { on, action: 'kill', every: 20 }),
    of('login forgotten', { on, action: 'logout', every: 5 }),
    of('sessions dropped', { on, action: 'drop-sessions', every: 5 }),
    of('device removed', { on, action: 'removed', nth: 5 }),
  ]
}

/** What C_Decrypt says of a ciphertext, or C_Verify of a signature, and not of itself. */
function isVerdict(on: Fault['on'], code: number): boolean {
  return (on === 'C_Decrypt' || on === 'C_Verify') && code === pkcs11.CKR_ENCRYPTED_DATA_INVALID
}

export const allFaults: readonly Fault[] = [
  ...functions.flatMap(faultsOf),
  { on: '*', name: 'device removed', rule: { on: '*', action: 'removed' }, saysInvalid: false },
  { on: '*', name: 'everything hangs', rule: { on: '*', action: 'hang' }, saysInvalid: false },
  { on: '*', name: 'everything is slow', rule: { on: '*', action: 'delay', ms: 20 }, saysInvalid: false },
]

/** Some of each kind on the busiest functions, for every run of the tests. */
export const someFaults: readonly Fault[] = allFaults.filter(({ on, name }) =>
  on === '*'
  // A wrong bit in every answer is left to the whole table: the first two answers of a lane may agree by chance.
  || (on === 'C_Decrypt' && /(ENCRYPTED|GENERAL|REMOVED).* always|ENCRYPTED|flip now|hang|crash|removed/.test(name))
  || (on === 'C_Encrypt' && /bit flip|answer lost|login|dropped|KEY_HANDLE_INVALID always/.test(name))
  || (on === 'C_GenerateKey' && /MEMORY now|answer lost|crash of one/.test(name))
  || (on === 'C_GenerateRandom' && /bit flip always|hang$/.test(name))
  || (on === 'C_Sign' && /flip now|GENERAL_ERROR now|hang of one/.test(name))
  || (on === 'C_Verify' && /GENERAL_ERROR|ENCRYPTED_DATA_INVALID/.test(name))
  || (on === 'C_DeriveKey' && /answer lost|crash of one/.test(name))
  || (on === 'C_DestroyObject' && name.includes('DEVICE_ERROR always'))
  || (on === 'C_GetAttributeValue' && name.includes('flip now'))
  || (on === 'C_CreateObject' && /answer lost|crash of one|FUNCTION_FAILED now/.test(name)))
