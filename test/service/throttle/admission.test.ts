import { expect } from 'chai'
import { describeKey } from '../../../src/api/keys.js'
import type { Services } from '../../../src/service/services.js'
import { administrator, userCaller } from '../../support/callers.js'
import { onEveryCall } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { call, newKey, region } from '../../support/services.js'

const once = { perSecond: 1, burst: 1 }

describe('a call that is let in or not', () => {
  const on = serviceSuite()
  const { accountId } = administrator

  for (const [what, rates] of [
    ['its account', { account: once }], ['its principal and action', { principalAction: once }],
    ['the exception for its account', { accounts: { [accountId]: once } }],
    ['the exception for its action', { actions: { DescribeKey: once } }],
  ] as const) {
    it(`is refused by the rate of ${what} before store and HSM are asked, and recorded`, async () => {
      const { key } = await newKey(on.services)
      const asked: string[] = []
      const services = on.newServices({
        admission: { rates }, hsm: onEveryCall(on.hsm, method => void asked.push(method)),
      })
      const watched: Services = { ...services, directory: onEveryCall(services.directory, method => void asked.push(method)) }
      await call(watched, describeKey, { KeyId: key.keyId })
      expect(asked).not.to.deep.equal([])
      asked.length = 0
      await refused(call(watched, describeKey, { KeyId: key.keyId }), 'ThrottlingException')
      expect(asked).to.deep.equal([])
      expect(on.audit.events.at(-1)).to.deep.include({ eventName: 'DescribeKey', errorCode: 'ThrottlingException', awsRegion: region })
      on.clock.advance(1_000)
      await call(watched, describeKey, { KeyId: key.keyId })
    })
  }

  it('gives its place back however it ends', async () => {
    const { key } = await newKey(on.services)
    const services = on.newServices({ admission: { places: { inFlightMax: 1, inFlightPerAccountMax: 1, atWorkPerAccountMax: 1 } } })
    const stranger = userCaller('stranger')
    for (let round = 0; round < 3; round++) {
      await call(services, describeKey, { KeyId: key.keyId })
      await refused(call(services, describeKey, { KeyId: 'alias/none' }), 'NotFoundException')
      await refused(call(services, describeKey, { KeyId: key.keyId }, stranger), 'AccessDeniedException')
    }
    const [first, second] = [call(services, describeKey, { KeyId: key.keyId }), call(services, describeKey, { KeyId: key.keyId })]
    await first
    await refused(second, 'ThrottlingException')
  })
})
