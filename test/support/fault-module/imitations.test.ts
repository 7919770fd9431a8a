import { expect } from 'chai'
import pkcs11, { type Handle, type Template } from 'pkcs11js'
import type { Imitation } from './control.js'
import { Remote } from './remote.js'
import { aesKey, p256Private, p256Public, without, yubihsmMacKey } from './templates.js'
import { faultToken, type FaultToken } from './token.js'

/** Imitations after documents and public sources: they prove nothing of a device. */

const cloudHsmGcm = 0x80001087
const zeroIv = Buffer.alloc(12)
const noIv = Buffer.alloc(0)
const data = Buffer.from('sixteen letters.')
const generalError = 5

describe('the fault module, imitating', () => {
  let token: FaultToken
  let hsm: Remote
  let session: Handle

  before(async () => { token = await faultToken() })
  beforeEach(async () => {
    token.control.clear()
    hsm = new Remote(token.config)
    session = await hsm.openLoggedIn()
  })
  afterEach(() => hsm.close())

  // One token for all of them: the login, whose PIN has another form with some, is older than the imitation.
  const imitate = (imitation: Imitation): void => token.control.set(imitation)
  const newKey = (label: string): Promise<Handle> => hsm.generate(session, pkcs11.CKM_AES_KEY_GEN, aesKey(label))
  const seal = (mechanism: number, key: Handle, iv: Buffer) => hsm.seal(session, mechanism, key, iv, data)
  const unseal = (mechanism: number, key: Handle, iv: Buffer, sealed: Buffer) => hsm.unseal(session, mechanism, key, iv, sealed)
  const aesCode = (template: Template) => hsm.code('C_GenerateKey', session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, template)
  const pairCode = (ours: Template, theirs: Template) =>
    hsm.code('C_GenerateKeyPair', session, { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }, ours, theirs)
  const readCode = (object: Handle, type: number) => hsm.code('C_GetAttributeValue', session, object, [{ type }])
  const readAll = (object: Handle, types: Template) => hsm.call<Template>('C_GetAttributeValue', session, object, types)
  const read = async (object: Handle, type: number) => (await readAll(object, [{ type }]))[0]?.value

  async function codeOf(call: Promise<unknown>): Promise<number> {
    return call.then(() => 0, (error: unknown) => (error as { code: number }).code)
  }

  function flipped(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes)
    copy[20] = (copy[20] ?? 0) ^ 1
    return copy
  }

  for (const imitation of ['iv-writeback-init', 'iv-writeback-encrypt'] as const) {
    describe(imitation, () => {
      it('chooses the IV and writes it over the caller\'s zeroes', async () => {
        imitate({ imitate: imitation })
        const key = await newKey(imitation)
        const sealed = await seal(pkcs11.CKM_AES_GCM, key, zeroIv)
        expect(sealed.ivAfterInit.equals(zeroIv)).to.equal(imitation === 'iv-writeback-encrypt')
        expect(sealed.iv.equals(zeroIv)).to.be.false
        expect(await unseal(pkcs11.CKM_AES_GCM, key, sealed.iv, sealed.out)).to.deep.equal(data)
        const again = await seal(pkcs11.CKM_AES_GCM, key, zeroIv)
        expect(again.iv.equals(sealed.iv)).to.be.false
      })

      it('refuses an IV that is not twelve zeroes', async () => {
        imitate({ imitate: imitation })
        const key = await newKey(imitation)
        for (const iv of [Buffer.alloc(12, 1), Buffer.alloc(16), noIv]) {
          expect(await codeOf(seal(pkcs11.CKM_AES_GCM, key, iv))).to.equal(pkcs11.CKR_MECHANISM_PARAM_INVALID)
        }
      })
    })
  }

  describe('iv-prefix', () => {
    it('puts the IV in front with the vendor\'s mechanism', async () => {
      imitate({ imitate: 'iv-prefix' })
      const key = await newKey('prefix')
      expect(await hsm.call<readonly number[]>('C_GetMechanismList', await hsm.slot())).to.include(cloudHsmGcm)
      const { out } = await seal(cloudHsmGcm, key, noIv)
      expect(out).to.have.length(12 + data.length + 16)
      expect(await unseal(cloudHsmGcm, key, noIv, out)).to.deep.equal(data)
      expect(await unseal(pkcs11.CKM_AES_GCM, key, out.subarray(0, 12), out.subarray(12))).to.deep.equal(data)
    })

    it('refuses an IV, a short input and a changed one, and works on', async () => {
      imitate({ imitate: 'iv-prefix', tagMismatch: pkcs11.CKR_ENCRYPTED_DATA_INVALID })
      const key = await newKey('prefix')
      const { out } = await seal(cloudHsmGcm, key, noIv)
      expect(await codeOf(seal(cloudHsmGcm, key, zeroIv))).to.equal(pkcs11.CKR_MECHANISM_PARAM_INVALID)
      expect(await codeOf(unseal(cloudHsmGcm, key, noIv, out.subarray(0, 27)))).to.equal(pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE)
      expect(await codeOf(unseal(cloudHsmGcm, key, noIv, flipped(out)))).to.equal(pkcs11.CKR_ENCRYPTED_DATA_INVALID)
      expect(await codeOf(unseal(cloudHsmGcm, Buffer.alloc(8, 0xee), noIv, out))).to.equal(pkcs11.CKR_KEY_HANDLE_INVALID)
      expect(await unseal(cloudHsmGcm, key, noIv, out)).to.deep.equal(data)
    })

    it('is not there otherwise', async () => {
      const key = await newKey('prefix')
      expect(await codeOf(seal(cloudHsmGcm, key, noIv))).to.equal(pkcs11.CKR_MECHANISM_INVALID)
    })
  })

  it('iv-suffix: puts the IV behind the tag, whatever the caller gives', async () => {
    imitate({ imitate: 'iv-suffix' })
    const key = await newKey('suffix')
    for (const iv of [noIv, Buffer.alloc(12, 7)]) {
      const { out } = await seal(pkcs11.CKM_AES_GCM, key, iv)
      expect(out).to.have.length(data.length + 16 + 16)
      expect(await unseal(pkcs11.CKM_AES_GCM, key, out.subarray(-16), out.subarray(0, -16))).to.deep.equal(data)
    }
    imitate({ imitate: 'iv-suffix', ivBytes: 12 })
    const { out } = await seal(pkcs11.CKM_AES_GCM, key, noIv)
    expect(await unseal(pkcs11.CKM_AES_GCM, key, out.subarray(-12), out.subarray(0, -12))).to.deep.equal(data)
  })

  it('tag-mismatch: gives bytes that do not verify another code', async () => {
    const key = await newKey('mismatch')
    const { out, iv } = await seal(pkcs11.CKM_AES_GCM, key, Buffer.alloc(12, 3))
    expect(await codeOf(unseal(pkcs11.CKM_AES_GCM, key, iv, flipped(out)))).to.equal(generalError)
    imitate({ imitate: 'tag-mismatch', tagMismatch: 0x42 })
    expect(await codeOf(unseal(pkcs11.CKM_AES_GCM, key, iv, flipped(out)))).to.equal(0x42)
    expect(await unseal(pkcs11.CKM_AES_GCM, key, iv, out)).to.deep.equal(data)
  })

  for (const [imitation, manufacturer, model, library, code] of [
    ['cloudhsm', 'Marvell Semiconductors, Inc.', 'LS2', 'CloudHSM PKCS#11', 'CKR_ENCRYPTED_DATA_INVALID'],
    ['yubihsm', 'Yubico (www.yubico.com)', 'YubiHSM', 'YubiHSM PKCS#11 Library', 'CKR_ENCRYPTED_DATA_INVALID'],
    ['luna', 'SafeNet', 'LunaSA 7.7.1', 'Chrystoki', 'CKR_ENCRYPTED_DATA_INVALID'],
    ['nshield', 'nCipher Corp. Ltd', '', 'nCipher PKCS#11', 'CKR_FUNCTION_FAILED'],
  ] as const) {
    it(`${imitation}: shows its names, and ${code} for bytes that do not verify`, async () => {
      const key = await newKey(imitation)
      const wrong = { mechanism: pkcs11.CKM_AES_CBC_PAD, parameter: Buffer.alloc(16) }
      imitate({ imitate: imitation })
      const info = await hsm.call<pkcs11.TokenInfo>('C_GetTokenInfo', await hsm.slot())
      expect([info.manufacturerID.trimEnd(), info.model.trimEnd()]).to.deep.equal([manufacturer, model])
      expect((await hsm.call<pkcs11.ModuleInfo>('C_GetInfo')).libraryDescription.trimEnd()).to.equal(library)
      await hsm.call('C_DecryptInit', session, wrong, key)
      expect(await hsm.code('C_Decrypt', session, Buffer.alloc(32, 9), Buffer.alloc(32))).to.equal(pkcs11[code])
    })
  }

  describe('cloudhsm', () => {
    beforeEach(() => imitate({ imitate: 'cloudhsm' }))

    it('takes user:password', async () => {
      await hsm.call('C_Logout', session)
      expect(await hsm.login(session)).to.equal(pkcs11.CKR_PIN_INCORRECT)
      expect(await hsm.login(session, 'crypto-user:')).to.equal(0)
    })

    it('takes read-write sessions, and calls of limited length', async () => {
      const slot = await hsm.slot()
      expect(await hsm.code('C_OpenSession', slot, pkcs11.CKF_SERIAL_SESSION)).to.equal(pkcs11.CKR_FUNCTION_FAILED)
      const key = await newKey('long')
      expect(await codeOf(hsm.seal(session, cloudHsmGcm, key, noIv, Buffer.alloc(16_225)))).to.equal(pkcs11.CKR_DATA_LEN_RANGE)
      expect((await hsm.seal(session, cloudHsmGcm, key, noIv, Buffer.alloc(16_224))).out).to.have.length(16_224 + 28)
    })

    it('refuses attributes that are not in its tables, or not with this value', async () => {
      const label = 'cloud'
      expect(await aesCode(aesKey(label))).to.equal(0)
      expect(await aesCode(without(aesKey(label), pkcs11.CKA_VALUE_LEN))).to.equal(pkcs11.CKR_TEMPLATE_INCOMPLETE)
      for (const more of [
        { type: pkcs11.CKA_MODIFIABLE, value: false }, { type: pkcs11.CKA_COPYABLE, value: false },
        { type: pkcs11.CKA_CHECK_VALUE, value: Buffer.alloc(3) }, { type: pkcs11.CKA_ALLOWED_MECHANISMS, value: Buffer.alloc(8) },
      ]) expect(await aesCode(aesKey(label, [more]))).to.equal(pkcs11.CKR_TEMPLATE_INCONSISTENT)
      const open = { type: pkcs11.CKA_PRIVATE, value: false }
      expect(await aesCode([...without(aesKey(label), pkcs11.CKA_PRIVATE), open])).to.equal(pkcs11.CKR_TEMPLATE_INCONSISTENT)
      expect(await pairCode(p256Public(label, true), p256Private(label))).to.equal(0)
      expect(await pairCode(p256Public(label, false), p256Private(label))).to.equal(pkcs11.CKR_TEMPLATE_INCONSISTENT)
      const recover = { type: pkcs11.CKA_SIGN_RECOVER, value: false }
      expect(await pairCode(p256Public(label, true), p256Private(label, [recover]))).to.equal(pkcs11.CKR_TEMPLATE_INCONSISTENT)
    })

    it('has its own defaults and does not show everything', async () => {
      const template = without(aesKey('defaults'), pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_ENCRYPT)
      const key = await hsm.generate(session, pkcs11.CKM_AES_KEY_GEN, template)
      expect(await read(key, pkcs11.CKA_EXTRACTABLE)).to.deep.equal(Buffer.from([1]))
      expect(await read(key, pkcs11.CKA_ENCRYPT)).to.deep.equal(Buffer.from([0]))
      expect(await readCode(key, pkcs11.CKA_ALWAYS_SENSITIVE)).to.equal(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)
      expect(await readCode(key, pkcs11.CKA_NEVER_EXTRACTABLE)).to.equal(0)
    })

    it('does not have every function', async () => {
      const key = await newKey('copied')
      expect(await hsm.code('C_CopyObject', session, key, [])).to.equal(pkcs11.CKR_FUNCTION_NOT_SUPPORTED)
    })
  })

  describe('yubihsm', () => {
    beforeEach(() => imitate({ imitate: 'yubihsm' }))

    it('has no GCM', async () => {
      const list = await hsm.call<readonly number[]>('C_GetMechanismList', await hsm.slot())
      expect(list).to.include(pkcs11.CKM_AES_CBC_PAD).and.not.include(pkcs11.CKM_AES_GCM)
      const key = await newKey('no gcm')
      expect(await codeOf(seal(pkcs11.CKM_AES_GCM, key, zeroIv))).to.equal(pkcs11.CKR_MECHANISM_INVALID)
      expect(await hsm.code('C_SignInit', session, { mechanism: pkcs11.CKM_AES_CMAC }, key)).to.equal(pkcs11.CKR_MECHANISM_INVALID)
    })

    it('takes few attributes, with fixed values, and token objects only', async () => {
      for (const [type, value, code] of [
        [pkcs11.CKA_DESTROYABLE, true, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID],
        [pkcs11.CKA_CHECK_VALUE, Buffer.alloc(3), pkcs11.CKR_ATTRIBUTE_TYPE_INVALID],
        [pkcs11.CKA_MODIFIABLE, true, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID], [pkcs11.CKA_MODIFIABLE, false, 0],
        [pkcs11.CKA_DERIVE, true, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID], [pkcs11.CKA_WRAP, false, 0],
      ] as const) expect(await aesCode(aesKey('few', [{ type, value }])), `${type}`).to.equal(code)
      const sessionObject = [...without(aesKey('few'), pkcs11.CKA_TOKEN), { type: pkcs11.CKA_TOKEN, value: false }]
      expect(await aesCode(sessionObject)).to.equal(pkcs11.CKR_ATTRIBUTE_VALUE_INVALID)
    })

    it('shows some things as they are not, and others not at all', async () => {
      const key = await newKey('shown')
      expect(await read(key, pkcs11.CKA_MODIFIABLE)).to.deep.equal(Buffer.from([0]))
      expect(await read(key, pkcs11.CKA_COPYABLE)).to.deep.equal(Buffer.from([0]))
      expect(await read(key, pkcs11.CKA_ID)).to.have.length(2)
      expect(await readCode(key, pkcs11.CKA_CHECK_VALUE)).to.equal(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)
    })

    it('makes HMAC keys of a type of their own and without a length', async () => {
      const mac = { mechanism: pkcs11.CKM_GENERIC_SECRET_KEY_GEN }
      const wrongType = yubihsmMacKey('mac', pkcs11.CKK_GENERIC_SECRET)
      expect(await hsm.code('C_GenerateKey', session, mac, wrongType)).to.equal(pkcs11.CKR_TEMPLATE_INCONSISTENT)
      const withLength = [...yubihsmMacKey('mac'), { type: pkcs11.CKA_VALUE_LEN, value: 32 }]
      expect(await hsm.code('C_GenerateKey', session, mac, withLength)).to.equal(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)
      const key = await hsm.call<Handle>('C_GenerateKey', session, mac, yubihsmMacKey('mac'))
      expect(await read(key, pkcs11.CKA_KEY_TYPE)).to.deep.equal(Buffer.from('2b00000000000000', 'hex'))
      expect(await readCode(key, pkcs11.CKA_VALUE_LEN)).to.equal(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)
      await hsm.call('C_FindObjectsInit', session, [{ type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_SHA256_HMAC }])
      expect(await hsm.call('C_FindObjects', session, 10)).to.deep.equal([key])
      await hsm.call('C_FindObjectsFinal', session)
      await hsm.call('C_SignInit', session, { mechanism: pkcs11.CKM_SHA256_HMAC }, key)
      expect(await hsm.call<Buffer>('C_Sign', session, data, Buffer.alloc(32))).to.have.length(32)
    })

    it('keeps a pair as one object: what happens to the private key happens to the public one', async () => {
      expect(await pairCode(p256Public('pair', true), p256Private('pair'))).to.equal(pkcs11.CKR_ATTRIBUTE_VALUE_INVALID)
      const mechanism = { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }
      const pair = await hsm.call<{ publicKey: Handle, privateKey: Handle }>(
        'C_GenerateKeyPair', session, mechanism, p256Public('pair', false), p256Private('pair'))
      expect(await read(pair.publicKey, pkcs11.CKA_ID)).to.deep.equal(await read(pair.privateKey, pkcs11.CKA_ID))
      await hsm.call('C_DestroyObject', session, pair.publicKey)
      expect(await readCode(pair.publicKey, pkcs11.CKA_LABEL)).to.equal(0)
      await hsm.call('C_DestroyObject', session, pair.privateKey)
      expect(await readCode(pair.publicKey, pkcs11.CKA_LABEL)).to.equal(pkcs11.CKR_OBJECT_HANDLE_INVALID)
      await hsm.call('C_DestroyObject', session, pair.publicKey)
    })
  })
})

describe('the fault module, imitating yubihsm with room for 8 objects', () => {
  let token: FaultToken
  let hsm: Remote
  let session: Handle

  before(async () => {
    token = await faultToken({ imitate: [{ imitate: 'yubihsm', objects: 8 }] })
    hsm = new Remote(token.config)
    session = await hsm.openLoggedIn()
  })
  after(() => hsm.close())

  const make = (label: string, more: Template = []) =>
    hsm.code('C_GenerateKey', session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, aesKey(label, more))
  const id = (...bytes: readonly number[]) => [{ type: pkcs11.CKA_ID, value: Buffer.from(bytes) }]

  it('takes the PIN in its own form only', async () => {
    await hsm.call('C_Logout', session)
    expect(await hsm.code('C_Login', session, pkcs11.CKU_USER, 'short')).to.equal(pkcs11.CKR_ARGUMENTS_BAD)
    expect(await hsm.code('C_Login', session, pkcs11.CKU_USER, 'wxyz-password')).to.equal(pkcs11.CKR_PIN_INCORRECT)
    expect(await hsm.code('C_Login', session, pkcs11.CKU_USER, '0001password')).to.equal(pkcs11.CKR_PIN_INCORRECT)
    expect(await hsm.login(session)).to.equal(0)
  })

  it('counts authentication key, pairs and helper objects', async () => {
    expect(await make('native', id(1, 2))).to.equal(0)
    expect(await make('same id', id(1, 2))).to.equal(pkcs11.CKR_ATTRIBUTE_VALUE_INVALID)
    const pair = [{ mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }, p256Public('pair', false), p256Private('pair')]
    expect(await hsm.code('C_GenerateKeyPair', session, ...pair)).to.equal(0)
    expect(await make('long id', id(1, 2, 3))).to.equal(0)
    expect(await make('x'.repeat(41))).to.equal(0)
    expect(await make('long id again', id(1, 2, 3, 4))).to.equal(pkcs11.CKR_DEVICE_MEMORY)
    expect(await make('last')).to.equal(0)
    expect(await make('one too many')).to.equal(pkcs11.CKR_DEVICE_MEMORY)
  })

  it('keeps its ways when the control file changes', async () => {
    token.control.set({ on: 'C_Digest', action: 'rv', code: 5 })
    expect(await make('still full')).to.equal(pkcs11.CKR_DEVICE_MEMORY)
  })
})
