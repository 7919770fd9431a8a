import { expect } from 'chai'
import {
  claimKeys, issuerNamed, providerArn, tokenCharactersMax, webIdentityOf, type TrustedIssuer,
} from '../../src/domain/web-identity.js'
import { encoded } from '../support/identity-provider.js'
import { refused } from '../support/refusal.js'

const issuer: TrustedIssuer = { issuer: 'https://idp.example/realm', audiences: ['claviger', 'other'], algorithms: ['RS256'] }
const now = Date.UTC(2026, 0, 1)
const seconds = now / 1000
const claims = { iss: issuer.issuer, aud: 'claviger', sub: 'someone', iat: seconds, exp: seconds + 300 }

type Claims = Readonly<Record<string, unknown>>

const of = (payload: Claims | string, at = now) =>
  webIdentityOf(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)), issuer, at)
const tokenOf = (header: Claims | string, payload: Claims | string) => `${encoded(header)}.${encoded(payload)}.c2ln`
const header = { alg: 'RS256', kid: 'one' }

describe('the issuer that a token names', () => {
  it('is read before anything is believed', () => {
    expect(issuerNamed(tokenOf(header, claims))).to.equal(issuer.issuer)
  })

  const bad: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['an access token that is no JWT', 'ya29.a0Af'],
    ['two parts', `${encoded(header)}.${encoded(claims)}`],
    ['five parts, as an encrypted token has', `${tokenOf(header, claims)}.x.y`],
    ['no signature', `${encoded(header)}.${encoded(claims)}.`],
    ['padding', `${encoded(header)}.${encoded(claims)}=.c2ln`],
    ['standard base64', `${encoded(header)}.ab+/.c2ln`],
    ['white space', `${tokenOf(header, claims)}\n`],
    ['claims that are no JSON', tokenOf(header, '{')],
    ['claims that are a list', tokenOf(header, '[]')],
    ['claims that are null', tokenOf(header, 'null')],
    ['claims that are not UTF-8', `${encoded(header)}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.c2ln`],
    ['a header that is no JSON', tokenOf('x', claims)],
    ['a header that names an algorithm twice', tokenOf('{"alg":"none","alg":"RS256"}', claims)],
    ['a header with an extension that must be understood', tokenOf({ ...header, crit: ['b64'], b64: false }, claims)],
    ['claims twice', tokenOf(header, `{"iss":"${issuer.issuer}","sub":"a","sub":"b"}`)],
    ['claims that differ in nothing but case', tokenOf(header, `{"iss":"${issuer.issuer}","sub":"a","SUB":"b"}`)],
    ['claims nested without end', tokenOf(header, `{"iss":"${issuer.issuer}","a":${'['.repeat(40)}${']'.repeat(40)}}`)],
    ['too many characters', tokenOf(header, { ...claims, filling: 'x'.repeat(tokenCharactersMax) })],
  ]
  for (const [what, token] of bad) {
    it(`is not looked for in ${what}`, async () => {
      await refused(() => issuerNamed(token), 'InvalidIdentityTokenException')
    })
  }

  it('must be there, as a text', async () => {
    for (const iss of [undefined, 1, ['https://idp.example/realm']]) {
      const { message } = await refused(() => issuerNamed(tokenOf(header, { ...claims, iss })), 'InvalidIdentityTokenException')
      expect(message).to.equal('Missing a required claim: iss')
    }
  })
})

describe('the claims of a token', () => {
  it('say who it is', () => {
    const identity = of({ ...claims, email: 'a@b.example' })
    expect(identity).to.deep.include({
      issuer: issuer.issuer, subject: 'someone', audiences: ['claviger'], issuedAt: now, expiresAt: now + 300_000,
    })
    expect(identity.claims.get('email')).to.equal('a@b.example')
  })

  it('of another issuer are refused, however near it is', async () => {
    for (const iss of ['https://idp.example/realm/', 'https://idp.example/Realm', 'http://idp.example/realm', 'https://idp.example',
      'https://idp.example/realm2', ' https://idp.example/realm', 'https://idp.example:443/realm']) {
      const { message } = await refused(() => of({ ...claims, iss }), 'InvalidIdentityTokenException')
      expect(message).to.equal(`No OpenIDConnect provider found in your account for ${iss}`)
    }
  })

  it('must be for one of our audiences', async () => {
    for (const aud of ['claviger ', 'Claviger', '', 'claviger,other', 1, null, {}, [], [['claviger']]]) {
      const { message } = await refused(() => of({ ...claims, aud }), 'InvalidIdentityTokenException')
      expect(message).to.equal('Incorrect token audience')
    }
  })

  it('must be for nobody else: of a list each must be ours', async () => {
    expect(of({ ...claims, aud: ['other', 'claviger'] }).audiences).to.deep.equal(['other', 'claviger'])
    await refused(() => of({ ...claims, aud: ['claviger', 'stranger'] }), 'InvalidIdentityTokenException')
    await refused(() => of({ ...claims, aud: ['claviger', 1] }), 'InvalidIdentityTokenException')
  })

  for (const name of ['sub', 'exp', 'aud']) {
    it(`must have ${name}`, async () => {
      const { message } = await refused(() => of({ ...claims, [name]: undefined }), 'InvalidIdentityTokenException')
      expect(message).to.equal(`Missing a required claim: ${name}`)
    })
  }

  it('must have a subject that is one', async () => {
    for (const sub of ['', 1, null, ['someone'], 'x'.repeat(513)]) await refused(() => of({ ...claims, sub }), 'IDPRejectedClaimException')
  })

  it('end to the second', async () => {
    expect(of(claims, now + 299_999)).to.have.property('subject')
    const { message } = await refused(() => of(claims, now + 300_000), 'ExpiredIdentityTokenException')
    expect(message).to.equal(`Token expired: current date/time ${seconds + 300} must be before the expiration date/time ${seconds + 300}`)
  })

  for (const name of ['nbf', 'iat']) {
    it(`may have a time in ${name} that is a minute ahead, and no more`, async () => {
      expect(of({ ...claims, [name]: seconds + 60 })).to.have.property('subject')
      await refused(() => of({ ...claims, [name]: seconds + 61 }), 'IDPRejectedClaimException')
      await refused(() => of({ ...claims, [name]: seconds + 10 ** 9 }), 'IDPRejectedClaimException')
    })
  }

  for (const name of ['exp', 'nbf', 'iat']) {
    it(`must have a time in ${name} that is one`, async () => {
      for (const time of [String(seconds + 60), null, true, 1e300, [seconds + 60]]) {
        await refused(() => of({ ...claims, [name]: time }), 'IDPRejectedClaimException')
      }
      // JSON has no limit to its numbers.
      const { [name as 'exp']: _, ...others } = claims
      await refused(() => of(JSON.stringify(others).replace('{', `{"${name}":1e999,`)), 'IDPRejectedClaimException')
    })
  }

  it('may leave out when it was issued', () => {
    expect(of({ ...claims, iat: undefined }).issuedAt).to.equal(now)
  })
})

describe('the condition keys of a token', () => {
  it('are its claims behind the name of the provider, in small letters', () => {
    const keys = claimKeys(of({ ...claims, aud: ['other', 'claviger'], azp: 'App', amr: ['pwd', 'otp'], email_verified: true, level: 3 }))
    expect(Object.fromEntries(keys)).to.deep.equal({
      'idp.example/realm:iss': issuer.issuer, 'idp.example/realm:aud': ['other', 'claviger'], 'idp.example/realm:sub': 'someone',
      'idp.example/realm:iat': String(seconds), 'idp.example/realm:exp': String(seconds + 300), 'idp.example/realm:azp': 'App',
      'idp.example/realm:amr': ['pwd', 'otp'], 'idp.example/realm:email_verified': 'true', 'idp.example/realm:level': '3',
    })
  })

  it('leave out what is no text and no list of texts', () => {
    const keys = claimKeys(of({ ...claims, nothing: null, object: { sub: 'x' }, mixed: ['a', {}] }))
    for (const name of ['nothing', 'object', 'mixed']) expect(keys.has(`idp.example/realm:${name}`)).to.equal(false)
  })

  it('leave out what could pass for the key of a provider on another port', () => {
    const keys = claimKeys(of({ ...claims, '8443/realm:sub': 'admin' }))
    expect([...keys.keys()].filter(key => key.includes('8443'))).to.deep.equal([])
  })

  it('take __proto__ and constructor for names like any other', () => {
    const keys = claimKeys(of(JSON.stringify(claims).replace('{', '{"__proto__":"a","constructor":"b",')))
    expect(keys.get('idp.example/realm:__proto__')).to.equal('a')
    expect(keys.get('idp.example/realm:constructor')).to.equal('b')
  })
})

describe('the name of a provider', () => {
  it('is the issuer without its scheme', () => {
    expect(providerArn('111122223333', 'https://idp.example:8443/realm')).to.equal(
      'arn:aws:iam::111122223333:oidc-provider/idp.example:8443/realm')
  })
})
