import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { encode } from 'cborg'
import { expect } from 'chai'
import { certificatesIn, nitroAttestation } from '../../../src/adapters/nitro/attestation.js'
import { AttestationError, attestationAgeMsMax } from '../../../src/domain/attestation.js'
import { derNull } from '../../../src/domain/der.js'
import {
  attestationDocument, enclaveKey, extension, makeCertificate, makeChain, moduleId, payloadOf, rootOf, type Authority, type Chain,
  type DocumentOptions,
} from '../../support/attestation.js'

const now = Date.UTC(2026, 5, 1, 12)
const minuteMs = 60_000
const dayMs = 86_400_000

describe('an attestation document', () => {
  const chain = makeChain(now)
  const { publicKey } = enclaveKey()
  const trusting = nitroAttestation([rootOf(chain)])
  const make = (options?: DocumentOptions, of = chain) => attestationDocument(of, now, publicKey, options)

  function refused(document: Uint8Array, at = now, attestation = trusting): string {
    try {
      attestation.verify(document, at)
    } catch (error) {
      if (error instanceof AttestationError) return error.message
      throw error
    }
    throw new Error('it was not refused')
  }

  it('is believed when all of it is right', () => {
    const { pcrs, ...document } = trusting.verify(make(), now)
    expect(document).to.deep.equal({ moduleId, timestamp: now, publicKey: new Uint8Array(publicKey) })
    expect([...pcrs.keys()]).to.deep.equal(Array.from({ length: 16 }, (_, index) => index))
    expect(Buffer.from(pcrs.get(5) ?? [])).to.deep.equal(Buffer.alloc(48, 5))
  })

  it('may be tagged as what it is', () => {
    expect(trusting.verify(make({ tagged: true }), now)).to.have.property('moduleId', moduleId)
  })

  it('may have a payload with an open end, as newer hypervisors write it', () => {
    const closed = payloadOf(chain, now, publicKey)
    const payload = Buffer.concat([Buffer.of(0xbf), closed.subarray(1), Buffer.of(0xff)])
    expect(trusting.verify(make({ payload }), now)).to.have.property('moduleId', moduleId)
    for (const wrong of [payload.subarray(0, -1), Buffer.concat([payload, Buffer.of(0xff)]), Buffer.concat([closed, Buffer.of(0xff)])]) {
      expect(refused(make({ payload: wrong }))).to.equal('it is not CBOR in its canonical form')
    }
  })

  it('may come without a public key, and with the data and the nonce of an enclave', () => {
    const members = { public_key: null, user_data: Buffer.alloc(512), nonce: Buffer.alloc(0) }
    expect(trusting.verify(make({ members }), now)).to.have.property('publicKey', undefined)
    expect(trusting.verify(make({ members: { public_key: undefined, nonce: undefined } }), now)).to.have.property('publicKey', undefined)
  })

  it('may be signed right under a root, or by one of several roots', () => {
    const short = makeChain(now, 0)
    const attestation = nitroAttestation([rootOf(chain), rootOf(short)])
    for (const of of [chain, short]) expect(attestation.verify(make({}, of), now)).to.have.property('moduleId', moduleId)
  })

  it('is believed for five minutes', () => {
    for (const ms of [attestationAgeMsMax, -attestationAgeMsMax]) expect(trusting.verify(make(), now + ms)).to.have.property('moduleId')
    expect(refused(make(), now + attestationAgeMsMax + 1)).to.equal('it has expired')
    expect(refused(make(), now - attestationAgeMsMax - 1)).to.equal('it is from the future')
  })

  describe('is refused when its signature', () => {
    const wrong = 'its signature is wrong'
    it('is by another key', () => expect(refused(make({ signedWith: makeCertificate(now).key }))).to.equal(wrong))
    it('is over another hash', () => expect(refused(make({ hash: 'sha256' }))).to.equal(wrong))
    it('is of a shorter curve', () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      expect(refused(make({ signedWith: privateKey }))).to.equal('the signature is missing or wrong')
    })
    it('has any bit changed, or anything that it covers has', () => {
      const good = make()
      for (const at of [-1, -48, -96, -97, -300, 30, 40, 200, 900]) {
        const bad = Buffer.from(good)
        const index = at < 0 ? good.length + at : at
        bad[index] = (bad[index] ?? 0) ^ 1
        expect(refused(bad), `byte ${at}`).to.be.a('string')
      }
    })
    it('names another algorithm', () => {
      for (const algorithm of [-7, -36, -8, 5]) {
        expect(refused(make({ protectedHeader: encode(new Map([[1, algorithm]])) })), String(algorithm)).to.contain('ES384')
      }
      expect(refused(make({ protectedHeader: encode(new Map([[1, -35], [2, 1]])) }))).to.contain('protected header')
    })
  })

  describe('is refused when its certificates', () => {
    const make2 = (authorities: readonly Authority[], signer: Authority): Chain => ({ authorities, signer })
    const [root, first, second] = chain.authorities as readonly [Authority, Authority, Authority]
    const reasons = (wrong: Chain, at = now) => refused(make({}, wrong), at)
    const authority = (options: object) => makeCertificate(now, { issuer: root, ...options })
    const signer = (issuer: Authority, options = {}) => makeCertificate(now, { issuer, ca: false, ...options })

    it('come from another root', () => expect(reasons(makeChain(now))).to.equal('its root certificate is not trusted'))
    it('come from a root of the same name', () => {
      const imitation = makeCertificate(now, { name: root.name })
      expect(reasons(make2([imitation], signer(imitation)))).to.equal('its root certificate is not trusted')
      expect(reasons(make2([root], signer(imitation)))).to.equal('its certificates do not form a chain')
    })
    it('are under no root at all', () => expect(refused(make(), now, nitroAttestation([]))).to.contain('not trusted'))
    it('do not follow each other', () => {
      const broken = 'its certificates do not form a chain'
      expect(reasons(make2([root, second], chain.signer))).to.equal(broken)
      expect(reasons(make2([root, first], chain.signer))).to.equal(broken)
      expect(reasons(make2([root, second, first], chain.signer))).to.equal(broken)
      expect(reasons(make2([first, second], chain.signer))).to.contain('not trusted')
    })
    it('are signed with SHA-1', () => {
      expect(reasons(make2([root], signer(root, { hash: 'sha1' })))).to.equal('its certificates do not form a chain')
    })
    it('are not valid any more, or not yet', () => {
      for (const times of [{ notAfter: now - minuteMs }, { notBefore: now + minuteMs }]) {
        const expired = authority(times)
        expect(reasons(make2([root, expired], signer(expired)))).to.equal('it has a certificate that is not valid now')
        expect(reasons(make2([root], signer(root, times)))).to.equal('it has a certificate that is not valid now')
      }
      const old = makeCertificate(now, { notAfter: now - dayMs, notBefore: now - 2 * dayMs })
      expect(refused(make({}, make2([old], signer(old))), now, nitroAttestation([old.certificate]))).to.contain('not valid now')
    })
    it('are of whom may not issue any', () => {
      for (const options of [{ ca: false, keyUsage: 0x04 }, { keyUsage: 0x80 }]) {
        const impostor = authority(options)
        expect(reasons(make2([root, impostor], signer(impostor))), JSON.stringify(options)).to.contain('no authority')
      }
    })
    it('are more than an authority allows', () => {
      const last = authority({ pathLength: 0 })
      expect(trusting.verify(make({}, make2([root, last], signer(last))), now)).to.have.property('moduleId')
      const below = makeCertificate(now, { issuer: last })
      expect(reasons(make2([root, last, below], signer(below)))).to.equal('its certificate chain is longer than it may be')
    })
    it('have a critical extension that nobody knows', () => {
      const odd = authority({ extensions: [extension('1.2.3.4', derNull())] })
      expect(reasons(make2([root, odd], signer(odd)))).to.contain('cannot be read')
    })
    it('end in one that signs no documents', () => {
      for (const options of [{ ca: true }, { keyUsage: 0x04 }, { curve: 'P-256' }]) {
        const of = makeCertificate(now, { issuer: root, ca: false, ...options } as object)
        const document = make({ signedWith: chain.signer.key }, make2([root], of))
        expect(refused(document), JSON.stringify(options)).to.contain('not one that signs')
      }
    })
    it('are not certificates, or are followed by something', () => {
      for (const certificate of [Buffer.from('nothing'), Buffer.concat([chain.signer.certificate.raw, Buffer.of(0)])]) {
        expect(refused(make({ members: { certificate } }))).to.equal('it has a certificate that cannot be read')
      }
    })
  })

  describe('is refused for its form when', () => {
    const raw = Buffer.from('a10100', 'hex')
    const forms: Readonly<Record<string, Uint8Array>> = {
      'it is empty': Buffer.alloc(0),
      'bytes follow it': Buffer.concat([make(), Buffer.of(0)]),
      'it is cut short': make().subarray(0, -1),
      'it is another thing': encode({ a: 1 }),
      'it has five parts': encode([1, 2, 3, 4, 5]),
      'it is tagged as another thing': Buffer.concat([Buffer.of(0xd1), make()]),
      'it is tagged twice': Buffer.concat([Buffer.of(0xd2, 0xd2), make()]),
      'its unprotected header holds something': make({ unprotectedHeader: new Map([[1, -35]]) }),
      'it is of indefinite length': Buffer.concat([Buffer.of(0x9f), make().subarray(1), Buffer.of(0xff)]),
      'it is nested without end': Buffer.alloc(16_000, 0x81),
      'it promises more than it has': Buffer.from('9bffffffffffffffff', 'hex'),
      'it is too long': Buffer.alloc(262_144, 0x81),
      'its payload is empty': make({ payload: Buffer.alloc(0) }),
      'its payload is no map': make({ payload: encode([1]) }),
      'its payload is not in its shortest form': make({ payload: Buffer.from('b80100f6', 'hex') }),
      'its payload has a member twice': make({ payload: Buffer.concat([Buffer.of(0xa2), raw.subarray(1), raw.subarray(1)]) }),
      'bytes follow its payload': make({ payload: Buffer.concat([payloadOf(chain, now, publicKey), Buffer.of(0xf6)]) }),
    }
    for (const [name, document] of Object.entries(forms)) it(name, () => expect(refused(document)).to.be.a('string'))

    const members: readonly Readonly<Record<string, unknown>>[] = [
      { extra: 1 }, { module_id: undefined }, { module_id: '' }, { module_id: 'a'.repeat(257) }, { module_id: 1 }, { digest: 'SHA256' },
      { digest: undefined }, { timestamp: 0 }, { timestamp: -1 }, { timestamp: now + 0.5 }, { timestamp: String(now) },
      { timestamp: 2n ** 60n },
      { pcrs: undefined }, { pcrs: new Map() }, { pcrs: [] }, { pcrs: new Map([[32, Buffer.alloc(48)]]) },
      { pcrs: new Map([[-1, Buffer.alloc(48)]]) }, { pcrs: new Map([['0', Buffer.alloc(48)]]) }, { pcrs: new Map([[0, Buffer.alloc(47)]]) },
      { pcrs: new Map([[0, 'a'.repeat(48)]]) }, { pcrs: new Map(Array.from({ length: 33 }, (_, at) => [at, Buffer.alloc(48)])) },
      { certificate: undefined }, { certificate: null }, { certificate: 'text' }, { certificate: Buffer.alloc(1025) },
      { cabundle: undefined }, { cabundle: [] }, { cabundle: [Buffer.alloc(0)] },
      { cabundle: Array.from({ length: 9 }, () => Buffer.alloc(1)) },
      { public_key: Buffer.alloc(0) }, { public_key: Buffer.alloc(1025) }, { public_key: 'text' }, { user_data: Buffer.alloc(1025) },
      { nonce: 1 }, { nonce: Buffer.alloc(1025) },
    ]
    for (const [at, wrong] of members.entries()) {
      const [[name = '', value] = []] = Object.entries(wrong)
      it(`${name} is wrong: ${inspect(value, { breakLength: Infinity }).slice(0, 40)} (${at})`, () => {
        expect(refused(make({ members: wrong }))).to.match(/member|missing|wrong|digest|canonical/)
      })
    }
  })

  it('is refused, and nothing breaks, whatever a bit in it becomes', () => {
    const good = make()
    for (let round = 0; round < 400; round++) {
      const bad = Buffer.from(good)
      const at = (round * 7919) % bad.length
      bad[at] = (bad[at] ?? 0) ^ (1 << (round % 8))
      expect(refused(bad), `byte ${at}`).to.be.a('string')
    }
  }).timeout(60_000)
})

describe('a PEM file of roots', () => {
  it('may hold several', () => {
    const roots = [makeCertificate(now), makeCertificate(now)].map(({ certificate }) => certificate)
    const read = certificatesIn(roots.map(root => `# a root\n${root.toString()}`).join('\n'))
    expect(read.map(({ fingerprint256 }) => fingerprint256)).to.deep.equal(roots.map(({ fingerprint256 }) => fingerprint256))
  })

  it('must hold one', () => expect(() => certificatesIn('nothing')).to.throw('no certificate'))
})
