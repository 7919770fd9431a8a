import { expect } from 'chai'
import { RandomWorlds, withStatement } from '../../support/policies/random-worlds.js'
import { isAllowed, type Json, type PlainQuestion } from '../../support/policies/reference-evaluator.js'
import { contextOf, decideWorld, worldKey, type World } from '../../support/policies/world.js'
import { printSeedOfFailures, seeded, type Seeded } from '../../support/seeded.js'

const worldsMax = Number(process.env.POLICY_WORLDS ?? 3_000)

describe('policies and grants, whatever they are', function () {
  this.timeout(60_000 * Math.ceil(worldsMax / 3_000))
  printSeedOfFailures()

  /** Over so many worlds; one that fails is shown. */
  function forAll(title: string, check: (world: World, worlds: RandomWorlds, random: Seeded) => void): void {
    it(title, () => {
      const [worlds, random] = [new RandomWorlds(seeded(`${title}, worlds`)), seeded(title)]
      for (let count = 0; count < worldsMax; count++) {
        const world = worlds.next()
        try {
          check(world, worlds, random)
        } catch (error) {
          console.error(JSON.stringify(world, null, 1))
          throw error
        }
      }
    })
  }

  const isYes = (world: World) => decideWorld(world).allowed
  const neverMore = (changed: World, world: World) => { if (isYes(changed)) expect(isYes(world), 'allowed before').to.equal(true) }

  let yes = 0
  forAll('are decided as the reference decides', world => {
    const expected = isAllowed(questionOf(world))
    expect(isYes(world)).to.equal(expected)
    if (expected) yes++
  })

  it('were about every second time decided with yes', () => {
    expect(yes / worldsMax).to.be.within(0.35, 0.65)
  })

  forAll('allow no more for one Deny more', (world, worlds, random) => {
    neverMore(withOneMore(world, worlds, random, 'Deny'), world)
  })

  forAll('allow no less for one Allow more', (world, worlds, random) => {
    neverMore(world, withOneMore(world, worlds, random, 'Allow'))
  })

  forAll('allow no less for one more policy of the identity that denies nothing', (world, worlds) => {
    const policy = { Version: '2012-10-17', Statement: worlds.statement('Allow') }
    neverMore(world, { ...world, identityPolicies: [...world.identityPolicies, policy] })
  })

  forAll('allow no more for one grant less', (world, worlds, random) => {
    const grants = [...world.grants, worlds.grant()]
    const removed = random.below(grants.length)
    neverMore({ ...world, grants: grants.filter((_, at) => at !== removed) }, { ...world, grants })
  })

  forAll('allow no more within a boundary, or within session policies', (world, worlds) => {
    neverMore({ ...world, boundary: worlds.identityPolicy() }, { ...world, boundary: undefined })
    if (world.caller.type !== 'AssumedRole') return
    neverMore({ ...world, sessionPolicies: [worlds.identityPolicy()] }, { ...world, sessionPolicies: undefined })
  })

  forAll('allow no more through whoever bears the name of another', (world, _, random) => {
    const { caller } = world
    const named = [caller.arn, caller.principalArn].filter(arn => /:(?:user|role)\/|:assumed-role\//.test(arn))
    const bindings = { ...world.bindings, ...Object.fromEntries(named.map(arn => [arn, 'AIDAANOTHER'])) }
    const grants = world.grants.map(grant => grant.granteePrincipal !== undefined && named.includes(grant.granteePrincipal)
      ? { ...grant, granteeId: 'AIDAANOTHER' } : grant)
    // A Deny does not reach them by that name either, and NotPrincipal leaves them in.
    const isPlain = !/"Deny"|NotPrincipal/.test(JSON.stringify(world.keyPolicy))
    if (isPlain) neverMore({ ...world, ...random.oneIn(2) ? { bindings } : { grants } }, world)
  })

  forAll('say the same in whatever order', (world, _, random) => {
    const shuffled = (policy: Json) => ({ ...policy, Statement: shuffle(random, [policy.Statement].flat()) })
    const inOrder = decideWorld(world)
    const changed = decideWorld({
      ...world,
      keyPolicy: shuffled(world.keyPolicy),
      identityPolicies: shuffle(random, world.identityPolicies.map(shuffled)),
      boundary: world.boundary && shuffled(world.boundary),
      sessionPolicies: world.sessionPolicies && shuffle(random, world.sessionPolicies.map(shuffled)),
      grants: shuffle(random, world.grants),
    })
    expect([changed.allowed, changed.reason.verdict, changed.reason.by])
      .to.deep.equal([inOrder.allowed, inOrder.reason.verdict, inOrder.reason.by])
  })
})

function questionOf(world: World): PlainQuestion {
  return {
    ...world, action: `kms:${world.operation}`, resource: worldKey.arn, accountId: worldKey.accountId, context: contextOf(world),
    boundary: world.boundary, sessionPolicies: world.sessionPolicies,
    grants: world.grants.map(({ granteePrincipal, granteeServicePrincipal, granteeId, operations, constraints }) => ({
      grantee: granteePrincipal ?? granteeServicePrincipal ?? '', granteeId, operations,
      equals: constraints?.EncryptionContextEquals, subset: constraints?.EncryptionContextSubset,
    })),
  }
}

/** One more statement in one of the policies that there are. */
function withOneMore(world: World, worlds: RandomWorlds, random: Seeded, effect: 'Allow' | 'Deny'): World {
  const added = (policy: Json) => withStatement(policy, worlds.statement(effect))
  const addedToOne = (policies: readonly Json[]) => {
    const chosen = random.below(policies.length)
    return policies.map((policy, at) => at === chosen ? added(policy) : policy)
  }
  const { keyPolicy, identityPolicies, boundary, sessionPolicies } = world
  const choices: readonly World[] = [
    { ...world, keyPolicy: withStatement(keyPolicy, { ...worlds.principal(), ...worlds.statement(effect) }) },
    ...identityPolicies.length > 0 ? [{ ...world, identityPolicies: addedToOne(identityPolicies) }] : [],
    ...boundary ? [{ ...world, boundary: added(boundary) }] : [],
    ...sessionPolicies ? [{ ...world, sessionPolicies: addedToOne(sessionPolicies) }] : [],
  ]
  return random.pick(choices)
}

function shuffle<T>(random: Seeded, items: readonly T[]): readonly T[] {
  const left = [...items]
  return items.map(() => left.splice(random.below(left.length), 1)).flat()
}
