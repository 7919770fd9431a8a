import { constants, createHmac, createPublicKey, diffieHellman, generateKeyPairSync, publicEncrypt, randomBytes, verify } from 'node:crypto'
import type { CreateKeyCommandInput, KMS } from '@aws-sdk/client-kms'
import { importMaterial } from './import-material.js'

/** What a fault load does with other keys than symmetric ones, and how it sees that every answer is right. */

export class WrongByte extends Error {
  override readonly name = 'WrongByte'
}

interface PairKey { readonly keyId: string, readonly publicKey: Buffer }

/** Made before the faults begin. */
export interface PairStock {
  readonly rsaSigning: PairKey
  readonly ecdsa: PairKey
  readonly rsaEncrypting: PairKey
  readonly agreement: PairKey
  readonly hmac: { readonly keyId: string, readonly key: Buffer }
}

export interface Work { readonly name: string, readonly creates: boolean, readonly run: (kms: KMS) => Promise<void> }

const message = Buffer.from('what a device that fails must not sign wrongly')
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const otherPublicKey = other.publicKey.export({ format: 'der', type: 'spki' })

export async function pairStockOf(kms: KMS): Promise<PairStock> {
  const pair = async (input: CreateKeyCommandInput): Promise<PairKey> => {
    const { KeyMetadata: { KeyId: keyId = '' } = {} } = await kms.createKey({ Description: 'stock', ...input })
    const { PublicKey = new Uint8Array() } = await kms.getPublicKey({ KeyId: keyId })
    return { keyId, publicKey: Buffer.from(PublicKey) }
  }
  return {
    rsaSigning: await pair({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' }),
    ecdsa: await pair({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
    rsaEncrypting: await pair({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' }),
    agreement: await pair({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' }),
    hmac: await importedHmac(kms),
  }
}

async function importedHmac(kms: KMS): Promise<PairStock['hmac']> {
  const key = randomBytes(32)
  const input = { Description: 'load', KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC', Origin: 'EXTERNAL' } as const
  const { KeyMetadata: { KeyId: keyId = '' } = {} } = await kms.createKey(input)
  await importMaterial(kms, keyId, key)
  return { keyId, key }
}

export function pairWork({ rsaSigning, ecdsa, rsaEncrypting, agreement, hmac }: PairStock): readonly Work[] {
  const work = (name: string, run: Work['run'], creates = false): Work => ({ name, run, creates })
  const right = (what: string, good: boolean): void => { if (!good) throw new WrongByte(what) }
  const keyOf = ({ publicKey }: PairKey) => createPublicKey({ key: publicKey, format: 'der', type: 'spki' })
  const signs = (key: PairKey, SigningAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256' | 'ECDSA_SHA_256') => async (kms: KMS): Promise<void> => {
    const { Signature = new Uint8Array() } = await kms.sign({ KeyId: key.keyId, Message: message, SigningAlgorithm })
    right('Sign answered what does not verify', verify('sha256', message, keyOf(key), Signature))
    const { SignatureValid } = await kms.verify({ KeyId: key.keyId, Message: message, SigningAlgorithm, Signature })
    right('Verify took no good signature', SignatureValid === true)
  }
  const macs = async (kms: KMS, { keyId, key } = hmac): Promise<void> => {
    const { Mac = new Uint8Array() } = await kms.generateMac({ KeyId: keyId, Message: message, MacAlgorithm: 'HMAC_SHA_256' })
    right('GenerateMac answered another MAC', createHmac('sha256', key).update(message).digest().equals(Mac))
  }
  return [
    work('Sign RSA', signs(rsaSigning, 'RSASSA_PKCS1_V1_5_SHA_256')),
    work('Sign ECDSA', signs(ecdsa, 'ECDSA_SHA_256')),
    work('Verify', async kms => {
      const Signature = Buffer.from('3006020101020101', 'hex')
      const input = { KeyId: ecdsa.keyId, Message: message, SigningAlgorithm: 'ECDSA_SHA_256', Signature } as const
      await kms.verify(input).then(
        () => { throw new WrongByte('Verify took a wrong signature') },
        (error: Error) => { if (error.name !== 'KMSInvalidSignatureException') throw error },
      )
    }),
    work('Decrypt RSA', async kms => {
      const plaintext = randomBytes(32)
      const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
      const input = { KeyId: rsaEncrypting.keyId, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const
      const { Plaintext = new Uint8Array() } = await kms.decrypt({
        ...input, CiphertextBlob: publicEncrypt({ key: keyOf(rsaEncrypting), ...padding }, plaintext),
      })
      right('Decrypt answered other bytes than were encrypted', plaintext.equals(Plaintext))
    }),
    work('DeriveSharedSecret', async kms => {
      const expected = diffieHellman({ privateKey: other.privateKey, publicKey: keyOf(agreement) })
      const input = { KeyId: agreement.keyId, KeyAgreementAlgorithm: 'ECDH', PublicKey: otherPublicKey } as const
      const { SharedSecret = new Uint8Array() } = await kms.deriveSharedSecret(input)
      right('DeriveSharedSecret answered another secret', expected.equals(SharedSecret))
    }),
    work('GenerateMac', kms => macs(kms)),
    work('GetPublicKey', async kms => {
      const { PublicKey = new Uint8Array() } = await kms.getPublicKey({ KeyId: ecdsa.keyId })
      right('GetPublicKey answered another key', ecdsa.publicKey.equals(PublicKey))
    }),
    work('ImportKeyMaterial', async kms => macs(kms, await importedHmac(kms)), true),
    work('CreateKey ECC', async kms => {
      await kms.createKey({ Description: 'load', KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })
    }, true),
  ]
}
