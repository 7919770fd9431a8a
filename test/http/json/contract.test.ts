import { expect } from 'chai'
import { contracts } from '../../../src/api/operations.js'
import type { Contract } from '../../../src/api/shape.js'
import { ContractClients, wrongFor } from '../../support/contract-clients.js'
import { sampleInput } from '../../support/samples.js'
import { startServer, type TestServer } from '../../support/server.js'
import { violationsOf } from '../../support/violations.js'

describe('the contract of every operation', function () {
  this.timeout(120_000)
  let server: TestServer
  let clients: ContractClients

  before(async () => {
    server = await startServer()
    clients = await ContractClients.open(server, { prefix: 'TrentService.', service: 'kms' })
  })
  after(async () => {
    clients.close()
    await server.close()
  })

  for (const contract of contracts.values()) {
    it(`${contract.name} is refused for every way to break it`, async () => {
      const failures = await clients.failures(contract, violationsOf(contract))
      expect(failures, failures.join('\n')).to.deep.equal([])
    })
  }

  describe('in the order in which it is told', () => {
    const first = (operation: string, input: unknown) => clients.answered(operation, input)
    const valid = (contract: Contract) => sampleInput(contract.name, contract.input)

    for (const contract of contracts.values()) {
      const names = Object.keys(contract.input)
      const [mistyped] = names.slice(-1)
      if (mistyped === undefined) continue
      const faulty = violationsOf(contract).filter(({ code }) => code === 'ValidationException')
      it(`a wrong type beats ${faulty.length} broken constraints of ${contract.name}`, async () => {
        const mixed = faulty.map(violation => ({
          ...violation, input: { ...violation.input as object, [mistyped]: wrongFor(contract, mistyped) },
        }))
        const answers = await clients.answersTo(contract.name, mixed)
        expect([...new Set(answers.map(([code]) => code))]).to.deep.equal(mixed.length > 0 ? ['SerializationException'] : [])
      })
    }

    /** A rule between members, broken, with a key that is not there. */
    const between: readonly (readonly [operation: string, change: object, message: string])[] = [
      ['GenerateDataKey', { KeySpec: undefined }, 'Please specify either number of bytes or key spec.'],
      ['GenerateDataKey', { NumberOfBytes: 16 }, 'Please specify either number of bytes or key spec.'],
      ['GenerateDataKeyWithoutPlaintext', { KeySpec: undefined }, 'Please specify either number of bytes or key spec.'],
      ['ImportKeyMaterial', { ExpirationModel: 'KEY_MATERIAL_EXPIRES' },
        'A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES'],
      ['CreateAlias', { AliasName: 'sample' }, 'Alias must start with the prefix "alias/". '
        + 'Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html'],
    ]
    for (const [name, change, message] of between) {
      it(`${name}: a broken constraint, then ${message.slice(0, 40)}…, then the missing key`, async () => {
        const contract = contracts.get(name)
        if (!contract) throw new Error(`there is no ${name}`)
        const broken = { ...valid(contract), ...change }
        const keyMember = name === 'CreateAlias' ? 'TargetKeyId' : 'KeyId'
        const [code, told] = await first(name, { ...broken, [keyMember]: '' })
        const at = keyMember.charAt(0).toLowerCase() + keyMember.slice(1)
        expect([code, told]).to.deep.equal(['ValidationException', `1 validation error detected: Value '' at '${at}' failed to satisfy `
          + 'constraint: Member must have length greater than or equal to 1'])
        expect(await first(name, broken)).to.deep.equal(['ValidationException', message])
        expect((await first(name, valid(contract)))[0]).to.equal('NotFoundException')
      })
    }

    for (const contract of contracts.values()) {
      if (!contract.input.KeyId?.required) continue
      it(`${contract.name} does not find a key that is not there`, async () => {
        expect((await first(contract.name, valid(contract)))[0]).to.equal('NotFoundException')
      })
    }

    it('a missing key beats the state of another', async () => {
      const call = async (operation: string, members: object) => {
        const { body } = await clients.first.call(operation, members)
        return (body === '' ? {} : JSON.parse(body)) as Readonly<Record<string, unknown>>
      }
      const { KeyMetadata } = await call('CreateKey', {}) as { KeyMetadata: { KeyId: string, Arn: string } }
      const { KeyId, Arn } = KeyMetadata
      const sealed = await call('Encrypt', { KeyId, Plaintext: 'AQID' })
      await call('DisableKey', { KeyId })
      const input = { CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: KeyId }
      expect(await first('ReEncrypt', input)).to.deep.equal(['DisabledException', `${Arn} is disabled.`])
      const missing = await first('ReEncrypt', { ...input, DestinationKeyId: '1234abcd-12ab-44cd-96ef-1234567890ab' })
      expect(missing[0]).to.equal('NotFoundException')
    })
  })
})
