import { expect } from 'chai'
import { materialOwner } from '../../src/domain/material.js'
import { refusal } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { startServer, temporaryDirectory } from '../support/server.js'
import { kmsClient } from '../support/clients.js'
import { dayMs, newKey, suite } from './suite.js'

describe('the deletion of a key', () => {
  const clock = new MovedClock(Date.UTC(2026, 0, 1))
  const on = suite({ clock })
  const deleteWhatIsDue = () => on.server.jobs.deleteExpiredKeys.now()

  async function versionsInToken(keyId: string): Promise<readonly number[]> {
    const owners = (await on.server.services.hsm.list()).map(({ label }) => materialOwner(label))
    return owners.flatMap(owner => owner?.kind === 'backing-key' && owner.keyId === keyId ? [owner.version] : []).sort()
  }

  it('destroys the objects of every version when the date has come, and not before', async () => {
    const { id } = await on.newKey()
    await on.kms.rotateKeyOnDemand({ KeyId: id })
    await on.kms.scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: 7 })
    clock.advance(7 * dayMs - 1)
    await deleteWhatIsDue()
    expect(await versionsInToken(id)).to.deep.equal([1, 2])
    expect((await on.kms.describeKey({ KeyId: id })).KeyMetadata?.KeyState).to.equal('PendingDeletion')
    clock.advance(1)
    await deleteWhatIsDue()
    expect(await versionsInToken(id)).to.deep.equal([])
  })

  it('leaves nothing that the API shows or that opens a ciphertext', async () => {
    const { id, arn } = await on.newKey({ Tags: [{ TagKey: 'a', TagValue: 'b' }] })
    await on.kms.createAlias({ AliasName: 'alias/doomed', TargetKeyId: id })
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: 'alias/doomed', Plaintext: Buffer.from('gone') })
    await on.kms.scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: 7 })
    clock.advance(7 * dayMs)
    await deleteWhatIsDue()

    const missing = { code: 'NotFoundException', message: `Key '${arn}' does not exist` }
    for (const call of [
      on.kms.describeKey({ KeyId: id }), on.kms.getKeyPolicy({ KeyId: arn }), on.kms.listResourceTags({ KeyId: id }),
      on.kms.cancelKeyDeletion({ KeyId: id }), on.kms.listAliases({ KeyId: id }), on.kms.decrypt({ CiphertextBlob, KeyId: id }),
    ]) {
      expect(await refusal(call)).to.deep.equal(missing)
    }
    const { code, message } = await refusal(on.kms.decrypt({ CiphertextBlob }))
    const arnOfCaller = `arn:aws:iam::${on.server.admin.accountId}:user/administrator`
    expect([code, message]).to.deep.equal(['AccessDeniedException', `User: ${arnOfCaller} is not authorized to perform: kms:Decrypt on the `
      + 'resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow '
      + 'access, or a resource-based policy explicitly denies access'])
    expect((await refusal(on.kms.describeKey({ KeyId: 'alias/doomed' }))).message).to.match(/^Alias arn:.*:alias\/doomed is not found\.$/)
    expect((await on.kms.listKeys({})).Keys?.map(key => key.KeyId)).not.to.include(id)
    expect((await on.kms.listAliases({})).Aliases?.map(alias => alias.AliasName)).not.to.include('alias/doomed')
  })

  it('frees the names of its aliases', async () => {
    const [doomed, next] = [await on.newKey(), await on.newKey()]
    await on.kms.createAlias({ AliasName: 'alias/again', TargetKeyId: doomed.id })
    await on.kms.scheduleKeyDeletion({ KeyId: doomed.id, PendingWindowInDays: 7 })
    clock.advance(7 * dayMs)
    await deleteWhatIsDue()
    await on.kms.createAlias({ AliasName: 'alias/again', TargetKeyId: next.id })
    expect((await on.kms.describeKey({ KeyId: 'alias/again' })).KeyMetadata?.KeyId).to.equal(next.id)
  })

  it('does not happen to a key that was cancelled or is only disabled', async () => {
    const [cancelled, disabled] = [await on.newKey(), await on.newKey()]
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: cancelled.id, Plaintext: Buffer.from('kept') })
    await on.kms.scheduleKeyDeletion({ KeyId: cancelled.id, PendingWindowInDays: 7 })
    await on.kms.cancelKeyDeletion({ KeyId: cancelled.id })
    await on.kms.disableKey({ KeyId: disabled.id })
    clock.advance(60 * dayMs)
    await deleteWhatIsDue()
    expect(await versionsInToken(disabled.id)).to.deep.equal([1])
    await on.kms.enableKey({ KeyId: cancelled.id })
    expect(Buffer.from((await on.kms.decrypt({ CiphertextBlob })).Plaintext ?? []).toString()).to.equal('kept')
  })

  it('is made up for by the next start when the server was down on the date', async () => {
    const [dataDir, moved] = [temporaryDirectory(), new MovedClock()]
    await on.server.close()
    const before = await startServer({ dataDir, clock: moved })
    const { id } = await newKey(kmsClient(before))
    await kmsClient(before).scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: 7 })
    await before.close()
    moved.advance(8 * dayMs)
    const after = await startServer({ dataDir, clock: moved })
    try {
      expect((await refusal(kmsClient(after).describeKey({ KeyId: id }))).code).to.equal('NotFoundException')
      expect((await after.services.hsm.list()).map(({ label }) => materialOwner(label)?.kind)).not.to.include('backing-key')
    } finally {
      await after.close()
    }
  })
})
