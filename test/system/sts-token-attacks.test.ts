import { expect } from 'chai'
import { createPublicKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { MovedClock } from '../support/clock.js'
import { encoded, jwt, jwtWithMac, keySet, newPair } from '../support/identity-provider.js'
import { newRole, trustingProvider, trustPolicy } from '../support/roles.js'
import { removeDirectory, temporaryDirectory } from '../support/server.js'
import { otherAccountId } from '../support/callers.js'
import { elementIn, stsRequest, unsigned, type StsAnswer } from './raw-sts.js'
import { suite } from './suite.js'

const now = Date.UTC(2026, 4, 5, 12)
const seconds = now / 1000
const idp = 'https://idp.example'
const otherIdp = 'https://other.example'
const [pair, attacker, others] = [newPair('RSA', 'one', { alg: 'RS256' }), newPair('RSA', 'attacker'), newPair('RSA', 'theirs')]
const directory = temporaryDirectory()
const fileOf = (name: string, content: string) => {
  writeFileSync(join(directory, name), content)
  return join(directory, name)
}

const claims = { iss: idp, aud: 'claviger', sub: 'job:1', iat: seconds, exp: seconds + 300 }
const without = (name: keyof typeof claims) => ({ ...claims, [name]: undefined })
const signed = (of: object | string) => jwt({ claims: of as Readonly<Record<string, unknown>> | string, by: pair })
const publicPem = String(createPublicKey(pair.privateKey).export({ format: 'pem', type: 'spki' }))

interface Reason { readonly text: string, readonly code?: string, readonly status?: number }

type Why = 'form' | 'signature' | 'key' | 'issuer' | 'audience' | 'missing' | 'claim' | 'expired' | 'size'

/** So that each is refused for what is wrong with it, and not for something else. */
const reasons: Readonly<Record<Why, Reason>> = {
  form: { text: 'is not a valid JWT' },
  signature: { text: 'The signature of the ID Token is not valid' },
  key: { text: 'Couldn\'t retrieve verification key' },
  issuer: { text: 'No OpenIDConnect provider found in your account for https://' },
  audience: { text: 'Incorrect token audience' },
  missing: { text: 'Missing a required claim: ' },
  claim: { text: 'cannot be accepted', code: 'IDPRejectedClaim', status: 403 },
  expired: { text: 'Token expired: ', code: 'ExpiredTokenException' },
  size: { text: 'Value at \'webIdentityToken\'', code: 'ValidationError' },
}

interface Attack { readonly what: string, readonly token: () => string, readonly why: Why }

describe('an attack with the token of an identity provider', () => {
  const clock = new MovedClock(now)
  const audiences = ['claviger', 'second']
  const on = suite({
    clock,
    settings: {
      sts: {
        issuers: {
          idp: { issuer: idp, jwksFile: fileOf('one', keySet(pair)), audiences },
          other: { issuer: otherIdp, jwksFile: fileOf('other', keySet(others)), audiences, accounts: [otherAccountId] },
        },
      },
    },
  })
  /** Where an attacker has a key set of its own. */
  let bait: http.Server
  let asked = 0
  let roleArn: string

  before(async () => {
    bait = http.createServer((_request, response) => {
      asked++
      response.end(keySet(attacker))
    })
    await new Promise<void>(resolve => bait.listen(0, '127.0.0.1', resolve))
    const { services, admin: { accountId } } = on.server
    const providers = [idp, otherIdp].map(issuer => `arn:aws:iam::${accountId}:oidc-provider/${issuer.slice('https://'.length)}`)
    roleArn = await newRole(services, 'worker', {
      accountId, trustPolicy: trustPolicy(...providers.map(arn => trustingProvider(arn))),
    })
  })
  after(() => {
    bait.close()
    removeDirectory(directory)
  })

  const assume = (WebIdentityToken: string): Promise<StsAnswer> => stsRequest(on.server, {
    Action: 'AssumeRoleWithWebIdentity', RoleArn: roleArn, RoleSessionName: 'me', WebIdentityToken,
  }, { tamper: unsigned })
  const baitUrl = () => `http://127.0.0.1:${(bait.address() as AddressInfo).port}/`
  const byAttacker = (header: object) =>
    jwt({ claims, header: { alg: 'RS256', ...header }, by: attacker })

  it('is none: the genuine token is taken', async () => {
    const { raw, status } = await assume(signed(claims))
    expect(status).to.equal(200)
    expect(elementIn(raw.body, 'SubjectFromWebIdentityToken')).to.equal('job:1')
  })

  const attacks: readonly Attack[] = [
    { what: 'alg none', token: () => `${encoded({ alg: 'none', kid: 'one' })}.${encoded(claims)}.`, why: 'form' },
    { what: 'alg none behind a genuine signature', why: 'signature', token: () => {
      const [, payload = '', signature = ''] = signed(claims).split('.')
      return `${encoded({ alg: 'none' })}.${payload}.${signature}`
    } },
    { what: 'HS256 with the public key, as PEM, for a secret', token: () => jwtWithMac(claims, publicPem, 'one'), why: 'signature' },
    {
      what: 'HS256 with the modulus for a secret', why: 'signature',
      token: () => jwtWithMac(claims, Buffer.from(String(pair.jwk.n), 'base64url'), 'one'),
    },
    { what: 'HS256 with no secret', token: () => jwtWithMac(claims, '', 'one'), why: 'signature' },
    { what: 'the key of RS256 with PS256', token: () => jwt({ claims, algorithm: 'PS256', by: pair }), why: 'key' },
    { what: 'the key of RS256 with RS512', token: () => jwt({ claims, algorithm: 'RS512', by: pair }), why: 'key' },
    { what: 'a key of its own under the name of ours', token: () => byAttacker({ kid: 'one' }), why: 'signature' },
    { what: 'a key of its own in the header (jwk)', token: () => byAttacker({ kid: 'one', jwk: attacker.jwk }), why: 'signature' },
    { what: 'a key of its own at an address (jku)', token: () => byAttacker({ kid: 'attacker', jku: baitUrl() }), why: 'key' },
    { what: 'a certificate of its own at an address (x5u)', token: () => byAttacker({ kid: 'attacker', x5u: baitUrl() }), why: 'key' },
    { what: 'a certificate of its own in the header (x5c)', token: () => byAttacker({ kid: 'attacker', x5c: ['AA=='] }), why: 'key' },
    { what: 'a name of a key that is a path', token: () => byAttacker({ kid: '../../../../dev/null' }), why: 'key' },
    { what: 'a name of a key that is a property of every object', token: () => byAttacker({ kid: '__proto__' }), why: 'key' },
    { what: 'the key of another issuer', token: () => jwt({ claims, by: others }), why: 'key' },
    {
      what: 'the key of another issuer under the name of ours', why: 'signature',
      token: () => jwt({ claims, by: { ...others, kid: 'one' } }),
    },
    { what: 'a header that must be understood (crit)', why: 'form',
      token: () => jwt({ claims, by: pair, header: { alg: 'RS256', kid: 'one', crit: ['b64'], b64: false } }) },
    { what: 'an algorithm twice', why: 'form',
      token: () => jwt({ claims, by: pair, header: '{"alg":"none","kid":"one","alg":"RS256"}' }) },
    { what: 'another issuer', token: () => signed({ ...claims, iss: 'https://evil.example' }), why: 'issuer' },
    { what: 'an issuer that looks like ours', token: () => signed({ ...claims, iss: `${idp}/` }), why: 'issuer' },
    { what: 'an issuer with ours before it', token: () => signed({ ...claims, iss: `${idp}.evil.example` }), why: 'issuer' },
    { what: 'two issuers', token: () => signed({ ...claims, iss: [idp, 'https://evil.example'] }), why: 'missing' },
    { what: 'no issuer', token: () => signed(without('iss')), why: 'missing' },
    {
      what: 'an issuer that only another account may trust', why: 'issuer',
      token: () => jwt({ claims: { ...claims, iss: otherIdp }, by: others }),
    },
    { what: 'another audience', token: () => signed({ ...claims, aud: 'somebody' }), why: 'audience' },
    { what: 'no audience', token: () => signed(without('aud')), why: 'missing' },
    { what: 'a list of audiences with a stranger', token: () => signed({ ...claims, aud: ['claviger', 'somebody'] }), why: 'audience' },
    { what: 'a list of no audiences', token: () => signed({ ...claims, aud: [] }), why: 'audience' },
    { what: 'an audience that is an object', token: () => signed({ ...claims, aud: { claviger: true } }), why: 'audience' },
    { what: 'no end', token: () => signed(without('exp')), why: 'missing' },
    {
      what: 'an end that is a text', why: 'claim',
      token: () => signed({ ...claims, exp: String(seconds + 300) }),
    },
    {
      what: 'an end that never comes', why: 'claim',
      token: () => signed(JSON.stringify(claims).replace(`${seconds + 300}`, '1e999')),
    },
    { what: 'an end that was a second ago', token: () => signed({ ...claims, exp: seconds - 1 }), why: 'expired' },
    { what: 'an end that is now', token: () => signed({ ...claims, exp: seconds }), why: 'expired' },
    {
      what: 'a beginning that is to come (nbf)', why: 'claim',
      token: () => signed({ ...claims, nbf: seconds + 61 }),
    },
    {
      what: 'a day of issue in the far future (iat)', why: 'claim',
      token: () => signed({ ...claims, iat: seconds + 10 ** 8, exp: seconds + 10 ** 9 }),
    },
    { what: 'no subject', token: () => signed(without('sub')), why: 'missing' },
    { what: 'an empty subject', token: () => signed({ ...claims, sub: '' }), why: 'claim' },
    { what: 'two subjects', token: () => signed(JSON.stringify(claims).replace('{', '{"sub":"admin",')), why: 'form' },
    { what: 'a subject in other letters beside the one in small ones', token: () => signed({ ...claims, SUB: 'admin' }), why: 'form' },
    { what: 'claims that are not UTF-8', token: () => {
      const bytes = Buffer.concat([Buffer.from(JSON.stringify(claims).slice(0, -1)), Buffer.from(',"a":"\xff"}', 'latin1')])
      return `${encoded({ alg: 'RS256', kid: 'one' })}.${bytes.toString('base64url')}.c2ln`
    }, why: 'form' },
    {
      what: 'nesting without end', why: 'form',
      token: () => signed(JSON.stringify(claims).replace('{', `{"a":${'['.repeat(2_000)}${']'.repeat(2_000)},`)),
    },
    { what: 'more than 20,000 characters', token: () => signed({ ...claims, filling: 'x'.repeat(20_000) }), why: 'size' },
    { what: 'two tokens', token: () => `${signed(claims)},${signed(claims)}`, why: 'form' },
    { what: 'an encrypted token', token: () => `${encoded({ alg: 'RSA-OAEP', enc: 'A256GCM' })}.a.b.c.d`, why: 'form' },
    { what: 'a token in JSON form', token: () => JSON.stringify({ payload: encoded(claims), signatures: [] }), why: 'form' },
  ]
  for (const { what, token, why } of attacks) {
    it(`is refused: ${what}`, async () => {
      const answer = await assume(token())
      const { status = 400, code = 'InvalidIdentityToken', text } = reasons[why]
      expect(answer).to.include({ status, code })
      expect(answer.message).to.contain(text)
      expect(answer.raw.body).not.to.contain('SecretAccessKey')
    })
  }

  it('never makes the server ask anywhere', () => expect(asked).to.equal(0))
})
