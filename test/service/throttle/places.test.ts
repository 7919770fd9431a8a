import { expect } from 'chai'
import { paceOf, Places, type Pace, type Place, type PlaceLimits } from '../../../src/service/throttle/places.js'
import { allOperations } from '../../../src/service/all-operations.js'
import { somePlaces } from '../../support/admission.js'
import { refused } from '../../support/refusal.js'

function placesWith(of: Partial<PlaceLimits>, several = true): Places {
  return new Places({ ...somePlaces, ...of }, async () => several)
}

async function entered(places: Places, account: string, count: number): Promise<readonly Place[]> {
  const all: Place[] = []
  for (let each = 0; each < count; each++) all.push(await places.enter(account))
  return all
}

/** Lets everything that can happen happen. */
const settle = () => new Promise(resolve => setImmediate(resolve))

describe('places for calls', () => {
  it('are as many for one account as its share, however many there are', async () => {
    const places = placesWith({ inFlightMax: 10, inFlightPerAccountMax: 3 })
    const [first] = await entered(places, 'a', 3)
    const { message } = await refused(places.enter('a'), 'ThrottlingException')
    expect(message).to.equal('You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.')
    await entered(places, 'b', 3)
    await refused(places.enter('b'), 'ThrottlingException')
    first?.leave()
    await entered(places, 'a', 1)
    await refused(places.enter('a'), 'ThrottlingException')
  })

  it('are no more than there are, for all accounts together', async () => {
    const places = placesWith({ inFlightMax: 4, inFlightPerAccountMax: 3 })
    await entered(places, 'a', 3)
    const [last] = await entered(places, 'b', 1)
    await refused(places.enter('c'), 'ThrottlingException')
    last?.leave()
    await entered(places, 'c', 1)
  })

  it('are all for the one account where there is no other', async () => {
    const places = placesWith({ inFlightMax: 10, inFlightPerAccountMax: 3, atWorkPerAccountMax: 1, slowPerAccountMax: 1 }, false)
    const all = await entered(places, 'a', 10)
    await Promise.all(all.map(place => place.work('slow')))
    await refused(places.enter('a'), 'ThrottlingException')
  })
})

describe('turns of the calls of one account', () => {
  interface Call { readonly name: string, readonly leave: () => void }

  async function begin(places: Places, account: string, names: readonly string[], begun: string[]): Promise<ReadonlyMap<string, Call>> {
    const calls = new Map<string, Call>()
    for (const name of names) {
      const place = await places.enter(account)
      const [pace = ''] = name.split(' ')
      void place.work(pace as Pace).then(() => begun.push(name))
      calls.set(name, { name, leave: () => place.leave() })
    }
    await settle()
    return calls
  }

  it('come in order, so many at once, and do not wait for those of another', async () => {
    const places = placesWith({ atWorkPerAccountMax: 2 })
    const begun: string[] = []
    const calls = await begin(places, 'a', ['quick 1', 'quick 2', 'quick 3', 'quick 4'], begun)
    expect(begun).to.deep.equal(['quick 1', 'quick 2'])
    await begin(places, 'b', ['quick of b'], begun)
    expect(begun.at(-1)).to.equal('quick of b')
    calls.get('quick 2')?.leave()
    await settle()
    expect(begun.at(-1)).to.equal('quick 3')
    // One that comes now waits behind those that do already.
    await begin(places, 'a', ['quick 5'], begun)
    calls.get('quick 1')?.leave()
    await settle()
    expect(begun.at(-1)).to.equal('quick 4')
    calls.get('quick 3')?.leave()
    await settle()
    expect(begun.at(-1)).to.equal('quick 5')
  })

  it('of quick calls are not taken by slow ones, and the other way round', async () => {
    const places = placesWith({ atWorkPerAccountMax: 1, slowPerAccountMax: 1 })
    const begun: string[] = []
    const names = ['slow 1', 'slow 2', 'quick 1', 'quick 2']
    const calls = await begin(places, 'a', names, begun)
    expect(begun).to.deep.equal(['slow 1', 'quick 1'])
    calls.get('quick 1')?.leave()
    await settle()
    expect(begun.at(-1)).to.equal('quick 2')
    calls.get('slow 1')?.leave()
    await settle()
    expect(begun.at(-1)).to.equal('slow 2')
  })

  it('of heavy calls is one at a time, also where there is one account only, and takes none of the others', async () => {
    for (const several of [true, false]) {
      const places = placesWith({}, several)
      const begun: string[] = []
      const calls = await begin(places, 'a', ['heavy 1', 'heavy 2', 'heavy 3', 'slow 1', 'quick 1'], begun)
      expect(begun).to.have.members(['heavy 1', 'slow 1', 'quick 1'])
      await begin(places, 'b', ['heavy of b'], begun)
      expect(begun.at(-1)).to.equal('heavy of b')
      for (const [gone, next] of [['heavy 1', 'heavy 2'], ['heavy 2', 'heavy 3']] as const) {
        calls.get(gone)?.leave()
        await settle()
        expect(begun.at(-1)).to.equal(next)
      }
    }
  })

  it('that do not come in time are given up, and cost nobody else a turn', async () => {
    const places = placesWith({ atWorkPerAccountMax: 1, waitMsMax: 30 })
    const [first, second, third] = await entered(places, 'a', 3)
    await first?.work('quick')
    const late = second?.work('quick') ?? Promise.resolve()
    await refused(late, 'ThrottlingException')
    second?.leave()
    const waiting = third?.work('quick')
    first?.leave()
    await waiting
    third?.leave()
    const [fourth] = await entered(places, 'a', 1)
    await fourth?.work('quick')
  })
})

describe('the pace of an operation', () => {
  const paced = (pace: Pace) => [...allOperations.values()].filter(operation => paceOf(operation) === pace).map(({ name }) => name)

  it('is slow for what writes, makes keys or reads much, heavy for what reads the log, and quick for what uses keys', () => {
    expect(paced('slow')).to.include.members(['CreateKey', 'TagResource', 'CreateGrant', 'ImportKeyMaterial', 'GenerateDataKeyPair',
      'GetParametersForImport', 'GetAccountAuthorizationDetails', 'ApproveRequest'])
    expect(paced('heavy')).to.deep.equal(['LookupEvents'])
    expect(paced('quick')).to.include.members(['Encrypt', 'Decrypt', 'ReEncrypt', 'GenerateDataKey', 'Sign', 'Verify', 'GenerateMac',
      'GenerateRandom', 'DescribeKey', 'ListKeys', 'GetApprovalRequest'])
  })
})
