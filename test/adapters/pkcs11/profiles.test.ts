import { expect } from 'chai'
import { chooseProfile, profiles, type TokenIdentity } from '../../../src/adapters/pkcs11/profiles/choose.js'
import type { Profile, Source } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { factNames, factsOf } from '../../../src/adapters/pkcs11/report/facts.js'
import { materialNameBytesMax } from '../../../src/domain/material.js'
import { expectRefused } from './support.js'

const seenHere = ['softhsm', 'nss', 'opencryptoki', 'p11-kit']

describe('HSM profiles', () => {
  for (const profile of profiles) describe(profile.name, () => tableOf(profile))

  it('have names of their own', () => {
    expect(new Set(profiles.map(({ name }) => name)).size).to.equal(profiles.length)
  })
})

function tableOf(profile: Profile): void {
  it('says where each fact comes from, and of facts only', () => {
    expect(factNames).to.include.members(Object.keys(profile.sources))
    const sources: readonly Source[] = ['device', 'documentation', 'report', 'assumed']
    for (const { fact, source, value } of factsOf(profile)) {
      expect(sources, fact).to.include(source)
      if (!seenHere.includes(profile.name)) expect(source, fact).not.to.equal('device')
      if (fact !== 'returnValues') expect(value, fact).not.to.equal('')
    }
  })

  it('has a fact for every field', () => {
    const described = Object.keys(profile).filter(name => !['name', 'title', 'probeAtStart', 'sources'].includes(name))
    expect([...factNames].sort()).to.deep.equal(described.sort())
  })

  it('survives the way to a lane', () => {
    expect(JSON.parse(JSON.stringify(profile))).to.deep.equal(profile)
  })

  it('takes our names, and every plaintext of the KMS API', () => {
    expect(profile.labelBytesMax).to.be.at.least(materialNameBytesMax)
    expect(profile.seal.plaintextBytesMax).to.be.within(4096, 16_224)
    expect(profile.macBytesMax).to.be.at.least(1024)
    expect(profile.randomChunkBytes).to.be.within(256, 65_536)
  })

  it('leaves room in the output for an IV that comes with it', () => {
    const inBand = profile.seal.mode === 'gcm-hsm-iv-prefix' || profile.seal.mode === 'gcm-hsm-iv-suffix'
    expect(profile.seal.outputSlackBytes).to.be.at.least(inBand ? profile.seal.ivBytes : 0)
    expect(profile.seal.ivBits).to.be.oneOf([0, profile.seal.ivBytes * 8])
  })

  it('never takes a lost device for a bad ciphertext without a second look', () => {
    const { ciphertextInvalid, ambiguous, busy, lost } = profile.returnValues
    for (const code of [...ambiguous, ...busy, ...lost]) expect(ciphertextInvalid).not.to.include(code)
    for (const code of busy) expect(lost).not.to.include(code)
  })

  it('has lanes that fit into the token', () => {
    const { count, maxSessions, callDeadlineMs, slowCallDeadlineMs, openGapMs, keepAliveMs, settleMs } = profile.lanes
    expect(count).to.be.within(1, Math.min(maxSessions ?? 256, 256))
    expect(callDeadlineMs).to.be.within(1_000, slowCallDeadlineMs)
    expect(slowCallDeadlineMs).to.be.at.most(120_000)
    expect(openGapMs).to.be.within(0, 1_000)
    expect(keepAliveMs === 0 || keepAliveMs >= 5_000).to.be.true
    expect(settleMs).to.be.within(0, 10_000)
    expect(profile.recover.at(-1)).to.equal('new-process')
  })

  it('keeps away from the server\'s process what is not a local library', () => {
    expect(profile.host).to.equal(['softhsm', 'nss'].includes(profile.name) ? 'inline' : 'process')
  })
}

describe('chooseProfile', () => {
  const tokens: readonly (readonly [string, Partial<TokenIdentity>])[] = [
    ['softhsm', { manufacturer: 'SoftHSM project', model: 'SoftHSM v2', libraryDescription: 'Implementation of PKCS11' }],
    ['p11-kit', { manufacturer: 'SoftHSM project', model: 'SoftHSM v2', libraryDescription: 'PKCS#11 Kit Proxy Module' }],
    ['yubihsm', { manufacturer: 'Yubico (www.yubico.com)', model: 'YubiHSM', libraryDescription: 'YubiHSM PKCS#11 Library' }],
    ['generic', { manufacturer: 'Yubico (www.yubico.com)', model: 'YubiKey YK5', libraryDescription: 'PKCS#11 PIV Library (SP-800-73)' }],
    ['cloudhsm', { manufacturer: 'Marvell Semiconductors, Inc.', model: 'LS2' }],
    ['cloudhsm', { libraryDescription: 'AWS CloudHSM PKCS#11' }],
    ['luna', { manufacturer: 'SafeNet', model: 'LunaSA 7.7.1', libraryDescription: 'Chrystoki' }],
    ['nshield', { manufacturer: 'nCipher Corp. Ltd', model: '' }],
    ['nss', { manufacturer: 'Mozilla Foundation', model: 'NSS 3', libraryDescription: 'NSS Internal Crypto Services' }],
    ['opencryptoki', { manufacturer: 'IBM Corp.', model: 'IBM SoftTok', libraryDescription: 'Meta PKCS11 LIBRARY' }],
    ['opencryptoki', { manufacturer: 'IBM', model: 'Soft', libraryDescription: 'openCryptoki' }],
    ['generic', { manufacturer: 'somebody', model: 'else' }],
  ]
  for (const [name, token] of tokens) {
    it(`takes ${name} for ${Object.values(token).join(', ')}`, () => {
      expect(chooseProfile({ manufacturer: '', model: '', libraryDescription: '', ...token }).name).to.equal(name)
    })
  }

  it('takes the one that configuration names, whatever the token says', () => {
    expect(chooseProfile({ manufacturer: 'SoftHSM project', model: '', libraryDescription: '' }, 'luna').name).to.equal('luna')
  })

  it('refuses a name that no profile has', () => {
    const unknown = { manufacturer: '', model: '', libraryDescription: '' }
    expectRefused(() => chooseProfile(unknown, 'nope'), 'configuration')
    expectRefused(() => chooseProfile(unknown, 'constructor'), 'configuration')
  })
})
