import { expect } from 'chai'
import { dayMs, keyMaterialId, scheduleAfter, scheduleFrom } from '../../src/domain/rotation.js'

const now = Date.UTC(2026, 0, 1)

describe('rotation', () => {
  it('falls due one period after it was enabled', () => {
    expect(scheduleFrom(now, 90)).to.deep.equal({ periodInDays: 90, nextRotation: Date.UTC(2026, 3, 1) })
  })

  it('stays in step with the old dates when it runs late', () => {
    const schedule = scheduleFrom(now, 90)
    expect(scheduleAfter(schedule, schedule.nextRotation + 5 * dayMs)).to.deep.equal(scheduleFrom(schedule.nextRotation, 90))
  })

  it('starts again from now when a whole period was missed', () => {
    const schedule = scheduleFrom(now, 90)
    for (const missed of [now + 180 * dayMs, now + 1_000 * dayMs]) {
      expect(scheduleAfter(schedule, missed)).to.deep.equal(scheduleFrom(missed, 90))
    }
  })

  it('is never due again at once', () => {
    for (const late of [0, 1, 89 * dayMs, 90 * dayMs, 5_000 * dayMs]) {
      const schedule = scheduleFrom(now, 90)
      const at = schedule.nextRotation + late
      expect(scheduleAfter(schedule, at).nextRotation).to.be.greaterThan(at)
    }
  })

  it('gives every version of every key its own material id of 64 hex digits', () => {
    const keys = ['1234abcd-12ab-44cd-96ef-1234567890ab', '1234abcd-12ab-44cd-96ef-1234567890ac']
    const ids = keys.flatMap(keyId => [1, 2, 256, 0xffffffff].map(version => keyMaterialId(keyId, version)))
    expect(new Set(ids).size).to.equal(ids.length)
    for (const id of ids) expect(id).to.match(/^[0-9a-f]{64}$/)
  })
})
