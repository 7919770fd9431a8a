import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { decodeAttribute, shown, template, ulongs } from '../../../src/adapters/pkcs11/driver/attributes.js'
import { firstFault, objectPlans } from '../../../src/adapters/pkcs11/driver/evidence.js'
import { mechanismsOf } from '../../../src/adapters/pkcs11/driver/mechanisms.js'
import { chooseProfile, matchProfile } from '../../../src/adapters/pkcs11/profiles/choose.js'
import type { ObjectRole } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import { p256PublicKeyInfo } from '../../../src/adapters/pkcs11/driver/spki.js'
import { rootMaterial } from '../../../src/domain/material.js'
import { HsmError } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'

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
