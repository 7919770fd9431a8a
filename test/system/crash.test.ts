import { expect } from 'chai'
import { existsSync, readdirSync, watch } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { checkAliases, checkAudit, checkCiphertexts, checkKeys, checkToken, listKeys, openedMax } from '../support/crash-checks.js'
import { CrashLoad, Told } from '../support/crash-load.js'
import { RawClient } from '../support/raw-client.js'
import { killLeftovers, spawnForOneTest } from '../support/one-test.js'
import { printSeedOfFailures, seeded } from '../support/seeded.js'
import { removeDirectory, spawnProgram, temporaryDirectory } from '../support/server.js'

const rounds = Number(process.env.CRASH_ROUNDS ?? 6)
/** Then another data directory begins: a token is searched through from end to end, so each round takes longer than the one before. */
const roundsOfOneToken = 10
const clients = 8
/** A server is killed after it has answered so many calls at most, or has worked for so long. */
const answersMax = 200
const workMsMax = 5_000
/** Keys of earlier rounds that are used again in a round. */
const oldKeysMax = 4
/** What a start does after it has found its token: a kill comes this much later at most. */
const recoveryMsMax = 60
/** An object and what belongs to it are made in about this time, in many steps. */
const objectMsMax = 15
const objectWaitMsMax = 800
const roundWaitMsMax = 60_000
/** Rotations of one key in all rounds together are more than the quota of the API. */
const settings = { kms: { onDemandRotationsMax: 10_000 } }

describe('a server that is killed with kill -9', () => {
  printSeedOfFailures()
  afterEach(killLeftovers)

  for (let from = 1; from <= rounds; from += roundsOfOneToken) inTheMiddleOfCalls(from, Math.min(rounds, from + roundsOfOneToken - 1))

  describe('in its first start', function () {
    this.timeout(roundWaitMsMax)
    const random = seeded('first start')

    for (let round = 1; round <= Math.ceil(rounds / 5); round++) {
      it(`starts the next time as if it were the first: round ${round}`, async () => {
        const dataDir = temporaryDirectory()
        const soon = () => pause(random.below(recoveryMsMax))
        const makingRoots = () => newObject(dataDir, random.below(objectMsMax))
        for (const file of ['server.lock', 'softhsm']) await dieInFirstStart(dataDir, file, soon)
        for (let kills = 0; kills < 3; kills++) await dieInFirstStart(dataDir, 'softhsm', makingRoots)
        // In the order in which they appear.
        for (const file of ['claviger.db', 'admin.env', 'audit']) await dieInFirstStart(dataDir, file, soon)
        const server = await spawnForOneTest({ dataDir })
        expect(await listKeys(server)).to.be.empty
        const client = await RawClient.open(server)
        expect((await client.call('CreateKey', {})).status).to.equal(200)
        client.close()
        checkToken(dataDir)
        await server.kill('SIGTERM')
        expect(readdirSync(dataDir).filter(name => name.includes('.new')), 'leftovers').to.be.empty
        removeDirectory(dataDir)
      })
    }
  })
})

function inTheMiddleOfCalls(from: number, to: number): void {
  describe(`in the middle of calls of all kinds, rounds ${from} to ${to}`, function () {
    this.timeout(roundWaitMsMax)
    const random = seeded(`crash ${from}`)
    const dataDir = temporaryDirectory()
    const told = new Told()

    after(() => removeDirectory(dataDir))

    for (let round = from; round <= to; round++) {
      it(`keeps what it has answered and leaves nothing half-made: round ${round}`, async () => {
        const known = told.sealed.length
        await workAndDie(dataDir, told, random)
        if (random.oneIn(2)) await dieWhileRecovering(dataDir, random.below(recoveryMsMax))
        const server = await spawnForOneTest({ dataDir, settings })
        checkToken(dataDir)
        await checkKeys(server, told)
        await checkAliases(server, told)
        const older = sampleOf(told.sealed.slice(0, known), openedMax, random)
        await checkCiphertexts(server, told, [...told.sealed.slice(known, known + openedMax), ...older])
        expect(told.faults, 'answers that no call may get').to.be.empty
        // Every other round ends as an operator would end it.
        await server.kill(random.oneIn(2) ? 'SIGTERM' : 'SIGKILL')
      })
    }

    it('still has every key at the end, and a record of every answered call in an audit log without a fault', async () => {
      const server = await spawnForOneTest({ dataDir, settings })
      told.touch([...told.keys.keys()])
      await checkKeys(server, told)
      await checkAudit(dataDir, told)
      expect(told.requestIds.length).to.be.greaterThan(clients)
      await server.kill('SIGTERM')
    })
  })
}

type Random = ReturnType<typeof seeded>

async function workAndDie(dataDir: string, told: Told, random: Random): Promise<void> {
  const shared = sampleOf([...told.keys.keys()].filter(keyId => told.keys.get(keyId)?.[0] === 'Enabled'), oldKeysMax, random)
  const server = await spawnForOneTest({ dataDir, settings })
  const working = Promise.all(Array.from({ length: clients }, (_, at) => CrashLoad.run(server, told, shared, random, `client-${at}`)))
  const enough = told.requestIds.length + random.below(answersMax)
  for (const start = Date.now(); told.requestIds.length < enough && Date.now() - start < workMsMax;) await pause(5)
  // Most kills come while an object is being made, or soon after.
  if (!random.oneIn(4)) await newObject(dataDir, random.below(objectMsMax))
  await server.kill()
  await working
}

/** Resolves so long after a file was added to the token; without one, after a while. */
async function newObject(dataDir: string, afterMs: number): Promise<void> {
  const tokens = join(dataDir, 'softhsm', 'tokens')
  const [token = ''] = readdirSync(tokens)
  await new Promise<void>(resolve => {
    const watcher = watch(join(tokens, token), event => {
      if (event === 'rename') end()
    })
    const late = setTimeout(end, objectWaitMsMax)
    function end(): void {
      watcher.close()
      clearTimeout(late)
      resolve()
    }
  })
  await pause(afterMs)
}

/** A start that is killed after it has logged in to the HSM: while it takes back what the crash before has left. */
async function dieWhileRecovering(dataDir: string, afterMs: number): Promise<void> {
  const { child, exited, output } = spawnProgram(['server', '--unsupervised'], { dataDir, settings })
  child.stdout.on('data', () => {
    if (output().includes('logged in to the HSM')) setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  await exited
}

/** A start that is killed a moment after it has made a file, or has found it. */
async function dieInFirstStart(dataDir: string, file: string, moment: () => Promise<void>): Promise<void> {
  const { child, exited } = spawnProgram(['server', '--unsupervised'], { dataDir })
  while (!existsSync(join(dataDir, file)) && child.exitCode === null) await pause(1)
  await moment()
  child.kill('SIGKILL')
  await exited
}

function sampleOf<T>(items: readonly T[], max: number, random: Random): T[] {
  return items.length <= max ? [...items] : Array.from({ length: max }, () => random.pick(items))
}
