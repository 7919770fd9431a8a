import { contextTag, der, derBitString, derOctetString, derOid, derSequence, derUnsigned } from '../../domain/der.js'
import { curves, objectIds, type CurveName } from '../../domain/object-ids.js'
import { privateKeyInfo, publicBits, publicKeyOf, type KeyPair, type RandomBytes } from './key-pair.js'

const ed25519SeedBytes = 32

/** Orders of the curves' base points (SP 800-186; SEC 2; GB/T 32918.5). */
const orders: Readonly<Record<CurveName, Buffer>> = {
  p256: Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex'),
  p384: Buffer.from('ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973', 'hex'),
  p521: Buffer.from(
    '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
    'hex',
  ),
  secp256k1: Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex'),
  sm2: Buffer.from('fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123', 'hex'),
}

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
  const order = orders[curve]
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
