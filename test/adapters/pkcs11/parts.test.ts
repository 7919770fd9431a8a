import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import { decodeAttribute, shown, template, ulongs } from '../../../src/adapters/pkcs11/driver/attributes.js'
import { failureText, hsmError, reactionTo, returnValueOf } from '../../../src/adapters/pkcs11/driver/errors.js'
import { firstFault, objectPlans } from '../../../src/adapters/pkcs11/driver/evidence.js'
import { chooseProfile, matchProfile } from '../../../src/adapters/pkcs11/profiles/choose.js'
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
      expect(reaction(code)).to.deep.equal({ kind: 'login', remedy: 'nothing', repeat: false })
    }
  })

  it('renews what is stale and repeats once', () => {
    expect(reaction(pkcs11.CKR_SESSION_HANDLE_INVALID)).to.deep.equal({ kind: 'lost', remedy: 'new-session', repeat: true })
    expect(reaction(pkcs11.CKR_OPERATION_ACTIVE)).to.deep.equal({ kind: 'lost', remedy: 'new-session', repeat: true })
    expect(reaction(pkcs11.CKR_KEY_HANDLE_INVALID)).to.deep.equal({ kind: 'missing', remedy: 'look-up', repeat: true })
  })

  it('calls wrong use a fault of configuration, for good', () => {
    for (const code of [pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_BUFFER_TOO_SMALL]) {
      expect(reaction(code)).to.include({ kind: 'configuration', repeat: false })
    }
    expect(reactionTo(new TypeError('an argument'), softhsm)).to.include({ kind: 'configuration', repeat: false })
  })

  it('believes that a code it does not know may pass', () => {
    expect(reaction(0x80000123)).to.deep.equal({ kind: 'lost', remedy: 'new-session', repeat: true })
  })

  it('lets the profile say which codes mean busy or lost', () => {
    const profile = { ...softhsm, returnValues: { ...softhsm.returnValues, busy: [6], lost: [0x30] } }
    expect(reactionTo(new Error('CKR_X:6'), profile).kind).to.equal('busy')
    expect(reactionTo(new Error('CKR_X:48'), profile)).to.include({ kind: 'lost', repeat: false })
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
  it('say every usage of every object', () => {
    for (const material of [newMaterial(), rootMaterial('mac', 1), rootMaterial('audit', 1)]) {
      for (const { role, wanted } of objectPlans(material, softhsm)) {
        const usages = role === 'secret' ? ['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive']
          : role === 'private' ? ['decrypt', 'sign', 'sign_recover', 'unwrap', 'derive']
            : ['encrypt', 'verify', 'verify_recover', 'wrap', 'derive']
        for (const usage of usages) expect(wanted).to.have.property(usage).that.is.a('boolean')
      }
    }
  })

  it('leave out an id that the token cannot hold', () => {
    const material = newMaterial()
    expect(objectPlans(material, softhsm)[0]?.wanted).to.have.property('id')
    expect(objectPlans(material, { ...softhsm, idBytesMax: 2 })[0]?.wanted).not.to.have.property('id')
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
    expect(matchProfile({ ...identity, manufacturer: 'Somebody' }, 'softhsm')?.name).to.equal('softhsm')
  })

  it('are not guessed', () => {
    expect(() => chooseProfile({ ...identity, manufacturer: 'Somebody' })).to.throw(HsmError, /Somebody/)
    expect(() => chooseProfile(identity, 'constructor')).to.throw(HsmError)
  })
})
