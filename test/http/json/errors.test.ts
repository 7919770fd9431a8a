import * as sdk from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { contracts } from '../../../src/api/operations.js'
import { answers, errorBody } from '../../../src/http/json/errors.js'

/** The exceptions of the API as the SDK models them: name and whose fault. */
const modelled = Object.entries(sdk).flatMap(([name, value]) => {
  if (typeof value !== 'function' || !name.endsWith('Exception') || name === 'KMSServiceException') return []
  const { $fault } = new (value as new (of: object) => { $fault: string })({ message: '', $metadata: {} })
  return [{ name, $fault }]
})

describe('errors', () => {
  it('number those of the SDK', () => expect(modelled).to.have.length.above(40))

  for (const { name, $fault } of modelled) {
    it(`${name} has the status of its fault`, () => {
      expect(answers).to.have.property(name).that.deep.equals({ status: $fault === 'server' ? 500 : 400, message: 'message' })
    })
  }

  it('that contracts list are all known', () => {
    for (const { errors } of contracts.values()) expect(answers).to.include.keys(errors)
  })

  it('leave an empty message out', () => {
    expect(errorBody('InvalidCiphertextException', '')).to.equal('{"__type":"InvalidCiphertextException"}')
    expect(errorBody('NotFoundException', 'x')).to.equal('{"__type":"NotFoundException","message":"x"}')
  })

  it('spell Message with a capital for AccessDeniedException', () => {
    expect(errorBody('AccessDeniedException', 'x')).to.equal('{"__type":"AccessDeniedException","Message":"x"}')
  })

  it('say 413 for a body that is too large', () => expect(answers.RequestEntityTooLargeException.status).to.equal(413))
})
