import type { KMS, RotationsListEntry } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { dayMs, newKey, suite } from './suite.js'

const start = Date.UTC(2026, 0, 1)
const minuteMs = 60_000

describe('key rotation over HTTP', () => {
  const clock = new MovedClock(start)
  const on = suite({ clock })
  const rotateWhatIsDue = () => on.server.jobs.rotateDueKeys.now()
  const status = async (KeyId: string) => {
    const { $metadata: _, ...answer } = await on.kms.getKeyRotationStatus({ KeyId })
    return answer
  }
  const rotations = async (KeyId: string) => (await on.kms.listKeyRotations({ KeyId })).Rotations ?? []

  describe('EnableKeyRotation and DisableKeyRotation', () => {
    it('start and end a schedule that GetKeyRotationStatus shows', async () => {
      const { id, arn } = await on.newKey()
      const off = { KeyId: arn, KeyRotationEnabled: false }
      expect(await status(id)).to.deep.equal(off)
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      expect(await status(id)).to.deep.equal({
        KeyId: arn, KeyRotationEnabled: true, RotationPeriodInDays: 90, NextRotationDate: new Date(clock.now() + 90 * dayMs),
      })
      await on.kms.disableKeyRotation({ KeyId: id })
      expect(await status(id)).to.deep.equal(off)
    })

    it('have a period of 365 days unless told otherwise, from 90 to 2560', async () => {
      const { id } = await on.newKey()
      for (const [given, days] of [[undefined, 365], [90, 90], [2560, 2560]] as const) {
        await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: given })
        expect((await status(id)).RotationPeriodInDays).to.equal(days)
      }
    })

    it('count a new period from the call that sets it', async () => {
      const { id } = await on.newKey()
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      clock.advance(80 * dayMs)
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 100 })
      expect((await status(id)).NextRotationDate).to.deep.equal(new Date(clock.now() + 100 * dayMs))
    })
  })

  describe('the schedule', () => {
    it('rotates on the date, not before it, and goes on from there', async () => {
      const { id, arn, materialId } = await on.newKey()
      const enabled = clock.now()
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      clock.set(enabled + 90 * dayMs - 1)
      await rotateWhatIsDue()
      expect(await rotations(id)).to.deep.equal([])
      // An hour late: the next date stays in step.
      clock.set(enabled + 90 * dayMs + 60 * minuteMs)
      await rotateWhatIsDue()
      const current = await currentMaterial(on.kms, id)
      expect(current).not.to.equal(materialId)
      expect(await rotations(id)).to.deep.equal([{
        KeyId: arn, KeyMaterialId: current, KeyMaterialState: 'CURRENT', RotationDate: new Date(clock.now()), RotationType: 'AUTOMATIC',
      }])
      expect((await status(id)).NextRotationDate).to.deep.equal(new Date(enabled + 180 * dayMs))
    })

    it('rotates once for any number of missed dates', async () => {
      const { id } = await on.newKey()
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      clock.advance(500 * dayMs)
      await rotateWhatIsDue()
      await rotateWhatIsDue()
      expect(await rotations(id)).to.have.length(1)
      expect((await status(id)).NextRotationDate).to.deep.equal(new Date(clock.now() + 90 * dayMs))
    })

    it('does not run while the key is disabled, and makes up for it once it is enabled', async () => {
      const { id } = await on.newKey()
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      await on.kms.disableKey({ KeyId: id })
      clock.advance(91 * dayMs)
      await rotateWhatIsDue()
      expect(await rotations(id)).to.have.length(0)
      expect((await status(id)).KeyRotationEnabled).to.equal(true)
      await on.kms.enableKey({ KeyId: id })
      await rotateWhatIsDue()
      expect(await rotations(id)).to.have.length(1)
    })

    it('does not run while deletion is pending; the status says so until that is cancelled', async () => {
      const { id, arn } = await on.newKey()
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      clock.advance(85 * dayMs)
      await on.kms.scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: 30 })
      clock.advance(10 * dayMs)
      await rotateWhatIsDue()
      expect(await rotations(id)).to.have.length(0)
      expect(await status(id)).to.deep.equal({ KeyId: arn, KeyRotationEnabled: false })
      await on.kms.cancelKeyDeletion({ KeyId: id })
      expect((await status(id)).RotationPeriodInDays).to.equal(90)
      await on.kms.enableKey({ KeyId: id })
      await rotateWhatIsDue()
      expect(await rotations(id)).to.have.length(1)
    })

    it('has ended after DisableKeyRotation', async () => {
      const { id } = await on.newKey()
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      await on.kms.disableKeyRotation({ KeyId: id })
      clock.advance(200 * dayMs)
      await rotateWhatIsDue()
      expect(await rotations(id)).to.have.length(0)
    })
  })

  describe('RotateKeyOnDemand', () => {
    it('works without a schedule and leaves an existing one as it is', async () => {
      const { id, arn } = await on.newKey()
      expect((await on.kms.rotateKeyOnDemand({ KeyId: id })).KeyId).to.equal(arn)
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      const before = await status(id)
      clock.advance(dayMs)
      await on.kms.rotateKeyOnDemand({ KeyId: arn })
      expect(await status(id)).to.deep.equal(before)
      expect((await rotations(id)).map(({ RotationType }) => RotationType)).to.deep.equal(['ON_DEMAND', 'ON_DEMAND'])
    })

    it('conflicts with a scheduled rotation that is due within 20 minutes', async () => {
      const { id } = await on.newKey()
      await on.kms.enableKeyRotation({ KeyId: id, RotationPeriodInDays: 90 })
      clock.advance(90 * dayMs - 20 * minuteMs + 1)
      expect((await refusal(on.kms.rotateKeyOnDemand({ KeyId: id }))).code).to.equal('ConflictException')
      clock.advance(-2)
      await on.kms.rotateKeyOnDemand({ KeyId: id })
    })

    it('done twice at the same time makes one rotation or two, and each that was answered', async () => {
      const { id } = await on.newKey()
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => on.kms.rotateKeyOnDemand({ KeyId: id })))
      const failures = outcomes.filter(outcome => outcome.status === 'rejected').map(({ reason }) => (reason as Error).name)
      expect(failures.every(name => name === 'ConflictException'), failures.join()).to.equal(true)
      expect(await rotations(id)).to.have.length(3 - failures.length).and.not.to.have.length(0)
    })
  })

  it('ListKeyRotations shows the first key material only when asked for all', async () => {
    const { id, arn, materialId } = await on.newKey()
    expect(await rotations(id)).to.deep.equal([])
    await on.kms.rotateKeyOnDemand({ KeyId: id })
    const all = (await on.kms.listKeyRotations({ KeyId: id, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })).Rotations
    expect(all).to.have.length(2)
    expect(all?.[0]).to.deep.equal({ KeyId: arn, KeyMaterialId: materialId, KeyMaterialState: 'NON_CURRENT' })
    expect(await rotations(id)).to.deep.equal([all?.[1]])
  })
})

const rotationsOfEachKind = 25

describe('fifty rotations of one key', () => {
  const clock = new MovedClock(start)
  const on = suite({ clock })
  const sealed: Sealed[] = []
  let keyId: string
  let arn: string

  before(async function rotateAndSeal() {
    this.timeout(60_000)
    ;({ id: keyId, arn } = await newKey(on.kms))
    await on.kms.enableKeyRotation({ KeyId: keyId, RotationPeriodInDays: 90 })
    sealed.push(await sealUnder(on.kms, keyId))
    for (let round = 0; round < rotationsOfEachKind; round++) {
      clock.advance(45 * dayMs)
      await on.kms.rotateKeyOnDemand({ KeyId: keyId })
      sealed.push(await sealUnder(on.kms, keyId))
      clock.advance(45 * dayMs)
      await on.server.jobs.rotateDueKeys.now()
      sealed.push(await sealUnder(on.kms, keyId))
    }
  })

  it('give it 51 key materials, no two the same', () => {
    expect(new Set(sealed.map(({ materialId }) => materialId))).to.have.property('size', 2 * rotationsOfEachKind + 1)
  })

  it('leave every ciphertext and every data key readable, each by the material that made it', async () => {
    for (const [at, { materialId, text, blob, dataKey, dataKeyBlob }] of sealed.entries()) {
      const opened = await on.kms.decrypt({ CiphertextBlob: blob, EncryptionContext: { material: materialId } })
      expect([Buffer.from(opened.Plaintext ?? []).toString(), opened.KeyMaterialId, opened.KeyId], `version ${at + 1}`)
        .to.deep.equal([text, materialId, arn])
      const key = await on.kms.decrypt({ CiphertextBlob: dataKeyBlob })
      expect(Buffer.from(key.Plaintext ?? []).equals(dataKey), `data key of version ${at + 1}`).to.equal(true)
    }
  })

  it('are all in ListKeyRotations, and DescribeKey names the last', async () => {
    const listed: RotationsListEntry[] = []
    const { paginateListKeyRotations } = await import('@aws-sdk/client-kms')
    for await (const { Rotations } of paginateListKeyRotations({ client: on.kms, pageSize: 20 }, { KeyId: keyId })) {
      listed.push(...Rotations ?? [])
    }
    expect(listed).to.deep.equal(sealed.slice(1).map(({ materialId }, at) => ({
      KeyId: arn,
      KeyMaterialId: materialId,
      KeyMaterialState: at === 2 * rotationsOfEachKind - 1 ? 'CURRENT' : 'NON_CURRENT',
      RotationDate: new Date(start + 45 * dayMs * (at + 1)),
      RotationType: at % 2 === 0 ? 'ON_DEMAND' : 'AUTOMATIC',
    })))
    expect(await currentMaterial(on.kms, keyId)).to.equal(sealed.at(-1)?.materialId)
  })

  it('leave no room for another on demand, while the schedule goes on', async () => {
    expect(await refusal(on.kms.rotateKeyOnDemand({ KeyId: keyId }))).to.deep.equal({
      code: 'LimitExceededException',
      message: 'The on-demand rotations limit has been reached for the given keyId. '
        + `No more on-demand rotations can be performed for this key: ${arn}`,
    })
    clock.advance(90 * dayMs)
    await on.server.jobs.rotateDueKeys.now()
    const current = await currentMaterial(on.kms, keyId)
    expect(sealed.map(({ materialId }) => materialId)).not.to.include(current)
    const { NextRotationDate } = await on.kms.getKeyRotationStatus({ KeyId: keyId })
    expect(NextRotationDate).to.deep.equal(new Date(clock.now() + 90 * dayMs))
  })
})

describe('the limit of on-demand rotations', () => {
  const on = suite({ settings: { kms: { onDemandRotationsMax: 2 } } })

  it('is a setting', async () => {
    const { id } = await on.newKey()
    await on.kms.rotateKeyOnDemand({ KeyId: id })
    await on.kms.rotateKeyOnDemand({ KeyId: id })
    expect((await refusal(on.kms.rotateKeyOnDemand({ KeyId: id }))).code).to.equal('LimitExceededException')
  })
})

/** What was made under one version of a key. */
interface Sealed {
  readonly materialId: string
  readonly text: string
  readonly blob: Uint8Array | undefined
  readonly dataKey: Buffer
  readonly dataKeyBlob: Uint8Array | undefined
}

async function sealUnder(kms: KMS, KeyId: string): Promise<Sealed> {
  const made = await kms.generateDataKey({ KeyId, KeySpec: 'AES_256' })
  const materialId = made.KeyMaterialId ?? ''
  const text = `sealed under ${materialId}`
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Buffer.from(text), EncryptionContext: { material: materialId } })
  return { materialId, text, blob: CiphertextBlob, dataKey: Buffer.from(made.Plaintext ?? []), dataKeyBlob: made.CiphertextBlob }
}

async function currentMaterial(kms: KMS, KeyId: string): Promise<string> {
  return (await kms.describeKey({ KeyId })).KeyMetadata?.CurrentKeyMaterialId ?? ''
}
