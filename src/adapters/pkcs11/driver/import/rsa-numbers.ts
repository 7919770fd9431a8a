import { checkPrimeSync } from 'node:crypto'
import { view } from '../operations.js'
import type { RsaParts } from './pkcs8.js'

/*
 * Whether the numbers of an RSA private key belong together. The numbers are arrays of 32-bit words, the lowest first, because those can be
 * overwritten, which JavaScript's own large numbers cannot. None of it takes constant time: it is done twice, when the key comes in.
 */
type Words = Uint32Array<ArrayBuffer>

const wordBits = 32
const wordBytes = 4

/**
 * RFC 8017, section 3.2: n is p times q, two primes of half its length that differ, and every exponent is the one that belongs to e. A key
 * of which some number is wrong may sign well on one device and give its primes away on another (Boneh, DeMillo, Lipton 1997).
 */
export function belongTogether({ modulus, publicExponent, ...secret }: RsaParts): boolean {
  const made: Words[] = []
  const words = (bytes: Uint8Array): Words => kept(made, wordsOf(bytes))
  const [e, d] = [words(publicExponent), words(secret.privateExponent)]
  const [p, q, coefficient] = [words(secret.prime1), words(secret.prime2), words(secret.coefficient)]
  const times = (a: Words, b: Words): Words => kept(made, product(a, b))
  const modulo = (a: Words, m: Words): Words => kept(made, remainder(a, m))
  const isOne = (a: Words, m: Words): boolean => isNumber(modulo(a, m), 1)

  const exponentFits = (prime: Words, exponent: Uint8Array): boolean => {
    const order = kept(made, prime.slice())
    order[0] = (order[0] ?? 0) & ~1
    const own = words(exponent)
    return isOne(times(e, own), order) && isBelow(own, order) && isSame(modulo(d, order), own)
  }

  try {
    return isPrimeOfHalf(secret.prime1, modulus) && isPrimeOfHalf(secret.prime2, modulus) && !isSame(p, q)
      && isSame(times(p, q), words(modulus))
      && exponentFits(p, secret.exponent1) && exponentFits(q, secret.exponent2)
      && isBelow(coefficient, p) && isOne(times(q, coefficient), p)
  } finally {
    for (const each of made) each.fill(0)
  }
}

/** With the top bit set: half of a modulus is whole bytes. */
function isPrimeOfHalf(prime: Uint8Array, modulus: Uint8Array): boolean {
  return prime.length === modulus.length / 2 && (prime[0] ?? 0) >= 0x80 && checkPrimeSync(view(prime))
}

function kept(made: Words[], words: Words): Words {
  made.push(words)
  return words
}

/** From big-endian bytes. */
function wordsOf(bytes: Uint8Array): Words {
  const words = new Uint32Array(Math.max(1, Math.ceil(bytes.length / wordBytes)))
  bytes.forEach((byte, at) => {
    const place = bytes.length - 1 - at
    words[place >>> 2] = (words[place >>> 2] as number) | byte << (place & 3) * 8
  })
  return words
}

function product(a: Words, b: Words): Words {
  const out = new Uint32Array(a.length + b.length)
  // By halves of words, so that no sum of a product and what is there already exceeds what a number holds exactly.
  for (let i = 0; i < a.length * 2; i++) {
    let carry = 0
    for (let j = 0; j < b.length * 2; j++) {
      carry += half(out, i + j) + half(a, i) * half(b, j)
      setHalf(out, i + j, carry & 0xffff)
      carry = Math.floor(carry / 0x10000)
    }
    setHalf(out, i + b.length * 2, carry)
  }
  return out
}

/** Bit by bit, as on paper. A modulus of zero leaves what no remainder is. */
function remainder(a: Words, modulus: Words): Words {
  const rest = new Uint32Array(modulus.length + 1)
  for (let at = a.length * wordBits - 1; at >= 0; at--) {
    let carry = (a[at >>> 5] as number) >>> (at & 31) & 1
    for (let word = 0; word < rest.length; word++) {
      const value = rest[word] as number
      rest[word] = value << 1 | carry
      carry = value >>> 31
    }
    if (!isBelow(rest, modulus)) subtract(rest, modulus)
  }
  return rest
}

function subtract(from: Words, what: Words): void {
  let borrow = 0
  for (let at = 0; at < from.length; at++) {
    const value = (from[at] as number) - (what[at] ?? 0) - borrow
    from[at] = value
    borrow = value < 0 ? 1 : 0
  }
}

function isBelow(a: Words, b: Words): boolean {
  return compare(a, b) < 0
}

function isSame(a: Words, b: Words): boolean {
  return compare(a, b) === 0
}

function isNumber(a: Words, number: number): boolean {
  return a.every((word, at) => word === (at === 0 ? number : 0))
}

function compare(a: Words, b: Words): number {
  for (let at = Math.max(a.length, b.length) - 1; at >= 0; at--) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function half(words: Words, at: number): number {
  return (words[at >>> 1] as number) >>> (at & 1) * 16 & 0xffff
}

function setHalf(words: Words, at: number, value: number): void {
  const shift = (at & 1) * 16
  words[at >>> 1] = (words[at >>> 1] as number) & ~(0xffff << shift) | value << shift
}
