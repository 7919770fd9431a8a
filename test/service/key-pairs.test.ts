import { createPrivateKey, randomBytes } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { expect } from 'chai'
import { nobleMlKem } from '../../src/adapters/noble-ml-kem.js'
import { makeEcKeyPair } from '../../src/service/key-pairs/curves.js'
import type { RandomBytes } from '../../src/service/key-pairs/key-pair.js'
import { KeyPairs, rsaAtOnceMax, rsaWaitingMax } from '../../src/service/key-pairs/key-pairs.js'
import { makePrime } from '../../src/service/key-pairs/primes.js'
import { Queue } from '../../src/service/key-pairs/queue.js'
import { makeRsaKeyPair } from '../../src/service/key-pairs/rsa.js'
import { refused } from '../support/refusal.js'

/** Keeps what it gave out, to see what became of it. */
class Given {
  readonly pieces: Uint8Array[] = []
  readonly random: RandomBytes = async length => {
    const bytes = new Uint8Array(randomBytes(length))
    this.pieces.push(bytes)
    return bytes
  }

  get isOverwritten(): boolean {
    return this.pieces.every(piece => piece.every(byte => byte === 0))
  }
}

describe('data key pairs', () => {
  const every = ['ECC_NIST_P256', 'ECC_NIST_P521', 'ECC_NIST_EDWARDS25519', 'ML_KEM_512', 'RSA_2048'] as const

  for (const spec of every) {
    it(`of ${spec} are made of nothing but the bytes given, which are overwritten`, async () => {
      const given = new Given()
      const { privateKey } = await new KeyPairs(nobleMlKem).make(spec, given.random)
      expect(given.pieces.length).to.be.greaterThan(0)
      expect(given.isOverwritten).to.equal(true)
      // A generator that says the same gives the same pair.
      const again = Array.from({ length: 200 }, () => randomBytes(256))
      const replay = () => {
        let next = 0
        return async (length: number) => new Uint8Array((again[next++] ?? Buffer.alloc(256)).subarray(0, length))
      }
      const [one, other] = [await new KeyPairs(nobleMlKem).make(spec, replay()), await new KeyPairs(nobleMlKem).make(spec, replay())]
      expect(one).to.deep.equal(other)
      expect(one.privateKey).to.not.deep.equal(privateKey)
    })
  }

  it('of a curve draw again what is not below its order', async () => {
    const draws = [Buffer.alloc(32, 0xff), Buffer.alloc(32), Buffer.alloc(32, 7)]
    const { privateKey } = await makeEcKeyPair('p256', async () => new Uint8Array(draws.shift() ?? Buffer.alloc(32)))
    expect(createPrivateKey({ key: Buffer.from(privateKey), format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }).d).to.equal(
      Buffer.alloc(32, 7).toString('base64url'),
    )
  })

  it('of a curve and of RSA give up on a generator that says nothing', async () => {
    const nothing: RandomBytes = async length => new Uint8Array(length)
    let failed = 0
    await makeEcKeyPair('p384', nothing).catch(() => { failed++ })
    // The same prime twice: p and q would be one.
    await makeRsaKeyPair(2048, nothing).catch(() => { failed++ })
    expect(failed).to.equal(2)
  })

  it('of RSA have primes with their two top bits set that fit the public exponent', async () => {
    for (let round = 0; round < 5; round++) {
      const prime = await makePrime(1024, new Given().random)
      expect(prime).to.have.length(128)
      expect((prime[0] ?? 0) >> 6).to.equal(3)
      expect(BigInt(`0x${Buffer.from(prime).toString('hex')}`) % 65537n).to.not.equal(1n)
    }
  })

  it('of RSA leave the event loop to others', async function () {
    this.timeout(120_000)
    const delays = monitorEventLoopDelay({ resolution: 5 })
    delays.enable()
    await makeRsaKeyPair(4096, new Given().random)
    delays.disable()
    // The whole work takes hundreds of milliseconds. The machine itself may be late at times, so not the longest delay is looked at.
    expect(delays.percentile(90) / 1e6).to.be.lessThan(50)
  })

  it('of RSA are made some at a time, wait in order, and are refused beyond that', async function () {
    this.timeout(120_000)
    const pairs = new KeyPairs(nobleMlKem)
    const blocked = withResolvers()
    let started = 0
    const random: RandomBytes = async length => {
      started++
      await blocked.promise
      throw new Error(`no ${length} bytes`)
    }
    const made = Array.from({ length: rsaAtOnceMax + rsaWaitingMax }, () => pairs.make('RSA_2048', random).catch((error: unknown) => error))
    await new Promise(setImmediate)
    expect(started).to.equal(rsaAtOnceMax)
    await refused(pairs.make('RSA_4096', random), 'ThrottlingException')
    // Others do not wait for them.
    await pairs.make('ECC_NIST_P256', new Given().random)
    blocked.resolve(undefined)
    for (const outcome of await Promise.all(made)) expect(outcome).to.be.instanceOf(Error).with.property('message', 'no 128 bytes')
    expect(started).to.equal(rsaAtOnceMax + rsaWaitingMax)
    await pairs.make('RSA_2048', new Given().random)
  })
})

describe('the queue of slow work', () => {
  it('lets those who wait in before those who come', async () => {
    const queue = new Queue({ atOnceMax: 1, waitingMax: 2 })
    const order: number[] = []
    const work = (number: number) => queue.run(async () => {
      order.push(number)
      await new Promise(setImmediate)
      if (number === 1) void late.push(work(3))
    })
    const late: Promise<void>[] = []
    await Promise.all([work(1), work(2)])
    await Promise.all(late)
    expect(order).to.deep.equal([1, 2, 3])
  })
})

function withResolvers(): { readonly promise: Promise<unknown>, readonly resolve: (value: unknown) => void } {
  let resolve: (value: unknown) => void = () => {}
  const promise = new Promise(done => { resolve = done })
  return { promise, resolve }
}
