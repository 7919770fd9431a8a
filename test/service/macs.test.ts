import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import { generateMac, verifyMac } from '../../src/api/macs.js'
import type { KeySpec, MacAlgorithm } from '../../src/domain/key-spec.js'
import { newKeyOf } from '../support/keys-by-spec.js'
import { refused } from '../support/refusal.js'
import { sharedServiceSuite } from '../support/service-suite.js'
import { call, newKey } from '../support/services.js'

const message = () => Buffer.from('a text to be authenticated')
const bits = [224, 256, 384, 512] as const
const specs = bits.map(size => ({ spec: `HMAC_${size}` as KeySpec, algorithm: `HMAC_SHA_${size}` as MacAlgorithm, bytes: size / 8 }))

describe('GenerateMac and VerifyMac', () => {
  const on = sharedServiceSuite()

  for (const { spec, algorithm: MacAlgorithm, bytes } of specs) {
    it(`with ${spec}`, async () => {
      const KeyId = await newKeyOf(on.services, spec, 'GENERATE_VERIFY_MAC')
      const { Mac = new Uint8Array(), ...rest } = await call(on.services, generateMac, { KeyId, MacAlgorithm, Message: message() })
      expect(rest).to.deep.equal({ KeyId, MacAlgorithm })
      expect(Mac).to.have.length(bytes)
      expect(await call(on.services, verifyMac, { KeyId, MacAlgorithm, Message: message(), Mac })).to.deep.equal({
        KeyId, MacValid: true, MacAlgorithm,
      })
      const other = await newKeyOf(on.services, spec, 'GENERATE_VERIFY_MAC')
      await refused(call(on.services, verifyMac, { KeyId: other, MacAlgorithm, Message: message(), Mac }), 'KMSInvalidMacException')
      const forged = createHmac(`sha${bytes * 8}`, Buffer.alloc(bytes)).update(message()).digest()
      await refused(call(on.services, verifyMac, { KeyId, MacAlgorithm, Message: message(), Mac: forged }), 'KMSInvalidMacException')
    })
  }

  it('refuse every other MAC alike, a shortened and a lengthened one too', async () => {
    const given = { KeyId: await newKeyOf(on.services, 'HMAC_256', 'GENERATE_VERIFY_MAC'), MacAlgorithm: 'HMAC_SHA_256' } as const
    const { Mac = new Uint8Array() } = await call(on.services, generateMac, { ...given, Message: message() })
    const wrong = [Mac.subarray(0, 31), Mac.subarray(0, 1), Buffer.concat([Mac, Mac]), Buffer.from(Mac).reverse(), Buffer.alloc(6144)]
    for (const one of wrong) {
      const refusal = await refused(call(on.services, verifyMac, { ...given, Message: message(), Mac: one }), 'KMSInvalidMacException')
      expect(refusal.message).to.equal('')
    }
    await refused(call(on.services, verifyMac, { ...given, Message: Buffer.from('another text'), Mac }), 'KMSInvalidMacException')
  })

  it('refuse an algorithm that the key has not, and a key for something else', async () => {
    const KeyId = await newKeyOf(on.services, 'HMAC_224', 'GENERATE_VERIFY_MAC')
    const wrong = await refused(
      call(on.services, generateMac, { KeyId, MacAlgorithm: 'HMAC_SHA_256', Message: message() }), 'InvalidKeyUsageException',
    )
    expect(wrong.message).to.equal('Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.')
    const { key } = await newKey(on.services)
    const other = await refused(
      call(on.services, generateMac, { KeyId: key.arn, MacAlgorithm: 'HMAC_SHA_256', Message: message() }), 'InvalidKeyUsageException',
    )
    expect(other.message).to.equal(`${key.arn} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac.`)
  })

  it('make no MAC in a dry run, and still look at one', async () => {
    const KeyId = await newKeyOf(on.services, 'HMAC_384', 'GENERATE_VERIFY_MAC')
    const given = { KeyId, MacAlgorithm: 'HMAC_SHA_384', DryRun: true } as const
    const { Mac = new Uint8Array() } = await call(on.services, generateMac, { ...given, Message: message(), DryRun: false })
    await refused(call(on.services, generateMac, { ...given, Message: message() }), 'DryRunOperationException')
    await refused(call(on.services, verifyMac, { ...given, Message: message(), Mac }), 'DryRunOperationException')
    await refused(call(on.services, verifyMac, { ...given, Message: message(), Mac: Buffer.alloc(48) }), 'KMSInvalidMacException')
  })

  it('overwrite the message, and tell the audit log the key and nothing of the text', async () => {
    const KeyId = await newKeyOf(on.services, 'HMAC_512', 'GENERATE_VERIFY_MAC')
    const Message = message()
    await call(on.services, generateMac, { KeyId, MacAlgorithm: 'HMAC_SHA_512', Message })
    expect(Message).to.deep.equal(Buffer.alloc(Message.length))
    const event = on.audit.events.at(-1)
    expect(event).to.include({ eventName: 'GenerateMac', readOnly: true })
    expect(event?.requestParameters).to.deep.equal({ keyId: KeyId, macAlgorithm: 'HMAC_SHA_512' })
    expect(JSON.stringify(event?.additionalEventData)).to.include(KeyId)
  })
})
