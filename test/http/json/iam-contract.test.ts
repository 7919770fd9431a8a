import { expect } from 'chai'
import { iamContracts, iamTargetPrefix } from '../../../src/api/iam/operations.js'
import { isPrincipalName, isPrincipalPath } from '../../../src/domain/principal.js'
import * as structures from '../../../src/api/iam/structures.js'
import { ContractClients, wrongFor } from '../../support/contract-clients.js'
import { startServer, type TestServer } from '../../support/server.js'
import { violationsOf } from '../../support/violations.js'

describe('the contract of every operation on identities', function () {
  this.timeout(120_000)
  let server: TestServer
  let clients: ContractClients

  before(async () => {
    // Every way to break LookupEvents is asked for at once.
    server = await startServer({ settings: { throttle: { actions: { LookupEvents: { perSecond: 1_000 } } } } })
    clients = await ContractClients.open(server, { prefix: iamTargetPrefix, service: 'iam' })
  })
  after(async () => {
    clients.close()
    await server.close()
  })

  for (const contract of iamContracts.values()) {
    it(`${contract.name} is refused for every way to break it`, async () => {
      const violations = violationsOf(contract)
      expect(violations.length).to.be.greaterThan(10)
      const failures = await clients.failures(contract, violations)
      expect(failures, failures.join('\n')).to.deep.equal([])
    })

    const [mistyped] = Object.keys(contract.input).slice(-1)
    if (mistyped === undefined) continue
    it(`a wrong type beats the broken constraints of ${contract.name}`, async () => {
      const mixed = violationsOf(contract).filter(({ code }) => code === 'ValidationException')
        .map(violation => ({ ...violation, input: { ...violation.input as object, [mistyped]: wrongFor(contract, mistyped) } }))
      const answers = await clients.answersTo(contract.name, mixed)
      expect([...new Set(answers.map(([code]) => code))]).to.deep.equal(mixed.length > 0 ? ['SerializationException'] : [])
    })
  }

  it('a broken constraint comes before a rule between members, and that before what is not there', async () => {
    const trust = JSON.stringify({ Statement: { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' } })
    const role = { RoleName: 'none', AssumeRolePolicyDocument: '{' }
    const told = async (input: object) => (await clients.answered('UpdateRole', input))[0]
    expect(await told({ ...role, MaxSessionDuration: 1 })).to.equal('ValidationException')
    expect(await told(role)).to.equal('MalformedPolicyDocumentException')
    expect(await told({ ...role, AssumeRolePolicyDocument: trust })).to.equal('NoSuchEntityException')
  })

  for (const name of ['', 'createUser', '__proto__', 'constructor', 'ListKeys', 'CreateUser,GetUser']) {
    it(`has no operation ${name || 'without a name'}`, async () => {
      expect(await clients.answered(name, {})).to.deep.equal(['UnknownOperationException', undefined])
    })
  }

  it('is asked with a signature for iam, and the KMS API with one for kms', async () => {
    const iamAsKms = await ContractClients.open(server, { prefix: iamTargetPrefix, service: 'kms' })
    const kmsAsIam = await ContractClients.open(server, { prefix: 'TrentService.', service: 'iam' })
    const wrong = (service: string) => ['InvalidSignatureException', `Credential should be scoped to correct service: '${service}'.`]
    expect(await iamAsKms.answered('ListUsers', {})).to.deep.equal(wrong('iam'))
    expect(await kmsAsIam.answered('ListKeys', {})).to.deep.equal(wrong('kms'))
    iamAsKms.close()
    kmsAsIam.close()
  })

  it('has the forms of names and paths that identities have', () => {
    const texts = [
      'a', 'a b', 'a/b', 'ä', 'a+=,.@-_', '', 'a'.repeat(64), 'a'.repeat(65), '*', '?', '/', '/a/', 'a/', '/a', '//', '/a//b/', '/a b/',
      `/${'a'.repeat(510)}/`, `/${'a'.repeat(511)}/`, '/*/', '\n',
    ]
    const fits = ({ pattern, min, max }: { pattern: string, min: number, max: number }, text: string) =>
      text.length >= min && text.length <= max && new RegExp(`^(?:${pattern})$`, 'u').test(text)
    for (const text of texts) {
      expect(fits(structures.entityName, text), text).to.equal(isPrincipalName(text))
      expect(fits(structures.path, text), text).to.equal(isPrincipalPath(text))
    }
  })
})
