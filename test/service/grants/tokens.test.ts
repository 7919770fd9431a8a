import { expect } from 'chai'
import { rootMaterial } from '../../../src/domain/material.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { grantOfToken, GrantTokens } from '../../../src/service/grants/tokens.js'
import { replacing } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { openTestHsm, region } from '../../support/services.js'

const grant = { region, keyId: '1234abcd-12ab-44cd-96ef-1234567890ab', grantId: '0123456789abcdef'.repeat(4) }

describe('grant token', () => {
  let hsm: Hsm
  let tokens: GrantTokens
  let token: string

  before(async () => {
    hsm = await openTestHsm()
    tokens = new GrantTokens(hsm, 1)
    token = await tokens.tokenOf(grant)
  })
  after(() => hsm.close())

  const invalid = (text: string) => refused(tokens.read([text]), 'InvalidGrantTokenException')
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(token, 'base64')
    change(bytes)
    return bytes.toString('base64')
  }

  it('names its grant', async () => {
    expect(await tokens.read([token])).to.deep.equal([grant])
    expect(grantOfToken(token)).to.deep.equal(grant)
  })

  it('of a grant on a multi-Region key names it, too', async () => {
    const other = { ...grant, keyId: `mrk-${'1234567890abcdef'.repeat(2)}` }
    expect(await tokens.read([await tokens.tokenOf(other)])).to.deep.equal([other])
  })

  it('fits the limit of the API', () => { expect(token.length).to.be.at.most(8192) })

  it('with any bit changed is none', async () => {
    const length = Buffer.from(token, 'base64').length
    for (let at = 0; at < length; at++) await invalid(changed(bytes => { bytes[at] = (bytes[at] ?? 0) ^ 1 }))
  })

  it('of any other length is none', async () => {
    const bytes = Buffer.from(token, 'base64')
    for (let end = 0; end < bytes.length; end++) await invalid(bytes.subarray(0, end).toString('base64'))
    await invalid(Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64'))
  })

  it('in another spelling of base64 is none', async () => {
    const unpadded = token.replace(/=*$/, '')
    for (const text of [`${token}=`, ` ${token}`, `${token}\n`, unpadded, unpadded.replaceAll('+', '-').replaceAll('/', '_'), '?']) {
      if (text !== token) await invalid(text)
    }
  })

  it('with a version of the root that is not yet is none, and the HSM is not asked', async () => {
    let asked = 0
    const counted = new GrantTokens(replacing(hsm, { mac: (...of) => { asked++; return hsm.mac(...of) } }), 1)
    for (const version of [0, 2, 0xffffffff]) {
      await refused(counted.read([changed(bytes => { bytes.writeUInt32BE(version, 1) })]), 'InvalidGrantTokenException')
    }
    expect(asked).to.equal(0)
  })

  it('has a MAC that root/mac gives nothing else', async () => {
    const bytes = Buffer.from(token, 'base64')
    const bare = await hsm.mac(rootMaterial('mac', 1), bytes.subarray(0, -32))
    await invalid(Buffer.concat([bytes.subarray(0, -32), bare]).toString('base64'))
  })

  it('is read with all that came with it: one that is none spoils the call', () =>
    refused(tokens.read([token, 'x']), 'InvalidGrantTokenException'))
})
