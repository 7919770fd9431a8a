import { expect } from 'chai'
import { contracts } from '../../src/api/operations.js'
import { operations } from '../../src/service/operations.js'
import { rawRequest } from './raw-request.js'
import { suite } from './suite.js'

describe('operations by name', () => {
  const on = suite()

  it('are 56, all of them implemented', () => {
    expect(contracts.size).to.equal(56)
    expect([...operations.keys()]).to.have.members([...contracts.keys()])
  })

  for (const target of [
    'TrentService.NoSuchOperation', 'TrentService.encrypt', 'TrentService.', 'Encrypt', 'KMS.Encrypt', 'trentservice.Encrypt',
    'TrentService.constructor', 'TrentService.__proto__', undefined,
  ]) {
    it(`${JSON.stringify(target) ?? 'no target'} is unknown`, async () => {
      const { status, json } = await rawRequest(on.server, { headers: { 'x-amz-target': target } })
      expect([status, json]).to.deep.equal([400, { __type: 'UnknownOperationException' }])
    })
  }

  it('need valid credentials before anything is said of them', async () => {
    for (const operation of ['CreateGrant', 'NoSuchOperation', 'ListKeys']) {
      const { json } = await rawRequest(on.server, { operation, secretAccessKey: 'wrong' })
      expect(json.__type, operation).to.equal('InvalidSignatureException')
    }
  })
})
