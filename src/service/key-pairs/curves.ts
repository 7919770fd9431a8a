import { contextTag, der, derBitString, derOctetString, derOid, derSequence, derUnsigned } from '../../domain/der.js'
import { curves, objectIds, type CurveName } from '../../domain/object-ids.js'
import { privateKeyInfo, publicBits, publicKeyOf, type KeyPair, type RandomBytes } from './key-pair.js'

const ed25519SeedBytes = 32

/** All orders have their top bit set, so a draw misses with a chance of less than a half, and mostly far less. */
const drawsMax = 128

/** RFC 5915 inside PrivateKeyInfo, with the public point. OpenSSL works the point out. */
export async function makeEcKeyPair(curve: CurveName, random: RandomBytes): Promise<KeyPair> {
  const algorithm = derSequence(derOid(objectIds.ecPublicKey), derOid(curves[curve].oid))
  const scalar = await makeScalar(curve, random)
  try {
    const secret = [derUnsigned(1), derOctetString(scalar)] as const
    const bare = privateKeyInfo(algorithm, derSequence(...secret))
    try {
      const publicKey = publicKeyOf(bare)
      const point = der(contextTag(1), derBitString(publicBits(publicKey)))
      return { privateKey: privateKeyInfo(algorithm, derSequence(...secret, point)), publicKey }
    } finally {
      bare.fill(0)
    }
  } finally {
    scalar.fill(0)
  }
}

/** From 1 to n-1, each alike: draws again what is outside (FIPS 186-5, A.2.2, without its shift by one). */
async function makeScalar(curve: CurveName, random: RandomBytes): Promise<Uint8Array> {
  const { order } = curves[curve]
  const topBits = (2 << Math.floor(Math.log2(order[0] ?? 0))) - 1
  for (let draw = 0; draw < drawsMax; draw++) {
    const scalar = await random(order.length)
    scalar[0] = (scalar[0] ?? 0) & topBits
    if (Buffer.compare(scalar, order) < 0 && scalar.some(byte => byte !== 0)) return scalar
    scalar.fill(0)
  }
  throw new Error('the generator of the HSM gives no usable bytes')
}

/** RFC 8410: the private key is a seed. */
export async function makeEd25519KeyPair(random: RandomBytes): Promise<KeyPair> {
  const seed = await random(ed25519SeedBytes)
  try {
    const privateKey = privateKeyInfo(derSequence(derOid(objectIds.ed25519)), derOctetString(seed))
    return { privateKey, publicKey: publicKeyOf(privateKey) }
  } finally {
    seed.fill(0)
  }
}
