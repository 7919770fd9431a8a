import { renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { identityProviders } from '../../../src/adapters/web-identity/identity-providers.js'
import { keptMs } from '../../../src/adapters/web-identity/issuer-keys.js'
import { keySetBytesMax } from '../../../src/adapters/web-identity/key-source.js'
import { signatureAlgorithms, type SignatureAlgorithm } from '../../../src/domain/web-identity.js'
import { MovedClock } from '../../support/clock.js'
import { encoded, jwt, jwtWithMac, keySet, newPair, type Pair } from '../../support/identity-provider.js'
import { RecordedLog } from '../../support/recorded.js'
import { refused } from '../../support/refusal.js'
import { removeDirectory, temporaryDirectory } from '../../support/server.js'

const name = 'https://idp.example'
const claims = { iss: name, sub: 'someone' }
const ofAlgorithm: Readonly<Record<SignatureAlgorithm, Parameters<typeof newPair>[0]>> = {
  RS256: 'RSA', RS384: 'RSA', RS512: 'RSA', PS256: 'RSA', PS384: 'RSA', PS512: 'RSA',
  ES256: 'P-256', ES384: 'P-384', ES512: 'P-521', EdDSA: 'Ed25519',
}

describe('an identity provider whose keys are in a file', () => {
  let directory: string
  let file: string
  let log: RecordedLog
  let clock: MovedClock

  beforeEach(() => {
    directory = temporaryDirectory()
    file = join(directory, 'jwks.json')
    log = new RecordedLog()
    clock = new MovedClock()
  })
  afterEach(() => removeDirectory(directory))

  /** Verifies with the keys that are in the file now. */
  function verifier(algorithms: readonly SignatureAlgorithm[] = signatureAlgorithms) {
    const providers = identityProviders([{ issuer: name, audiences: ['x'], algorithms, keys: { file } }], { clock, log })
    const issuer = providers.issuer(name)
    if (!issuer) throw new Error('the issuer is not there')
    return async (token: string) => Buffer.from(await providers.verifiedPayload(issuer, token)).toString()
  }

  const write = (...pairs: readonly Pick<Pair, 'jwk'>[]) => writeFileSync(file, keySet(...pairs))
  const noKey = 'Couldn\'t retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity '
    + 'documentation for requirements'

  it('is known by its issuer, to the letter', () => {
    const providers = identityProviders([{ issuer: name, audiences: ['x'], algorithms: ['RS256'], keys: { file } }], { clock, log })
    expect(providers.issuer(name)).to.deep.equal({ issuer: name, audiences: ['x'], algorithms: ['RS256'] })
    for (const other of [`${name}/`, name.toUpperCase(), '', '__proto__', 'constructor']) {
      expect(providers.issuer(other)).to.equal(undefined)
    }
  })

  for (const algorithm of signatureAlgorithms) {
    it(`signs with ${algorithm}`, async () => {
      const pair = newPair(ofAlgorithm[algorithm], 'one')
      write(pair)
      expect(JSON.parse(await verifier()(jwt({ claims, algorithm, by: pair })))).to.deep.equal(claims)
    })

    it(`is not believed with ${algorithm} when it may not use it, or the signature is another's`, async () => {
      const [pair, other] = [newPair(ofAlgorithm[algorithm], 'one'), newPair(ofAlgorithm[algorithm], 'one')]
      write(pair)
      const others = signatureAlgorithms.filter(one => one !== algorithm)
      await refused(verifier(others)(jwt({ claims, algorithm, by: pair })), 'InvalidIdentityTokenException')
      await refused(verifier()(jwt({ claims, algorithm, by: other })), 'InvalidIdentityTokenException')
    })
  }

  it('is not believed when a bit of what it signed is another', async () => {
    const pair = newPair('P-256', 'one')
    write(pair)
    const verify = verifier()
    const token = jwt({ claims, algorithm: 'ES256', by: pair })
    const [header = '', payload = '', signature = ''] = token.split('.')
    expect(await verify(token)).not.to.equal('')
    const other = [
      `${header}.${encoded({ ...claims, sub: 'somebody' })}.${signature}`,
      `${encoded({ alg: 'ES256', kid: 'one' })}.${payload}.${signature}`,
      `${header}.${payload}.${Buffer.from(signature, 'base64url').fill(1, 0, 1).toString('base64url')}`,
      `${header}.${payload}.${signature.slice(4)}`,
    ]
    for (const one of other) await refused(verify(one), 'InvalidIdentityTokenException')
  })

  it('is not believed without a signature: alg none, in any spelling', async () => {
    write(newPair('RSA', 'one'))
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
      const unsigned = `${encoded({ alg, kid: 'one' })}.${encoded(claims)}`
      for (const token of [`${unsigned}.`, `${unsigned}.eA`]) await refused(verifier()(token), 'InvalidIdentityTokenException')
    }
  })

  it('is not believed with a MAC that has its public key as secret', async () => {
    const pair = newPair('RSA', 'one')
    write(pair)
    const [pem, der] = [pair.publicKey.export({ format: 'pem', type: 'spki' }), pair.publicKey.export({ format: 'der', type: 'spki' })]
    for (const secret of [pem, String(pem).trim(), der, JSON.stringify(pair.jwk), String(pair.jwk.n)]) {
      await refused(verifier()(jwtWithMac(claims, secret, 'one')), 'InvalidIdentityTokenException')
    }
  })

  it('is not believed with a MAC, even with a symmetric key in its set', async () => {
    const secret = Buffer.alloc(32, 7)
    write({ jwk: { kty: 'oct', k: secret.toString('base64url'), kid: 'one', alg: 'HS256' } })
    await refused(verifier()(jwtWithMac(claims, secret, 'one')), 'InvalidIdentityTokenException')
  })

  it('is not believed with an algorithm that is not the one of the key', async () => {
    const pair = newPair('RSA', 'one', { alg: 'RS256' })
    write(pair)
    expect(await verifier()(jwt({ claims, algorithm: 'RS256', by: pair }))).not.to.equal('')
    for (const algorithm of ['RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const) {
      await refused(verifier()(jwt({ claims, algorithm, by: pair })), 'InvalidIdentityTokenException')
    }
  })

  it('is not believed with a key that is for encryption, or for another curve', async () => {
    const pair = newPair('RSA', 'one', { use: 'enc' })
    const curve = newPair('P-384', 'two')
    write(pair, curve)
    await refused(verifier()(jwt({ claims, by: pair })), 'InvalidIdentityTokenException')
    await refused(verifier()(jwt({ claims, algorithm: 'ES256', by: curve })), 'InvalidIdentityTokenException')
  })

  it('is not believed with a key of 1024 bits, and its operator is told', async () => {
    const pair = newPair('RSA-1024', 'one')
    write(pair)
    await refused(verifier()(jwt({ claims, by: pair })), 'InvalidIdentityTokenException')
    expect(log.entries.map(({ message }) => message)).to.deep.equal(['a key of an identity provider cannot be used'])
  })

  it('is not believed with a private key in its set, and its operator is told', async () => {
    const pair = newPair('P-256', 'one')
    write({ jwk: { ...pair.privateKey.export({ format: 'jwk' }), kid: 'one' } })
    await refused(verifier()(jwt({ claims, algorithm: 'ES256', by: pair })), 'InvalidIdentityTokenException')
    expect(log.entries).to.have.length(1)
    expect(JSON.stringify(log.entries)).not.to.contain(String(pair.privateKey.export({ format: 'jwk' }).d))
  })

  it('never takes a key, or the place of one, from the token: jwk, jku, x5u, x5c', async () => {
    const [pair, attacker] = [newPair('RSA', 'one'), newPair('RSA', 'attacker')]
    write(pair)
    const embedded = { jwk: attacker.jwk, jku: 'http://127.0.0.1:1/jwks.json', x5u: 'http://127.0.0.1:1/x5u', x5c: ['AA=='] }
    for (const kid of ['one', 'attacker', undefined]) {
      const header = { alg: 'RS256', ...kid !== undefined && { kid }, ...embedded }
      await refused(verifier()(jwt({ claims, header, by: attacker })), 'InvalidIdentityTokenException')
    }
    // They are ignored, not refused: the signature is good without them.
    expect(await verifier()(jwt({ claims, header: { alg: 'RS256', kid: 'one', ...embedded }, by: pair }))).not.to.equal('')
  })

  it('needs the name of a key where it has several, and none where it has one', async () => {
    const [one, two] = [newPair('RSA', 'one'), newPair('RSA', 'two')]
    write(one)
    expect(await verifier()(jwt({ claims, header: { alg: 'RS256' }, by: one }))).not.to.equal('')
    write(one, two)
    const { message } = await refused(verifier()(jwt({ claims, header: { alg: 'RS256' }, by: one })), 'InvalidIdentityTokenException')
    expect(message).to.equal(noKey)
  })

  it('is not believed with a key of another provider', async () => {
    const [own, theirs] = [newPair('RSA', 'one'), newPair('RSA', 'theirs')]
    write(own)
    const otherFile = join(directory, 'other.json')
    writeFileSync(otherFile, keySet(theirs))
    const common = { audiences: ['x'], algorithms: signatureAlgorithms }
    const issuers = [{ ...common, issuer: name, keys: { file } }, { ...common, issuer: 'https://other.example', keys: { file: otherFile } }]
    const providers = identityProviders(issuers, { clock, log })
    const [first, second] = issuers.map(({ issuer }) => providers.issuer(issuer))
    if (!first || !second) throw new Error('the issuers are not there')
    expect(await providers.verifiedPayload(second, jwt({ claims, by: theirs }))).to.have.property('length')
    const { message } = await refused(providers.verifiedPayload(first, jwt({ claims, by: theirs })), 'InvalidIdentityTokenException')
    expect(message).to.equal(noKey)
    await refused(providers.verifiedPayload(first, jwt({ claims, by: { ...theirs, kid: 'one' } })), 'InvalidIdentityTokenException')
  })

  it('has the keys of today: from the next token on when the file changes, also behind a link', async () => {
    const [old, young] = [newPair('P-256', 'old'), newPair('P-256', 'new')]
    const [first, second] = [join(directory, 'first'), join(directory, 'second')]
    writeFileSync(first, keySet(old))
    writeFileSync(second, keySet(young))
    symlinkSync(first, file)
    const verify = verifier()
    const token = (by: Pair) => jwt({ claims, algorithm: 'ES256', by })
    expect(await verify(token(old))).not.to.equal('')
    symlinkSync(second, `${file}.new`)
    renameSync(`${file}.new`, file)
    expect(await verify(token(young))).not.to.equal('')
    await refused(verify(token(old)), 'InvalidIdentityTokenException')
    unlinkSync(file)
    writeFileSync(file, keySet(old, young))
    expect(await verify(token(old))).not.to.equal('')
  })

  it('keeps its keys for a while when the file is gone or spoilt, says so, and takes the next that is good', async () => {
    const [old, young] = [newPair('P-256', 'old'), newPair('P-256', 'new')]
    write(old)
    const verify = verifier()
    const token = (by: Pair) => jwt({ claims, algorithm: 'ES256', by })
    expect(await verify(token(old))).not.to.equal('')
    for (const spoil of [() => rmSync(file), () => writeFileSync(file, '{'), () => writeFileSync(file, '{"keys":1}'),
      () => writeFileSync(file, keySet(young) + ' '.repeat(keySetBytesMax))]) {
      spoil()
      log.entries.length = 0
      expect(await verify(token(old))).not.to.equal('')
      expect(await verify(token(old))).not.to.equal('')
      expect(log.entries.map(({ message }) => message)).to.deep.equal(Array(2).fill('the keys of an identity provider cannot be read'))
    }
    clock.advance(keptMs - 1)
    expect(await verify(token(old))).not.to.equal('')
    clock.advance(1)
    await refused(verify(token(old)), 'IDPCommunicationErrorException')
    write(young)
    expect(await verify(token(young))).not.to.equal('')
  })

  it('cannot be asked when there never was a file', async () => {
    await refused(verifier()(jwt({ claims, by: newPair('RSA', 'one') })), 'IDPCommunicationErrorException')
  })
})
