import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { createGrant } from '../../src/api/grants.js'
import { attachPolicy } from '../../src/api/iam/policies.js'
import { createUser, listUsers } from '../../src/api/iam/users.js'
import { createKey, describeKey, listKeys, scheduleKeyDeletion } from '../../src/api/keys.js'
import { getKeyPolicy } from '../../src/api/policies.js'
import { separatedPolicy } from '../../src/domain/policy/default-policy.js'
import type { Caller } from '../../src/domain/caller.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, administrator, call } from '../support/services.js'
import { callerOf } from './iam/support.js'

const arn = (name: string) => `arn:aws:iam::${accountId}:user/${name}`

describe('administrators, users and auditors of a key', () => {
  const on = serviceSuite()
  let KeyId: string
  let CiphertextBlob: Uint8Array
  let boss: Caller
  let worker: Caller
  let auditor: Caller

  beforeEach(async () => {
    for (const UserName of ['boss', 'worker', 'auditor']) await call(on.services, createUser, { UserName })
    await call(on.services, attachPolicy, { UserName: 'auditor', PolicyArn: 'arn:aws:iam::aws:policy/ClavigerAuditor' })
    ;[boss, worker, auditor] = await Promise.all(['boss', 'worker', 'auditor'].map(name => callerOf(on.services, arn(name)))) as
      [Caller, Caller, Caller]
    const { KeyMetadata } = await call(on.services, createKey, {
      Policy: separatedPolicy({
        accountId, administrators: [arn('boss')], users: [arn('worker')], keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT',
        origin: 'AWS_KMS', multiRegion: false,
      }),
    })
    KeyId = KeyMetadata?.KeyId ?? ''
    const sealed = await call(on.services, encrypt, { KeyId, Plaintext: Buffer.from('secret') }, worker)
    CiphertextBlob = sealed.CiphertextBlob ?? Buffer.alloc(0)
  })

  const opened = (caller: Caller) => call(on.services, decrypt, { CiphertextBlob, KeyId }, caller)

  it('a user uses the key and cannot end it', async () => {
    expect(Buffer.from((await opened(worker)).Plaintext ?? []).toString()).to.equal('secret')
    await refused(call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 }, worker), 'AccessDeniedException')
    await refused(call(on.services, getKeyPolicy, { KeyId }, worker), 'AccessDeniedException')
    await refused(call(on.services, createGrant, { KeyId, GranteePrincipal: arn('bob'), Operations: ['Decrypt'] }, worker),
      'AccessDeniedException')
  })

  it('an administrator ends the key and cannot use it, nor by a grant', async () => {
    await refused(opened(boss), 'AccessDeniedException')
    await refused(call(on.services, createGrant, { KeyId, GranteePrincipal: arn('boss'), Operations: ['Decrypt'] }, boss),
      'AccessDeniedException')
    await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 }, boss)
  })

  it('the administrator of the account ends the key and cannot use it', async () => {
    await refused(opened(administrator), 'AccessDeniedException')
    await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
  })

  it('an auditor lists and reads, and neither uses nor changes anything', async () => {
    expect((await call(on.services, listKeys, {}, auditor)).Keys).to.have.length(1)
    expect((await call(on.services, describeKey, { KeyId }, auditor)).KeyMetadata?.KeyState).to.equal('Enabled')
    expect((await call(on.services, getKeyPolicy, { KeyId }, auditor)).Policy).to.include('Key Administrators')
    expect((await call(on.services, listUsers, {}, auditor)).Users).to.have.length(7)
    await refused(opened(auditor), 'AccessDeniedException')
    await refused(call(on.services, encrypt, { KeyId, Plaintext: Buffer.from('x') }, auditor), 'AccessDeniedException')
    await refused(call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 }, auditor), 'AccessDeniedException')
    await refused(call(on.services, createUser, { UserName: 'x' }, auditor), 'AccessDeniedException')
    // The same on a key that leaves everything to the account.
    const { KeyMetadata } = await call(on.services, createKey, {})
    const ofAccount = { KeyId: KeyMetadata?.KeyId ?? '' }
    await call(on.services, describeKey, ofAccount, auditor)
    await refused(call(on.services, encrypt, { ...ofAccount, Plaintext: Buffer.from('x') }, auditor), 'AccessDeniedException')
  })
})
