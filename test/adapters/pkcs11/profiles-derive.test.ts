import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import pkcs11 from 'pkcs11js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { profiles } from '../../../src/adapters/pkcs11/profiles/choose.js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import type { ProbeReport } from '../../../src/adapters/pkcs11/report/probe.js'
import { faultToken } from '../../support/fault-module/token.js'
import type { Imitation } from '../../support/fault-module/control.js'
import { nssToken } from '../../support/tokens/nss.js'
import { openCryptokiToken } from '../../support/tokens/opencryptoki.js'
import { p11KitServer } from '../../support/tokens/p11-kit.js'
import { softHsmToken, yubiHsmMechanisms } from '../../support/tokens/softhsm.js'
import { TokenUnavailable, type TestToken } from '../../support/tokens/token.js'
import type { Driven, Resolved } from './profile-child.js'

const child = fileURLToPath(new URL('profile-child.js', import.meta.url))
const run = promisify(execFile)
const waitMsMax = 60_000

async function inChild<T>(task: 'resolve' | 'drive' | 'probe', config: Pkcs11Config): Promise<T> {
  const { stdout } = await run(process.execPath, [child, task, JSON.stringify(config)], { timeout: waitMsMax, killSignal: 'SIGKILL' })
  return JSON.parse(stdout) as T
}

function named(name: string): Profile {
  const profile = profiles.find(each => each.name === name)
  if (!profile) throw new Error(`there is no profile ${name}`)
  return profile
}

/** Without its pseudonym: what a token is made to be taken for, or to be sealed by. */
const generic = (config: Pkcs11Config): Pkcs11Config => ({ ...config, profile: 'generic' })
const derivedFacts = [
  'seal', 'oaep', 'edwards', 'lacks', 'macBytesMax', 'randomChunkBytes', 'labelBytesMax', 'idBytesMax', 'template',
  'allowedMechanisms', 'checkValue', 'sessionKeys', 'unreadable',
] as const

function derivedPart(profile: Profile): object {
  return Object.fromEntries(derivedFacts.map(fact => [fact, profile[fact]]))
}

/** The profile says nothing wrong of this token, everything it relies on works, and nothing is left in the token. */
async function expectRight(token: TestToken, profile: string, withoutEc = false): Promise<void> {
  const { profile: _, ...config } = token.config
  const { check, selfTest } = await inChild<ProbeReport>('probe', config)
  expect(check).to.include({ profile, proposal: null })
  expect((check as unknown as { facts: { outcome: string }[] }).facts.filter(({ outcome }) => outcome === 'differs')).to.deep.equal([])
  const steps = (selfTest as unknown as { steps: { name: string, outcome: string }[] }).steps
  expect(steps.filter(({ outcome }) => outcome === 'failed')).to.deep.equal([])
  const missing = steps.filter(({ outcome, name }) => outcome === 'not offered' && !name.startsWith('RSA'))
  expect(missing.map(({ name }) => name)).to.deep.equal(withoutEc ? ['ECDSA P-256 key pair', 'ECDSA P-256'] : [])
}

describe('a profile derived from the token', function suite() {
  this.timeout(waitMsMax)

  it('of SoftHSM is that of SoftHSM, and leaves nothing in the token', async () => {
    const token = await softHsmToken()
    const { profile, objects } = await inChild<Resolved>('resolve', generic(token.config))
    expect(derivedPart(profile)).to.deep.equal(derivedPart(named('softhsm')))
    expect(profile.returnValues).to.deep.include({ ambiguous: [pkcs11.CKR_GENERAL_ERROR] })
    expect(profile).to.include({ name: 'generic', host: 'process', probeAtStart: 'nothing' })
    expect(derivedFacts.map(fact => profile.sources[fact])).to.deep.equal(derivedFacts.map(() => 'device'))
    expect(objects).to.equal(0)
    await token.close()
  })

  it('of a token without GCM seals with cbc-hmac', async () => {
    const token = await softHsmToken(yubiHsmMechanisms)
    const driven = await inChild<Driven>('drive', token.config)
    expect(driven).to.include({ profile: 'generic', mode: 'cbc-hmac', ivBytes: 16, opened: true, found: 2, destroyed: 2, left: 0 })
    await token.close()
  })

  it('of NSS softoken is that of NSS softoken', async () => {
    const token = await nssToken()
    const { profile, objects } = await inChild<Resolved>('resolve', generic(token.config))
    expect(derivedPart(profile)).to.deep.equal(derivedPart(named('nss')))
    expect(profile.returnValues).to.deep.include({ ambiguous: [] })
    expect(objects).to.equal(0)
    await token.close()
  })
})

describe('the profile of', function suite() {
  this.timeout(waitMsMax)

  it('SoftHSM says nothing wrong', async () => {
    const token = await softHsmToken()
    await expectRight(token, 'softhsm')
    await token.close()
  })

  it('NSS softoken says nothing wrong, and drives it', async () => {
    const token = await nssToken()
    await expectRight(token, 'nss')
    expect(await inChild<Driven>('drive', token.config)).to.include({
      profile: 'nss', opened: true, found: 1, signature: 64, destroyed: 1, left: 0,
    })
    await token.close()
  })

  it('openCryptoki says nothing wrong, and drives it', async function openCryptoki() {
    let token: TestToken
    try {
      token = await openCryptokiToken()
    } catch (error) {
      if (error instanceof TokenUnavailable) this.skip()
      throw error
    }
    try {
      await expectRight(token, 'opencryptoki', true)
      const { profile: _, ...config } = token.config
      const driven = await inChild<Driven>('drive', config)
      expect(driven).to.include({ profile: 'opencryptoki', mode: 'cbc-hmac', opened: true, destroyed: 2, left: 0 })
    } finally {
      await token.close()
    }
  })

  it('p11-kit is chosen for SoftHSM behind it, in processes of its own', async () => {
    const softHsm = await softHsmToken()
    const server = await p11KitServer(softHsm)
    try {
      expect((await inChild<Resolved>('resolve', server.config)).profile).to.include({ name: 'p11-kit', host: 'process' })
    } finally {
      await server.close()
      await softHsm.close()
    }
  })

  it('another vendor is seen to be wrong, with a proposal', async () => {
    const token = await softHsmToken()
    const { check } = await inChild<ProbeReport>('probe', { ...token.config, profile: 'yubihsm', pin: { pin: `0001${'x'.repeat(8)}` } })
    expect(check).to.have.property('failure').that.matches(/^login: /)
    const { check: wrong } = await inChild<ProbeReport>('probe', { ...token.config, profile: 'nss' })
    const facts = (wrong as unknown as { facts: { fact: string, outcome: string }[] }).facts
    const differing = facts.filter(({ outcome }) => outcome === 'differs').map(({ fact }) => fact)
    expect(differing).to.include.members(['oaep', 'returnValues', 'unreadable'])
    expect(wrong).to.have.nested.property('proposal.oaep', 'raw')
    await token.close()
  })
})

/** After documents and reports: they prove nothing of a device. */
describe('imitation of', function suite() {
  this.timeout(waitMsMax)

  const imitations: readonly (readonly [string, Imitation, Partial<Driven>])[] = [
    ['cloudhsm', { imitate: 'cloudhsm' }, { mode: 'gcm-hsm-iv-prefix', ivBytes: 12, found: 1, destroyed: 1 }],
    ['yubihsm', { imitate: 'yubihsm' }, { mode: 'cbc-hmac', ivBytes: 16, found: 2, destroyed: 2 }],
    ['luna', { imitate: 'luna' }, { mode: 'gcm-hsm-iv-suffix', ivBytes: 16, found: 1, destroyed: 1 }],
    ['nshield', { imitate: 'nshield' }, { mode: 'gcm-hsm-iv-writeback', ivBytes: 12, found: 1, destroyed: 1 }],
  ]
  for (const [name, imitation, expected] of imitations) {
    it(`${name} is driven by its profile`, async () => {
      const { config } = await faultToken({ imitate: [imitation] })
      const driven = await inChild<Driven>('drive', config)
      expect(driven).to.include({ profile: name, opened: true, left: 0, mac: 32, signature: 64, ...expected })
      expect(new Set(driven.refusals)).to.deep.equal(new Set(['ciphertext-invalid']))
      for (const attributes of driven.evidence) expect(attributes).to.include({ extractable: false, token: true })
      expect(driven.capacity.after.used - driven.capacity.before.used).to.equal(driven.evidence.length)
      expect(driven.capacity.after.max ?? null).to.equal(named(name).objectsMax)
    })

    it(`${name} has a profile that says nothing wrong`, async () => {
      const { config } = await faultToken({ imitate: [imitation] })
      const { check, selfTest } = await inChild<ProbeReport>('probe', config)
      const { facts } = check as unknown as { facts: { fact: string, outcome: string }[] }
      const { steps } = selfTest as unknown as { steps: { name: string, outcome: string }[] }
      // The token behind decrypts, and that one has OAEP with SHA-1 only.
      expect(facts.filter(({ fact, outcome }) => outcome === 'differs' && fact !== 'oaep')).to.deep.equal([])
      expect(steps.filter(({ name, outcome }) => outcome === 'failed' && !name.startsWith('RSA'))).to.deep.equal([])
    })
  }

  for (const imitate of ['iv-writeback-init', 'iv-writeback-encrypt'] as const) {
    it(`${imitate} is found out by the start of generic`, async () => {
      const { config } = await faultToken({ imitate: [{ imitate }] })
      expect(await inChild<Driven>('drive', generic(config))).to.include({ mode: 'gcm-hsm-iv-writeback', opened: true })
    })
  }

  for (const ivBytes of [12, 16]) {
    it(`iv-suffix of ${ivBytes} bytes is found out by the start of generic`, async () => {
      const { config } = await faultToken({ imitate: [{ imitate: 'iv-suffix', ivBytes }] })
      expect(await inChild<Driven>('drive', generic(config))).to.include({ mode: 'gcm-hsm-iv-suffix', ivBytes, opened: true })
    })
  }

  it('yubihsm is found out by the start of generic: its templates, its HMAC keys, no session keys', async () => {
    const { config } = await faultToken({ imitate: [{ imitate: 'yubihsm' }] })
    const { profile } = await inChild<Resolved>('resolve', generic(config))
    expect(profile).to.include({ sessionKeys: false, checkValue: false, allowedMechanisms: false })
    expect(profile.seal.mode).to.equal('cbc-hmac')
    expect(profile.template.mac.set).to.deep.include({ key_type: pkcs11.CKK_SHA256_HMAC })
    expect(await inChild<Driven>('drive', generic(config))).to.include({ opened: true, left: 0 })
  })

  it('tag-mismatch is learnt by the start of generic', async () => {
    for (const [code, list] of [[pkcs11.CKR_FUNCTION_FAILED, 'ambiguous'], [pkcs11.CKR_DEVICE_ERROR, 'ambiguous'],
      [pkcs11.CKR_DATA_INVALID, 'ciphertextInvalid'], [0x42, 'ciphertextInvalid']] as const) {
      const { config } = await faultToken({ imitate: [{ imitate: 'tag-mismatch', tagMismatch: code }] })
      const { profile } = await inChild<Resolved>('resolve', generic(config))
      expect(profile.returnValues[list]).to.include(code)
    }
  })
})
