import { createPublicKey, generateKeyPairSync, randomBytes, randomFillSync } from 'node:crypto'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { decodeAttribute, shown, template, ulongs } from '../../../src/adapters/pkcs11/driver/attributes.js'
import { ciphertextInvalidCodes, failureText, hsmError, reactionTo, returnValueOf } from '../../../src/adapters/pkcs11/driver/errors.js'
import { firstFault, objectPlans } from '../../../src/adapters/pkcs11/driver/evidence.js'
import { mechanismsOf } from '../../../src/adapters/pkcs11/driver/mechanisms.js'
import { busyPausesMs, Patience } from '../../../src/adapters/pkcs11/driver/patience.js'
import { chooseProfile, matchProfile } from '../../../src/adapters/pkcs11/profiles/choose.js'
import type { ObjectRole, Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import { RandomPool } from '../../../src/adapters/pkcs11/driver/random-pool.js'
import { p256PublicKeyInfo } from '../../../src/adapters/pkcs11/driver/spki.js'
import { rootMaterial } from '../../../src/domain/material.js'
import { HsmError } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'

describe('returnValueOf', () => {
  it('reads the number from every shape the binding throws', () => {
    expect(returnValueOf(new pkcs11.Pkcs11Error('CKR_GENERAL_ERROR', 5))).to.equal(5)
    expect(returnValueOf(new Error('CKR_OBJECT_HANDLE_INVALID:130'))).to.equal(130)
    expect(returnValueOf(new Error('CKR_VENDOR_DEFINED:2147484548'))).to.equal(0x80000384)
  })

  it('finds none in anything else', () => {
    for (const other of [new TypeError('CKR_'), new Error(''), Object.assign(new Error('x'), { code: 'ENOENT' }), 'CKR_X:5', undefined]) {
      expect(returnValueOf(other)).to.equal(undefined)
    }
  })
})

describe('reactionTo', () => {
  const reaction = (code: number) => reactionTo(new Error(`CKR_X:${code}`), softhsm)

  it('never repeats a refused PIN', () => {
    for (const code of [pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LEN_RANGE]) {
      expect(reaction(code)).to.deep.equal({ kind: 'login', remedy: 'nothing' })
    }
  })

  it('recovers what is lost, and looks up what is stale', () => {
    const lost = [
      pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_OPERATION_ACTIVE,
      pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
      pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_GENERAL_ERROR, 0x80000384,
    ]
    for (const code of lost) expect(reaction(code)).to.deep.equal({ kind: 'lost', remedy: 'recover' })
    for (const code of [pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID]) {
      expect(reaction(code)).to.deep.equal({ kind: 'lost', remedy: 'look-up' })
    }
  })

  it('calls wrong use a fault of configuration, for good', () => {
    for (const code of [pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_BUFFER_TOO_SMALL]) {
      expect(reaction(code)).to.deep.equal({ kind: 'configuration', remedy: 'new-session' })
    }
    expect(reactionTo(new TypeError('an argument'), softhsm).kind).to.equal('configuration')
  })

  it('does not try again what the token has no room or no memory for', () => {
    expect(reaction(pkcs11.CKR_DEVICE_MEMORY)).to.deep.equal({ kind: 'busy', remedy: 'new-session' })
    expect(reaction(pkcs11.CKR_HOST_MEMORY)).to.deep.equal({ kind: 'busy', remedy: 'new-session' })
    expect(reaction(pkcs11.CKR_SESSION_COUNT)).to.deep.equal({ kind: 'busy', remedy: 'nothing' })
  })

  it('believes that a code it does not know may pass', () => {
    expect(reaction(0x80000123)).to.deep.equal({ kind: 'lost', remedy: 'recover' })
  })

  it('lets the profile say which codes mean busy or lost', () => {
    const profile = { ...softhsm, returnValues: { ...softhsm.returnValues, busy: [6], lost: [0x70] } }
    expect(reactionTo(new Error('CKR_X:6'), profile)).to.deep.equal({ kind: 'busy', remedy: 'wait' })
    expect(reactionTo(new Error('CKR_X:112'), profile)).to.deep.equal({ kind: 'lost', remedy: 'recover' })
  })
})

describe('ciphertextInvalidCodes', () => {
  const codes = (changed: Partial<Profile['returnValues']>) =>
    ciphertextInvalidCodes({ ...softhsm, returnValues: { ...softhsm.returnValues, ...changed } })

  it('has all that the standard has, whatever the profile forgot or thinks is lost', () => {
    for (const code of [pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_LEN_RANGE, 0x42]) {
      expect(codes({ ciphertextInvalid: [], lost: [code] }).has(code)).to.equal(true)
    }
  })

  it('has what the profile adds, but nothing that may also mean something else', () => {
    expect(codes({ ciphertextInvalid: [6] }).has(6)).to.equal(true)
    const left = codes({ ciphertextInvalid: [6], ambiguous: [6, 0x40], busy: [0x41] })
    for (const code of [6, 0x40, 0x41]) expect(left.has(code)).to.equal(false)
  })
})

describe('Patience', () => {
  it('pauses a few times, 50 ms in all, takes every step once, and looks up once', () => {
    const patience = new Patience(softhsm)
    const started = performance.now()
    const waits = Array.from({ length: 10 }, () => patience.wait()).filter(Boolean)
    expect(waits).to.have.length(4)
    expect(performance.now() - started).to.be.at.least(49)
    expect(busyPausesMs.reduce((sum, each) => sum + each)).to.be.at.most(50)
    expect([1, 2, 3, 4, 5].map(() => patience.nextStep())).to.deep.equal([...softhsm.recover, undefined])
    expect([patience.mayLookUp(), patience.mayLookUp()]).to.deep.equal([true, false])
  })
})

describe('hsmError', () => {
  it('names the return value and carries its number', () => {
    const error = hsmError('lost', 'sealing', new Error('CKR_DEVICE_ERROR:48'))
    expect(error).to.include({ kind: 'lost', returnValue: 48, message: 'sealing: CKR_DEVICE_ERROR (0x30)' })
    expect(failureText(error)).to.equal('lost: sealing: CKR_DEVICE_ERROR (0x30)')
  })

  it('repeats nothing of a foreign message', () => {
    expect(hsmError('lost', 'sealing', new Error('secret')).message).not.to.include('secret')
    expect(failureText(new Error('secret'))).to.equal('failed')
  })
})

describe('RandomPool', () => {
  function counting(chunkBytes: number) {
    let next = 0
    const held: Buffer[] = []
    const pool = new RandomPool(chunkBytes, target => {
      held.push(target)
      for (let at = 0; at < target.length; at++) target[at] = ++next
    })
    const take = (length: number) => { const out = Buffer.alloc(length); pool.fill(out); return [...out] }
    return { pool, take, held, fetched: () => next }
  }

  it('hands out every byte once, in order, across chunks', () => {
    const { take } = counting(8)
    expect([...take(3), ...take(0), ...take(10), ...take(7)]).to.deep.equal(Array.from({ length: 20 }, (_, at) => at + 1))
  })

  it('overwrites what it handed out', () => {
    const { take, held } = counting(8)
    take(5)
    expect([...held[0] as Buffer]).to.deep.equal([0, 0, 0, 0, 0, 6, 7, 8])
  })

  it('fetches no more than it needs', () => {
    const { take, fetched } = counting(8)
    take(8)
    expect(fetched()).to.equal(8)
    take(1)
    expect(fetched()).to.equal(16)
  })

  it('overwrites the rest when it is cleared, and fetches again', () => {
    const { pool, take, held } = counting(8)
    take(1)
    pool.clear()
    expect([...held[0] as Buffer]).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0])
    expect(take(1)).to.deep.equal([9])
  })

  it('hands out nothing of a chunk that could not be fetched', () => {
    let fail = true
    const pool = new RandomPool(4, target => {
      target.fill(7)
      if (fail) throw new Error('no bytes')
    })
    expect(() => pool.fill(Buffer.alloc(1))).to.throw('no bytes')
    fail = false
    const out = Buffer.alloc(4)
    pool.fill(out)
    expect([...out]).to.deep.equal([7, 7, 7, 7])
  })
})

describe('RandomPool and a generator that does not work', () => {
  const chunkBytes = 64
  const takes = (fetch: (target: Buffer) => void) => {
    const pool = new RandomPool(chunkBytes, fetch)
    return () => pool.fill(Buffer.alloc(chunkBytes))
  }

  it('hands out nothing that was not written, all or in part', () => {
    expect(takes(() => undefined)).to.throw(HsmError, 'random bytes')
    expect(takes(target => { randomFillSync(target, 0, chunkBytes - 16) })).to.throw(HsmError, 'random bytes')
    const [first, later] = [randomBytes(chunkBytes), Buffer.alloc(0)]
    const answers = [first, later]
    const take = takes(target => { answers.shift()?.copy(target) })
    take()
    expect(take).to.throw(HsmError, 'random bytes')
  })

  it('hands out nothing twice', () => {
    const same = randomBytes(chunkBytes)
    const take = takes(target => { same.copy(target) })
    take()
    expect(take).to.throw(HsmError, 'random bytes')
    randomFillSync(same)
    take()
  })
})

describe('p256PublicKeyInfo', () => {
  const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' })
  const point = spki.subarray(-65)

  it('takes the point as a DER OCTET STRING, or bare', () => {
    for (const form of [Buffer.concat([Buffer.from([0x04, 65]), point]), point]) {
      expect(Buffer.from(p256PublicKeyInfo(form)).equals(spki)).to.equal(true)
    }
    expect(createPublicKey({ key: Buffer.from(p256PublicKeyInfo(point)), format: 'der', type: 'spki' }).asymmetricKeyType).to.equal('ec')
  })

  it('refuses everything else', () => {
    const compressed = Buffer.concat([Buffer.from([0x02]), point.subarray(1, 33)])
    for (const form of [Buffer.alloc(0), compressed, point.subarray(0, 64), Buffer.concat([point, Buffer.alloc(1)]), Buffer.alloc(65)]) {
      expect(() => p256PublicKeyInfo(form)).to.throw(HsmError)
    }
  })
})

describe('attributes', () => {
  it('are read in the form of their kind, or not at all', () => {
    expect(decodeAttribute('sensitive', Buffer.from([1]))).to.equal(true)
    expect(decodeAttribute('sensitive', Buffer.alloc(2))).to.equal(undefined)
    expect(decodeAttribute('value_len', Buffer.from('2000000000000000', 'hex'))).to.equal(32)
    expect(decodeAttribute('key_gen_mechanism', Buffer.alloc(8, 0xff))).to.equal(undefined)
    expect(decodeAttribute('label', Buffer.from('abc'))).to.equal('abc')
    expect(decodeAttribute('id', Buffer.from([1, 255]))).to.equal('01ff')
  })

  it('are written so that the same value is read back', () => {
    expect(template({ allowed_mechanisms: ulongs(0x1087) })).to.deep.equal([
      { type: pkcs11.CKA_ALLOWED_MECHANISMS, value: Buffer.from('8710000000000000', 'hex') },
    ])
    expect(shown(ulongs(0x1087))).to.equal(decodeAttribute('allowed_mechanisms', Buffer.from(ulongs(0x1087))))
  })
})

describe('object plans', () => {
  const usages: Readonly<Record<ObjectRole, readonly string[]>> = {
    secret: ['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive'],
    mac: ['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive'],
    private: ['decrypt', 'sign', 'sign_recover', 'unwrap', 'derive'],
    public: ['encrypt', 'verify', 'verify_recover', 'wrap', 'derive'],
  }
  const twofold = newMaterial({ suite: 'cbc-hmac' })

  it('say every usage of every object', () => {
    for (const material of [newMaterial(), twofold, rootMaterial('mac', 1), rootMaterial('audit', 1)]) {
      for (const { role, wanted } of objectPlans(material, softhsm)) {
        for (const usage of usages[role]) expect(wanted).to.have.property(usage).that.is.a('boolean')
      }
    }
  })

  it('never let one object encrypt and authenticate, wrap or derive', () => {
    for (const material of [newMaterial(), twofold, rootMaterial('mac', 1)]) {
      for (const { wanted } of objectPlans(material, softhsm)) {
        expect(wanted.encrypt === true && wanted.sign === true).to.equal(false)
        expect(wanted).to.include({ wrap: false, unwrap: false, derive: false, extractable: false, sensitive: true })
      }
    }
  })

  it('of cbc-hmac are two keys with a name and an id each, bound to their own mechanism', () => {
    const [aes, mac] = objectPlans(twofold, softhsm)
    expect(aes).to.include({ role: 'secret', label: twofold.name, generate: pkcs11.CKM_AES_KEY_GEN })
    expect(mac).to.include({ role: 'mac', label: twofold.macName, generate: pkcs11.CKM_GENERIC_SECRET_KEY_GEN })
    expect(aes?.wanted.allowed_mechanisms).to.deep.equal(ulongs(pkcs11.CKM_AES_CBC))
    expect(mac?.wanted.allowed_mechanisms).to.deep.equal(ulongs(pkcs11.CKM_SHA256_HMAC))
    expect(aes?.wanted.id).not.to.deep.equal(mac?.wanted.id)
    const { macName: _macName, ...nameless } = twofold
    expect(() => objectPlans(nameless, softhsm)).to.throw(HsmError)
  })

  it('take the profile\'s AES-GCM', () => {
    const profile = { ...softhsm, seal: { ...softhsm.seal, gcmMechanism: 0x80001087 } }
    expect(objectPlans(newMaterial(), profile)[0]?.wanted.allowed_mechanisms).to.deep.equal(ulongs(0x80001087))
    expect(mechanismsOf('gcm', profile)).to.deep.equal([pkcs11.CKM_AES_KEY_GEN, 0x80001087])
    expect(mechanismsOf('cbc-hmac', profile)).to.deep.equal([
      pkcs11.CKM_AES_KEY_GEN, pkcs11.CKM_AES_CBC, pkcs11.CKM_GENERIC_SECRET_KEY_GEN, pkcs11.CKM_SHA256_HMAC,
    ])
  })

  it('leave out an id that the token cannot hold, or that there is none', () => {
    const material = newMaterial()
    expect(objectPlans(material, softhsm)[0]?.wanted).to.have.property('id')
    expect(objectPlans(material, { ...softhsm, idBytesMax: 2 })[0]?.wanted).not.to.have.property('id')
    expect(objectPlans({ ...material, id: new Uint8Array() }, softhsm)[0]?.wanted).not.to.have.property('id')
  })

  it('say what the profile sets, leave out what it omits, and expect both', () => {
    const secret = { set: { modifiable: true, key_type: 0x2b }, omit: ['derive', 'private'] as const, reads: { local: false } }
    const [plan] = objectPlans(newMaterial(), { ...softhsm, template: { ...softhsm.template, secret } })
    expect(plan?.wanted).to.include({ modifiable: true, key_type: 0x2b }).and.not.have.any.keys('derive', 'private', 'copyable')
    expect(plan?.expected).to.include({ modifiable: true, key_type: 0x2b, derive: false, private: true, local: false })
  })
})

describe('firstFault', () => {
  const expected = { sensitive: true, local: true }

  it('names what is wrong or cannot be read', () => {
    expect(firstFault(expected, { sensitive: true, local: true }, [])).to.equal(undefined)
    expect(firstFault(expected, { sensitive: true, local: false }, [])).to.equal('local is false')
    expect(firstFault(expected, { sensitive: true }, [])).to.equal('local cannot be read')
  })

  it('lets a vendor miss what it is known to miss, but not have it wrong', () => {
    expect(firstFault(expected, { sensitive: true }, ['local'])).to.equal(undefined)
    expect(firstFault(expected, { sensitive: true, local: false }, ['local'])).to.equal('local is false')
  })
})

describe('profiles', () => {
  const identity = { manufacturer: 'SoftHSM project', model: 'SoftHSM v2', libraryDescription: 'Implementation of PKCS11' }

  it('are chosen by what the token says of itself, or by name', () => {
    expect(matchProfile(identity)?.name).to.equal('softhsm')
    expect(matchProfile({ ...identity, manufacturer: 'Somebody' })).to.equal(undefined)
    expect(chooseProfile({ ...identity, manufacturer: 'Somebody' }, 'softhsm')?.name).to.equal('softhsm')
  })

  it('are not guessed from a name', () => {
    expect(() => chooseProfile(identity, 'constructor')).to.throw(HsmError)
  })
})
