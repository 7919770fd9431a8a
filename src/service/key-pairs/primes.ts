import { checkPrime } from 'node:crypto'
import { setImmediate as othersTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { RandomBytes } from './key-pair.js'

/** RSA's public exponent. It is prime itself, so it has no factor in common with p-1 exactly if p mod e is not 1. */
export const publicExponent = 65537

const isPrime = promisify(checkPrime)

const smallPrimesMax = 1 << 14
/** Odd numbers from one random start on; a prime of 1024 bits is one odd number in 355, of 2048 bits one in 710. */
const windowOdds = 4096
/** Small primes between two looks at other work: some tenths of a millisecond. */
const sieveSlice = 256
const windowsMax = 64

/**
 * A random prime with its two top bits set, so that the product of two has all its bits, and fit for the public exponent (FIPS 186-5,
 * A.1.3). Unlike there, not each candidate is drawn anew: the first good one behind a random start is taken, as OpenSSL does, since every
 * draw is a question to the HSM; the entropy stays close to the largest possible (Brandt, Damgård, CRYPTO '92). OpenSSL judges in its own
 * threads with 64 rounds of Miller and Rabin at least. The caller overwrites the prime.
 */
export async function makePrime(bits: number, random: RandomBytes): Promise<Uint8Array> {
  for (let window = 0; window < windowsMax; window++) {
    const start = await random(bits / 8)
    start[0] = (start[0] ?? 0) | 0xc0
    start[start.length - 1] = (start.at(-1) ?? 0) | 1
    try {
      const prime = await firstPrime(start)
      if (prime) return prime
    } finally {
      start.fill(0)
    }
  }
  throw new Error('the generator of the HSM gives no usable bytes')
}

async function firstPrime(start: Uint8Array): Promise<Uint8Array | undefined> {
  const composite = await sieve(start)
  const candidate = new Uint8Array(start.length)
  for (let odd = 0; odd < windowOdds; odd++) {
    if (composite[odd] === 1) continue
    if (!add(start, 2 * odd, candidate)) break
    if (remainder(candidate, publicExponent) !== 1 && await isPrime(candidate)) return candidate
  }
  candidate.fill(0)
  return undefined
}

/** Marks with 1 each of the odd numbers `start`, `start + 2`, … that a small prime divides. Prime candidates are far larger than those. */
async function sieve(start: Uint8Array): Promise<Uint8Array> {
  const composite = new Uint8Array(windowOdds)
  for (let first = 0; first < smallPrimes().length; first += sieveSlice) {
    for (const prime of smallPrimes().subarray(first, first + sieveSlice)) {
      const rest = remainder(start, prime)
      // The first multiple at or behind the start whose distance is even.
      const distance = rest === 0 ? 0 : prime - rest
      const even = distance % 2 === 0 ? distance : distance + prime
      for (let odd = even / 2; odd < windowOdds; odd += prime) composite[odd] = 1
    }
    await othersTurn()
  }
  return composite
}

/** Of a big-endian number, by a modulus below 2^23. */
function remainder(bytes: Uint8Array, modulus: number): number {
  let rest = 0
  for (const byte of bytes) rest = (rest * 256 + byte) % modulus
  return rest
}

/** Puts `bytes + by` into `out`; false if it does not fit. */
function add(bytes: Uint8Array, by: number, out: Uint8Array): boolean {
  let carry = by
  for (let at = bytes.length - 1; at >= 0; at--) {
    carry += bytes[at] ?? 0
    out[at] = carry % 256
    carry = Math.floor(carry / 256)
  }
  return carry === 0
}

let oddPrimes: Uint16Array | undefined

function smallPrimes(): Uint16Array {
  if (oddPrimes) return oddPrimes
  const composite = new Uint8Array(smallPrimesMax)
  const found: number[] = []
  for (let number = 3; number < smallPrimesMax; number += 2) {
    if (composite[number] === 1) continue
    found.push(number)
    for (let multiple = number * number; multiple < smallPrimesMax; multiple += 2 * number) composite[multiple] = 1
  }
  return oddPrimes = Uint16Array.from(found)
}
