import { expect } from 'chai'
import { operationTables } from '../../src/service/operations/tables.js'
import { claviger, json } from './claviger.js'

describe('claviger operations', function suiteOfProgram() {
  this.timeout(60_000)

  it('prints what README.md says, without a configuration or an HSM', async () => {
    const { code, stdout, stderr } = await claviger(['operations'])
    expect([code, stderr]).to.deep.equal([0, ''])
    expect(stdout).to.equal(`${operationTables().join('\n')}\n`)
  })

  it('prints it as JSON', async () => {
    const { operations, keySpecs } = await json(['operations']) as Record<string, readonly unknown[]>
    expect([operations?.length, keySpecs?.length]).to.deep.equal([56, 20])
  })
})
