import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { keySpecs as specRows } from '../../../src/domain/key-spec.js'
import { generic } from '../../../src/adapters/pkcs11/profiles/generic.js'
import { nss } from '../../../src/adapters/pkcs11/profiles/nss.js'
import { mechanismName, offersOf, type Offers } from '../../../src/adapters/pkcs11/report/offers.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { probeToken, type ProfileReport, type TokenReport } from '../../../src/adapters/pkcs11/report/probe.js'
import { refused } from '../../contract/hsm-samples.js'
import { pinFileOf, testToken } from '../../support/softhsm.js'
import { silentLog } from './support.js'

const aesKeyGen = 0x1080
const aesGcm = 0x1087
const aesCbc = 0x1082
const [rsaKeyPairGen, rsaRaw] = [0x0, 0x3]
const [ecKeyPairGen, ecdsa] = [0x1040, 0x1041]
const genericSecretKeyGen = 0x350
const sha256Hmac = 0x251

describe('probeToken', () => {
  async function tokenReport(): Promise<TokenReport> {
    const { module, environment, tokenLabel } = await testToken()
    const report = await probeToken({ module, ...environment && { environment } })
    return report.slots.map(each => each.token as TokenReport).find(each => each.label === tokenLabel) as TokenReport
  }

  it('says without a PIN what library and token are', async () => {
    const { module, environment } = await testToken()
    const report = await probeToken({ module, ...environment && { environment } })
    expect(report.library).to.include({ manufacturer: 'SoftHSM', cryptoki: '2.40' })
    expect([report.selfTest, report.check]).to.deep.equal([null, null])
    const token = await tokenReport()
    expect(token).to.include({ manufacturer: 'SoftHSM project', model: 'SoftHSM v2', profile: 'softhsm', roots: true })
    expect(token.flags).to.include.members(['initialised', 'user PIN set', 'generator'])
    expect(token.limits).to.include({ sessions: 'unlimited', freePrivateMemory: null, plaintextBytes: 4352 })
  })

  it('lists mechanisms by number and name', async () => {
    const { mechanisms } = await tokenReport()
    expect(mechanisms).to.deep.include({ type: '0x1087', name: 'CKM_AES_GCM' })
    expect(mechanisms).to.deep.include({ type: '0x1040', name: 'CKM_EC_KEY_PAIR_GEN' })
    expect(mechanismName(0x80001087)).to.equal(undefined)
  })

  it('tries everything with a PIN, and leaves nothing in the token', async () => {
    const { verifySeals: _, ...target } = await testToken()
    const hsm = await openHsm(await testToken(), silentLog)
    try {
      const before = await hsm.list()
      const { selfTest } = await probeToken(target)
      expect(selfTest).to.have.property('steps').that.has.length(11)
      for (const step of (selfTest as { steps: readonly object[] }).steps) expect(step).to.have.property('outcome', 'ok')
      expect(await hsm.list()).to.deep.equal(before)
    } finally {
      await hsm.close()
    }
  })

  it('tells the facts of the profile and where they come from', async () => {
    const { facts } = await tokenReport()
    expect(facts).to.deep.include({ fact: 'oaep', value: 'raw', source: 'device' })
    expect(facts).to.deep.include({ fact: 'host', value: 'inline', source: 'documentation' })
  })

  it('checks the profile against the device, and proposes none where it is right', async () => {
    const { verifySeals: _, ...target } = await testToken()
    const { check } = await probeToken(target)
    expect(check).to.deep.include({ profile: 'softhsm', proposal: null })
    const { facts } = check as ProfileReport
    expect(facts.filter(({ outcome }) => outcome === 'differs')).to.deep.equal([])
    expect(facts.filter(({ outcome }) => outcome === 'ok').map(({ fact }) => fact)).to.include.members([
      'seal', 'oaep', 'template', 'unreadable', 'returnValues', 'allowedMechanisms', 'checkValue', 'labelBytesMax', 'idBytesMax',
      'sessionKeys', 'randomChunkBytes', 'lanes',
    ])
    expect(facts).to.deep.include({ fact: 'recover', outcome: 'not checkable', device: null })
  })

  it('proposes a profile for an unknown token', async () => {
    const { verifySeals: _, ...target } = await testToken()
    const { check } = await probeToken({ ...target, profile: 'generic' })
    expect(check).to.have.nested.property('proposal.name', 'softhsm-project-softhsm-v2')
    expect(check).to.have.nested.property('proposal.match').that.deep.equals([{ manufacturer: 'SoftHSM project', model: 'SoftHSM v2' }])
    expect(check).to.have.nested.property('proposal.sources.seal', 'device')
  })

  it('says what the device does where the profile is wrong', async () => {
    const { verifySeals: _, ...target } = await testToken()
    const wrong: Profile = {
      ...softhsm, oaep: 'native', idBytesMax: 70_000, seal: { ...softhsm.seal, mode: 'gcm-hsm-iv-prefix' },
      returnValues: { ...softhsm.returnValues, ambiguous: [] },
    }
    const { check } = await probeToken({ ...target, profile: wrong })
    const differing = (check as ProfileReport).facts.filter(({ outcome }) => outcome === 'differs')
    expect(differing.map(({ fact }) => fact)).to.include.members(['seal', 'oaep'])
    expect(differing.find(({ fact }) => fact === 'seal')?.device).to.match(/the device does gcm-caller-iv, IV of 12 bytes, ulIvBits 96$/)
    expect(check).to.have.nested.property('proposal.seal.mode', 'gcm-caller-iv')
  })

  it('can be printed as JSON, and shows no PIN', async () => {
    const { verifySeals: _, ...target } = await testToken()
    const report = await probeToken(target)
    const text = JSON.stringify(report)
    expect(JSON.parse(text)).to.deep.equal(report)
    expect(text).not.to.include(readFileSync(pinFileOf(target), 'utf8'))
  })

  it('reports a self-test that cannot begin', async () => {
    const { verifySeals: _, ...target } = await testToken()
    const { selfTest } = await probeToken({ ...target, pin: { file: '/no/such/file' } })
    expect(selfTest).to.have.property('failure').that.matches(/^configuration: /)
  })

  it('refuses a file that is no PKCS#11 module', async () => {
    await refused(probeToken({ module: '/etc/hostname' }), 'configuration')
    await refused(probeToken({ module: '/no/such/file' }), 'configuration')
  })
})

describe('offersOf', () => {
  const offers = (mechanisms: readonly number[], hasGenerator = true, profile: Profile = softhsm): Offers =>
    offersOf({ mechanisms, range: () => undefined, encapsulates: false }, profile, hasGenerator)
  const specsOf = ({ keySpecs }: Offers): readonly string[] =>
    Object.entries(keySpecs).flatMap(([name, { offered }]) => offered ? [name] : [])

  it('needs a generator and AES-GCM for suite gcm', () => {
    expect(offers([aesKeyGen, aesGcm])).to.deep.include({ suites: { 'gcm': true, 'cbc-hmac': false }, roots: false })
    expect(offers([aesKeyGen, aesGcm], false).suites.gcm).to.equal(false)
    expect(offers([aesGcm]).suites.gcm).to.equal(false)
  })

  it('finds suite cbc-hmac on a token without GCM', () => {
    const found = offers([aesKeyGen, aesCbc, genericSecretKeyGen, sha256Hmac], true, generic)
    expect(found.suites).to.deep.equal({ 'gcm': false, 'cbc-hmac': true })
    expect(found.operations).to.include({ GenerateDataKey: true, GenerateMac: true, Sign: false, DeriveSharedSecret: false })
    expect(specsOf(found)).to.deep.equal(['SYMMETRIC_DEFAULT ENCRYPT_DECRYPT', 'HMAC_256 GENERATE_VERIFY_MAC'])
  })

  it('names every key spec, with what it needs', () => {
    const { keySpecs } = offers([])
    const every = [...specRows.values()].flatMap(({ spec, usages }) =>
      usages.length > 0 ? usages.map(({ usage }) => `${spec} ${usage}`) : [spec])
    expect(Object.keys(keySpecs)).to.deep.equal(every)
    const needs = ['CKM_ML_KEM_KEY_PAIR_GEN', 'CKM_ML_KEM']
    expect(keySpecs['ML_KEM_768 ENCAPSULATE_DECAPSULATE']).to.deep.equal({ offered: false, needs })
    expect(keySpecs.SM2).to.deep.equal({ offered: false, needs: [] })
  })

  it('offers pairs by their mechanisms, and what the profile says of the token', () => {
    const curves = offers([ecKeyPairGen, ecdsa])
    expect(specsOf(curves).filter(name => name.startsWith('ECC_'))).to.have.length(4)
    expect(specsOf(offers([ecKeyPairGen, ecdsa], true, nss))).not.to.include('ECC_SECG_P256K1 SIGN_VERIFY')
    expect(curves.operations).to.include({ Sign: true, GetPublicKey: true, DeriveSharedSecret: false, ImportKeyMaterial: false })
    expect(specsOf(offers([rsaKeyPairGen, rsaRaw]))).to.include('RSA_2048 ENCRYPT_DECRYPT').and.not.to.include('RSA_2048 SIGN_VERIFY')
  })

  it('heeds the sizes that a mechanism is good for', () => {
    const source = { mechanisms: [rsaKeyPairGen, rsaRaw], range: () => ({ minKeySize: 1024, maxKeySize: 3072 }), encapsulates: false }
    expect(specsOf(offersOf(source, softhsm, true))).to.deep.equal(['RSA_2048 ENCRYPT_DECRYPT', 'RSA_3072 ENCRYPT_DECRYPT'])
  })

  it('offers nothing without mechanisms', () => {
    const found = offers([], false)
    expect(Object.values(found.operations)).not.to.include(true)
    expect(specsOf(found)).to.deep.equal([])
    expect(found.roots).to.equal(false)
  })
})
