import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { clientCertificate, type ClientCertificate } from '../../src/domain/client-certificate.js'
import { KmsError } from '../../src/domain/errors.js'
import { authenticate } from '../../src/http/authenticate.js'
import type { CertificateLookup, PresentedCertificate } from '../../src/http/client-certificate.js'
import type { HttpRequest } from '../../src/http/message.js'
import type { ServiceName } from '../../src/service/operation.js'
import { userCaller } from '../support/callers.js'
import { selfIssued } from '../support/pki.js'
import { caller as signer, credentials, refusalOf, signedRequest, withHeaders } from './fixtures.js'

const now = Date.UTC(2026, 0, 1, 0, 15)
const unknownToken = ['UnrecognizedClientException', 'The security token included in the request is invalid.']

describe('a request on a connection with a client certificate', () => {
  let certificate: ClientCertificate
  let refusals: string[]
  before(() => { certificate = clientCertificate(new X509Certificate(selfIssued().certificate)) })
  beforeEach(() => { refusals = [] })

  const holder = userCaller('holder')
  const certificates: CertificateLookup = {
    identify: async () => ({ caller: holder, region: 'eu-central-1' }),
    refuse: (_, why) => {
      refusals.push(why)
      throw new KmsError('UnrecognizedClientException', unknownToken[1])
    },
  }
  const deps = { credentials, certificates, regions: new Set(['us-east-1']), clock: { now: () => now } }

  const of = (request: HttpRequest, presented: Partial<PresentedCertificate> = {}): HttpRequest =>
    ({ ...request, certificate: { certificate, ...presented } })
  const unsigned = (changes: Readonly<Record<string, string | undefined>> = {}, presented: Partial<PresentedCertificate> = {}) =>
    of(withHeaders(signedRequest(now, 'ListKeys', '{}'), { 'authorization': undefined, 'x-amz-date': undefined, ...changes }), presented)
  const refused = (request: HttpRequest, using = deps) => refusalOf(() => authenticate(request, 'kms', using))

  it('is its owner\'s, of whichever service, when it is not signed', async () => {
    for (const service of ['kms', 'sts', 'iam'] as const satisfies readonly ServiceName[]) {
      expect(await authenticate(unsigned(), service, deps)).to.deep.equal({ caller: holder, region: 'eu-central-1' })
    }
  })

  it('is its signer\'s when it is signed', async () => {
    for (const presented of [{}, { distrust: 'CERT_REVOKED' }]) {
      expect((await authenticate(of(signedRequest(now, 'ListKeys', '{}'), presented), 'kms', deps)).caller).to.equal(signer)
    }
  })

  describe('is not its owner\'s', () => {
    const wrongSecret = () => of(signedRequest(now, 'ListKeys', '{}', { secret: 'x' }))
    for (const [how, request, code] of [
      ['when it is signed wrongly', wrongSecret, 'InvalidSignatureException'],
      ['when its signature is of an unknown key', () => of(signedRequest(now, 'ListKeys', '{}', { accessKeyId: 'x' })), unknownToken[0]],
      ['when its signature is stale', () => of(signedRequest(now - 3_600_000, 'ListKeys', '{}')), 'InvalidSignatureException'],
      ['with an Authorization header that is empty', () => unsigned({ authorization: '' }), 'IncompleteSignatureException'],
      ['with a Bearer token', () => unsigned({ authorization: 'Bearer x' }), 'IncompleteSignatureException'],
      ['with Basic authorization', () => unsigned({ authorization: 'Basic eDp5' }), 'IncompleteSignatureException'],
      ['with a session token and no signature', () => unsigned({ 'x-amz-security-token': 't' }), 'MissingAuthenticationTokenException'],
      ['with a signature in its query', () => ({ ...unsigned(), target: '/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0' }),
        'IncompleteSignatureException'],
      ['with a part of a signature in its query', () => ({ ...unsigned(), target: '/?a=b&x-amz-credential=c' }),
        'MissingAuthenticationTokenException'],
      ['with one in other letters', () => ({ ...unsigned(), target: '/?%58%2DAmz%2dSignature=0' }), 'MissingAuthenticationTokenException'],
    ] as const) {
      it(how, async () => {
        expect((await refused(request()))[0]).to.equal(code)
        expect(refusals).to.deep.equal([])
      })
    }

    it('when certificates let nobody in', async () => {
      const { certificates: _, ...without } = deps
      expect((await refused(unsigned(), without as typeof deps))[0]).to.equal('MissingAuthenticationTokenException')
    })

    it('when TLS does not vouch for it', async () => {
      expect(await refused(unsigned({}, { distrust: 'CERT_HAS_EXPIRED' }))).to.deep.equal(unknownToken)
      expect(refusals).to.deep.equal(['CERT_HAS_EXPIRED'])
    })

    it('when a page in a browser has made it: nobody need have been asked', async () => {
      for (const name of ['origin', 'sec-fetch-site']) expect(await refused(unsigned({ [name]: 'null' }))).to.deep.equal(unknownToken)
      expect(refusals).to.have.length(2)
    })
  })

  it('of a query without a signature is its owner\'s', async () => {
    expect((await authenticate({ ...unsigned(), target: '/?Action=GetCallerIdentity&y=x-amz-z' }, 'sts', deps)).caller).to.equal(holder)
  })

  it('has to be signed when there is no certificate', async () => {
    const { certificate: _, ...request } = unsigned()
    expect((await refused(request))[0]).to.equal('MissingAuthenticationTokenException')
  })
})
