import { createPublicKey, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { derNull, derOid, derSequence, derUnsigned } from '../../domain/der.js'
import { objectIds } from '../../domain/object-ids.js'
import { privateKeyInfo, privateKeyOf, type KeyPair, type RandomBytes } from './key-pair.js'
import { makePrime, publicExponent } from './primes.js'

const signOffThread = promisify(sign)

/** FIPS 186-5, A.1.3, step 5.4: p and q must differ in their first 100 bits. */
const differingBits = 100
const primesMax = 8

/**
 * FIPS 186-5, A.1.3, on random bytes of the HSM. Takes some tenths of a second to some seconds, most of it in OpenSSL's threads. All that
 * is in bytes is overwritten; the numbers of JavaScript, which the arithmetic needs, cannot be, and stay in memory until it is used again.
 */
export async function makeRsaKeyPair(bits: 2048 | 3072 | 4096, random: RandomBytes): Promise<KeyPair> {
  const numbers = await rsaNumbers(bits, random)
  const fields = numbers.map(number => bytesOf(number, bits / 8))
  try {
    const privateKey = privateKeyInfo(
      derSequence(derOid(objectIds.rsaEncryption), derNull()), derSequence(derUnsigned(0), ...fields.map(derUnsigned)),
    )
    return { privateKey, publicKey: await tried(privateKey) }
  } finally {
    for (const field of fields) field.fill(0)
  }
}

/** RFC 8017, A.1.2, from n on. */
async function rsaNumbers(bits: number, random: RandomBytes): Promise<readonly bigint[]> {
  const e = BigInt(publicExponent)
  for (let attempt = 0; attempt < primesMax; attempt++) {
    const [one, other] = [await makePrimeNumber(bits / 2, random), await makePrimeNumber(bits / 2, random)]
    const [p, q] = one > other ? [one, other] : [other, one]
    if (p - q <= 1n << BigInt(bits / 2 - differingBits)) continue
    const order = (p - 1n) * (q - 1n) / gcd(p - 1n, q - 1n)
    const d = inverse(e, order)
    // Step 3.1 of A.1.1. As likely as a broken generator.
    if (d <= 1n << BigInt(bits / 2)) continue
    return [p * q, e, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)]
  }
  throw new Error('the generator of the HSM gives no usable bytes')
}

async function makePrimeNumber(bits: number, random: RandomBytes): Promise<bigint> {
  const prime = await makePrime(bits, random)
  const number = numberOf(prime)
  prime.fill(0)
  return number
}

/** The public key, after the private one made a signature that it verifies: what is wrong must not leave. */
async function tried(privateKey: Uint8Array): Promise<Uint8Array> {
  const privateHalf = privateKeyOf(privateKey)
  const publicHalf = createPublicKey(privateHalf)
  const text = Buffer.from('claviger data key pair')
  const signature = await signOffThread('sha256', text, privateHalf)
  if (!verify('sha256', text, publicHalf, signature)) throw new Error('the halves of a new RSA key pair do not fit')
  return publicHalf.export({ format: 'der', type: 'spki' })
}

function gcd(a: bigint, b: bigint): bigint {
  let [one, other] = [a, b]
  while (other > 0n) [one, other] = [other, one % other]
  return one
}

/** Of two numbers without a common factor (extended Euclid). */
function inverse(of: bigint, modulus: bigint): bigint {
  let [rest, next] = [modulus, of % modulus]
  let [factor, nextFactor] = [0n, 1n]
  while (next > 0n) {
    const quotient = rest / next
    ;[rest, next] = [next, rest - quotient * next]
    ;[factor, nextFactor] = [nextFactor, factor - quotient * nextFactor]
  }
  return factor < 0n ? factor + modulus : factor
}

/** Big-endian, by words: the way over hexadecimal text would leave a text that cannot be overwritten either. */
function numberOf(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let number = 0n
  for (let at = 0; at < bytes.length; at += 8) number = (number << 64n) | view.getBigUint64(at)
  return number
}

function bytesOf(number: bigint, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(length))
  let rest = number
  for (let at = length - 8; at >= 0; at -= 8) {
    view.setBigUint64(at, rest)
    rest >>= 64n
  }
  return new Uint8Array(view.buffer)
}
