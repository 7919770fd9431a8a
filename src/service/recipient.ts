import { constants, createCipheriv, publicEncrypt } from 'node:crypto'
import { recordableFacts, type AttestationDocument } from '../domain/attestation.js'
import { envelopedData, type EnvelopeKey } from '../domain/cms.js'
import type { Hsm } from '../ports/hsm.js'

/** AES-256-CBC. */
const contentKeyBytes = 32
const ivBytes = 16

/** Whoever shall get the plaintext of a call, proved by an attestation document. Only `Recipients` makes one. */
export class AttestedRecipient {
  readonly #document: AttestationDocument
  readonly #key: EnvelopeKey
  readonly #hsm: Pick<Hsm, 'random'>

  constructor(document: AttestationDocument, key: EnvelopeKey, hsm: Pick<Hsm, 'random'>) {
    this.#document = document
    this.#key = key
    this.#hsm = hsm
  }

  /** What it was measured as: registers by index, in hex. */
  get measurements(): ReadonlyMap<number, string> {
    return new Map([...this.#document.pcrs].map(([index, value]) => [index, Buffer.from(value).toString('hex')]))
  }

  /** What the audit log is told. */
  get facts(): Readonly<Record<string, string>> {
    return recordableFacts(this.#document)
  }

  /**
   * The plaintext in a CMS envelope that only the recipient can open. The caller still owns `plaintext` and overwrites it. Key and IV come
   * from the HSM; the seed of the OAEP padding is OpenSSL's, as is the public key's half of the work.
   */
  async envelope(plaintext: Uint8Array): Promise<Uint8Array> {
    const contentKey = await this.#hsm.random(contentKeyBytes)
    try {
      const iv = await this.#hsm.random(ivBytes)
      const cipher = createCipheriv('aes-256-cbc', contentKey, iv)
      const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
      const wrapping = { key: this.#key.key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
      return envelopedData({ recipient: this.#key, encryptedKey: publicEncrypt(wrapping, contentKey), iv, ciphertext })
    } finally {
      contentKey.fill(0)
    }
  }
}

type SecretMember = 'Plaintext' | 'PrivateKeyPlaintext' | 'SharedSecret'

/** The members of an answer that depend on whether there is a recipient. */
export type Answered<M extends SecretMember> = { readonly [K in M]?: Uint8Array } & {
  readonly CiphertextForRecipient?: Uint8Array
  readonly KeyMaterialId?: string
}

/**
 * The members of an answer that carry a secret: in clear, with the id of the key material where the operation shows it; or, for an attested
 * recipient, the envelope instead of both. Takes over `plaintext`, and overwrites it unless it goes out itself.
 */
export async function answerTo<M extends SecretMember>(
  recipient: AttestedRecipient | undefined, member: M, plaintext: Uint8Array, keyMaterialId?: string,
): Promise<Answered<M>> {
  if (!recipient) return { [member]: plaintext, ...keyMaterialId !== undefined && { KeyMaterialId: keyMaterialId } } as Answered<M>
  try {
    return { CiphertextForRecipient: await recipient.envelope(plaintext) } as Answered<M>
  } finally {
    plaintext.fill(0)
  }
}
