import pkcs11, { type Handle, type Mechanism, type PKCS11 } from 'pkcs11js'
import { HsmError } from '../../../../ports/hsm.js'
import type { Profile, SealFacts, SealMode } from '../../profiles/profile.js'
import { ciphertextInvalidCodes, returnValueOf } from '../errors.js'
import { additionalDataBytes, gcmIvBytes, gcmTagBytes } from '../operations.js'
import type { FreshSeal, Sealing } from './sealing.js'

/** How the IV gets into the token and out of it again. */
interface IvRule {
  /** What stands in the mechanism's parameter when encrypting. */
  readonly give: (ivBytes: number, random: (target: Buffer) => void) => Buffer
  /** Whether the IV is a part of the token's output. */
  readonly inBand: boolean
  /** Read only after C_Encrypt: a token may write the IV as late as then. */
  readonly take: (given: Buffer, out: Buffer, ivBytes: number) => FreshSeal
  /** The IV goes back in front of the ciphertext, and not into the parameter. */
  readonly opensInBand: boolean
}

// A zero-length Buffer reaches the library as a null pointer.
const nothing: Buffer = Buffer.alloc(0)

const callerIv: IvRule = {
  give: (ivBytes, random) => {
    const iv = Buffer.allocUnsafe(ivBytes)
    random(iv)
    return iv
  },
  inBand: false,
  take: (iv, ciphertext) => ({ iv, ciphertext }),
  opensInBand: false,
}

const ivRules: Readonly<Record<SealMode, IvRule>> = {
  'gcm-caller-iv': callerIv,
  'gcm-hsm-iv-writeback': { ...callerIv, give: ivBytes => Buffer.alloc(ivBytes) },
  'gcm-hsm-iv-prefix': {
    give: () => nothing,
    inBand: true,
    take: (_given, out, ivBytes) => ({ iv: out.subarray(0, ivBytes), ciphertext: out.subarray(ivBytes) }),
    opensInBand: true,
  },
  'gcm-hsm-iv-suffix': {
    give: () => nothing,
    inBand: true,
    take: (_given, out, ivBytes) => ({ iv: out.subarray(out.length - ivBytes), ciphertext: out.subarray(0, out.length - ivBytes) }),
    opensInBand: false,
  },
  // A token that seals otherwise now may still hold keys of the time when it sealed with GCM.
  'cbc-hmac': callerIv,
}

/**
 * AES-GCM with 128-bit tag. The one mechanism object is reused, and so IV and additional data stay referenced until after the call: the
 * library keeps pointers into them from Init to Encrypt.
 */
export class Gcm implements Sealing {
  // CK_GCM_PARAMS of PKCS#11 2.40, which sets ulIvBits; the older form leaves it to chance.
  private readonly parameter = { type: pkcs11.CK_PARAMS_AES_GCM_v240, iv: nothing, aad: nothing, ivBits: 0, tagBits: gcmTagBytes * 8 }
  private readonly mechanism: Mechanism
  private readonly lib: PKCS11
  private readonly facts: SealFacts
  private readonly rule: IvRule
  private readonly random: (target: Buffer) => void
  private readonly invalid: ReadonlySet<number>
  /** The IV before this one. */
  private readonly last: Buffer
  private readonly zeros: Buffer

  /** `random` fills a buffer with bytes of the token's generator. */
  constructor(lib: PKCS11, profile: Profile, random: (target: Buffer) => void) {
    this.lib = lib
    this.facts = profile.seal
    this.rule = ivRules[profile.seal.mode]
    this.random = random
    this.mechanism = { mechanism: profile.seal.gcmMechanism, parameter: this.parameter }
    this.invalid = ciphertextInvalidCodes(profile)
    this.last = Buffer.alloc(profile.seal.ivBytes)
    this.zeros = Buffer.alloc(profile.seal.ivBytes)
  }

  accepts(ivBytes: number, ciphertextBytes: number): boolean {
    const bodyBytes = ciphertextBytes - gcmTagBytes
    return (ivBytes === gcmIvBytes || ivBytes === this.facts.ivBytes)
      && bodyBytes >= (this.facts.emptyPlaintext ? 0 : 1) && bodyBytes <= this.facts.plaintextBytesMax
  }

  encrypt(session: Handle, keys: readonly Handle[], plaintext: Buffer, additionalData: Buffer): FreshSeal {
    const { ivBytes, ivBits, outputSlackBytes, emptyPlaintext } = this.facts
    if (plaintext.length === 0 && !emptyPlaintext) throw new HsmError('configuration', 'this token cannot seal an empty plaintext')
    const given = this.rule.give(ivBytes, this.random)
    this.setParameter(given, ivBits, additionalData)
    this.lib.C_EncryptInit(session, this.mechanism, keys[0] as Handle)
    const length = plaintext.length + gcmTagBytes + (this.rule.inBand ? ivBytes : 0)
    const out = this.lib.C_Encrypt(session, plaintext, Buffer.allocUnsafe(length + outputSlackBytes))
    if (out.length !== length) throw lies('its output is not as long as the profile says')
    const sealed = this.rule.take(given, out, ivBytes)
    this.requireFresh(sealed.iv)
    return sealed
  }

  decrypt(
    session: Handle, keys: readonly Handle[], { iv, ciphertext }: FreshSeal, additionalData: Buffer, out: Buffer,
  ): Buffer | undefined {
    const { opensInBand } = this.rule
    this.setParameter(opensInBand ? nothing : iv, opensInBand ? 0 : iv.length * 8, additionalData)
    this.lib.C_DecryptInit(session, this.mechanism, keys[0] as Handle)
    try {
      return this.lib.C_Decrypt(session, opensInBand ? Buffer.concat([iv, ciphertext]) : ciphertext, out)
    } catch (error) {
      if (this.invalid.has(returnValueOf(error) ?? 0)) return undefined
      throw error
    }
  }

  // Some libraries take any length, and one of zero is no protection at all: so the lengths are ours to hold.
  private setParameter(iv: Buffer, ivBits: number, additionalData: Buffer): void {
    if (additionalData.length !== additionalDataBytes) {
      throw new HsmError('configuration', `additional data has ${additionalDataBytes} bytes`)
    }
    this.parameter.iv = iv
    this.parameter.ivBits = ivBits
    this.parameter.aad = additionalData
  }

  /** Not proof, but what a token does that did not write its IV back, or whose generator stands still. */
  private requireFresh(iv: Buffer): void {
    if (iv.equals(this.zeros)) throw lies('it made no IV')
    if (iv.equals(this.last)) throw lies('it used the same IV twice')
    iv.copy(this.last)
  }
}

function lies(what: string): HsmError {
  return new HsmError('configuration', `AES-GCM of this token is not what its profile says: ${what}`)
}
