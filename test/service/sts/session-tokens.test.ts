import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { rootMaterial } from '../../../src/domain/material.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { firstRoots, makeMissingRoots } from '../../../src/service/roots.js'
import {
  isSessionKeyId, payloadBytesMax, SessionTokens, tokenCharactersMax, type SessionClaims,
} from '../../../src/service/sts/session-tokens.js'
import { accountId } from '../../support/callers.js'
import { onEveryCall } from '../../support/interruption.js'
import { RecordedLog } from '../../support/recorded.js'
import { refused } from '../../support/refusal.js'
import { openTestHsm } from '../../support/services.js'
import { freshToken } from '../../support/softhsm.js'

const claims: SessionClaims = {
  kind: 'role', accountId, name: 'worker', id: 'AROAWORKER', sessionName: 'me', issuedAt: 1, expiresAt: 2,
  policy: '{"Statement":[]}', policyArns: ['arn:aws:iam::aws:policy/ClavigerAuditor'], tags: [{ key: 'team', value: 'Zoë 🔑' }],
  transitiveTagKeys: ['team'], sourceIdentity: 'anne', provider: 'arn:aws:iam::111122223333:oidc-provider/idp.example',
}
/** format, version of the root and salt */
const headerBytes = 37

describe('session tokens', () => {
  let foreign: string
  let hsm: Hsm
  let tokens: SessionTokens
  let macs = 0

  before(async () => {
    // One token of the library at a time: the other installation comes first.
    const other = await openHsm(await freshToken(), new RecordedLog())
    await makeMissingRoots(other, firstRoots)
    foreign = (await new SessionTokens(other, firstRoots.mac).seal(claims)).sessionToken
    await other.close()
    hsm = await openTestHsm()
    tokens = new SessionTokens(onEveryCall(hsm, method => { if (method === 'mac') macs++ }), firstRoots.mac)
  })
  after(() => hsm.close())
  beforeEach(() => { macs = 0 })

  /** Claims of so many bytes that do not compress. */
  const claimsOf = (bytes: number): SessionClaims => ({ ...claims, policy: randomBytes(Math.ceil(bytes)).toString('base64url') })

  it('hold what they were made of, and the credentials', async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = await tokens.seal(claims)
    const opened = await tokens.open(sessionToken)
    expect(opened?.claims).to.deep.equal(claims)
    expect(opened?.accessKeyId).to.equal(accessKeyId)
    expect(Buffer.from(opened?.secret ?? []).toString()).to.equal(secretAccessKey)
  })

  it('come with an access key of 20 characters and a secret of 40, never the same twice', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => tokens.seal(claims)))
    for (const { accessKeyId, secretAccessKey } of made) {
      expect(isSessionKeyId(accessKeyId), accessKeyId).to.equal(true)
      expect(accessKeyId).to.match(/^CVAS[A-Z2-7]{16}$/)
      expect(secretAccessKey).to.match(/^[A-Za-z0-9+/]{40}$/)
    }
    for (const part of ['accessKeyId', 'secretAccessKey', 'sessionToken'] as const) {
      expect(new Set(made.map(one => one[part])).size).to.equal(50)
    }
  })

  it('of the same claims share nothing but format and root: each has a salt, and so a key, of its own', async () => {
    const [one, other] = await Promise.all([tokens.seal(claims), tokens.seal(claims)])
    const [a, b] = [Buffer.from(one.sessionToken, 'base64'), Buffer.from(other.sessionToken, 'base64')]
    expect(a.subarray(0, 5)).to.deep.equal(b.subarray(0, 5))
    for (let at = 5; at + 8 <= a.length; at++) expect(b.includes(a.subarray(at, at + 8)), `at ${at}`).to.equal(false)
  })

  it('tell neither secret nor claims', async () => {
    const { secretAccessKey, sessionToken } = await tokens.seal(claims)
    const bytes = Buffer.from(sessionToken, 'base64')
    for (const text of [Buffer.from(secretAccessKey), Buffer.from(secretAccessKey, 'base64'), 'worker', 'anne', accountId]) {
      expect(bytes.includes(text)).to.equal(false)
    }
  })

  it('do not open with any bit flipped', async function () {
    this.timeout(30_000)
    const bytes = Buffer.from((await tokens.seal(claims)).sessionToken, 'base64')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await tokens.open(flipped.toString('base64')), `bit ${bit}`).to.equal(undefined)
    }
    expect(await tokens.open(bytes.toString('base64'))).not.to.equal(undefined)
  })

  it('do not open when they are cut, lengthened, or put together of two', async () => {
    const [one, other] = await Promise.all([tokens.seal(claims), tokens.seal(claims)])
    const [a, b] = [Buffer.from(one.sessionToken, 'base64'), Buffer.from(other.sessionToken, 'base64')]
    for (let length = 0; length < a.length; length++) {
      expect(await tokens.open(a.toString('base64', 0, length)), `cut to ${length}`).to.equal(undefined)
    }
    for (const wrong of [Buffer.concat([a, Buffer.alloc(1)]), Buffer.concat([a, a]), Buffer.concat([b.subarray(0, headerBytes),
      a.subarray(headerBytes)]), Buffer.concat([a.subarray(0, -16), b.subarray(-16)])]) {
      expect(await tokens.open(wrong.toString('base64'))).to.equal(undefined)
    }
  })

  it('have one text only', async () => {
    const { sessionToken } = await tokens.seal(claims)
    const url = Buffer.from(sessionToken, 'base64').toString('base64url')
    for (const text of [` ${sessionToken}`, `${sessionToken} `, `${sessionToken}=`, `${sessionToken},${sessionToken}`, `${url}.`]) {
      expect(await tokens.open(text), text.slice(0, 10)).to.equal(undefined)
    }
  })

  it('of another installation do not open', async () => {
    expect(await tokens.open(foreign)).to.equal(undefined)
  })

  it('cost one MAC, whatever they are; and none where they name a root that there is not, or are no token at all', async () => {
    const bytes = Buffer.from((await tokens.seal(claims)).sessionToken, 'base64')
    macs = 0
    for (const version of [0, firstRoots.mac + 1, 2 ** 32 - 1]) {
      bytes.writeUInt32BE(version, 1)
      expect(await tokens.open(bytes.toString('base64')), `root ${version}`).to.equal(undefined)
    }
    for (const garbage of ['', 'x', 'AQAAAAE=', '\u{1f511}', randomBytes(200).fill(2, 0, 1).toString('base64'),
      Buffer.alloc(tokenCharactersMax, 1).toString('base64')]) {
      expect(await tokens.open(garbage)).to.equal(undefined)
    }
    expect(macs).to.equal(0)
    const random = randomBytes(200)
    random.set([1, 0, 0, 0, 1])
    expect(await tokens.open(random.toString('base64'))).to.equal(undefined)
    expect(macs).to.equal(1)
  })

  it('of before the root was rotated open after it, and those of the new root not with the old one', async () => {
    const next = rootMaterial('mac', 2)
    await hsm.createMaterial(next)
    try {
      const rotated = new SessionTokens(hsm, 2)
      expect(await rotated.open((await tokens.seal(claims)).sessionToken)).to.have.property('claims')
      const { sessionToken } = await rotated.seal(claims)
      expect(await rotated.open(sessionToken)).to.have.property('claims')
      expect(await tokens.open(sessionToken)).to.equal(undefined)
    } finally {
      await hsm.destroyMaterial(next)
    }
  })

  it('say how full they are', async () => {
    const [small, large] = [await tokens.seal(claims), await tokens.seal(claimsOf(payloadBytesMax / 2))]
    expect(small.packedSize).to.be.within(1, 12)
    expect(large.packedSize).to.be.within(50, 65)
  })

  it('are as large as they may be at most, and open then', async () => {
    let percent = 0
    for (let bytes = payloadBytesMax * 0.9; ; bytes += 8) {
      const made = await tokens.seal(claimsOf(bytes)).catch(() => undefined)
      if (!made) break
      percent = made.packedSize
      expect(made.sessionToken.length).to.be.at.most(tokenCharactersMax)
      expect(await tokens.open(made.sessionToken)).to.have.property('claims')
    }
    expect(percent).to.equal(100)
  })

  it('are as long as is asked for, at least', async () => {
    for (let characters = 900; characters <= 4_096; characters += 97) {
      const { sessionToken, packedSize } = await tokens.seal(claims, characters)
      expect(sessionToken.length).to.be.within(characters, characters + 3)
      expect(packedSize).to.be.within(1, 12)
      expect((await tokens.open(sessionToken))?.claims).to.deep.equal(claims)
    }
    expect((await tokens.seal(claims, 0)).sessionToken.length).to.equal((await tokens.seal(claims)).sessionToken.length)
  })

  it('are refused when they would be larger', async () => {
    const { message } = await refused(tokens.seal(claimsOf(payloadBytesMax)), 'PackedPolicyTooLargeException')
    expect(message).to.match(/^Packed size of session tags and session policies consumes 1\d\d% of allotted space\.$/)
    // What packs well, but is too much to unpack for everybody who shows it.
    await refused(tokens.seal({ ...claims, policy: 'a'.repeat(300_000) }), 'PackedPolicyTooLargeException')
  })
})
