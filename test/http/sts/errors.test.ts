import * as sdk from '@aws-sdk/client-sts'
import { expect } from 'chai'
import { stsContracts } from '../../../src/api/sts.js'
import { stsErrors } from '../../../src/http/sts/errors.js'

/** The exceptions of the API as the SDK models them: code and status of the Query protocol. */
const modelled = Object.values(sdk as unknown as Readonly<Record<string, unknown>>).flatMap(value => {
  const [, , name, traits] = Array.isArray(value) ? value as readonly unknown[] : []
  const { awsQueryError: of } = (typeof traits === 'object' ? traits ?? {} : {}) as { awsQueryError?: readonly [string, number] }
  return of ? [{ name: String(name), code: of[0], status: of[1] }] : []
})
/** Of operations that there are not. */
const unused =
  /^(?:InvalidAuthorizationMessage|ExpiredTradeInToken|JWTPayloadSize|OutboundWebIdentity|SessionDurationEscalation|RegionDisabled)/
/** AWS has one name for the token of a session and that of an identity provider; they have different statuses. */
const names: Readonly<Record<string, string>> = { ExpiredTokenException: 'ExpiredIdentityTokenException' }

describe('the errors of STS', () => {
  it('number those of the SDK', () => expect(modelled).to.have.length(12))

  for (const { name, code, status } of modelled.filter(one => !unused.test(one.name))) {
    it(`${name} has the code and the status of the SDK`, () => {
      expect(stsErrors).to.have.property(names[name] ?? name).that.deep.equals({ code, status })
    })
  }

  it('that contracts list are all known', () => {
    const listed = [...stsContracts.values()].flatMap(({ errors }) => errors).filter(name => !unused.test(name))
    for (const name of listed) expect(stsErrors).to.have.property(name)
  })

  it('of a signature have their own codes', () => {
    const of = (code: keyof typeof stsErrors) => [stsErrors[code].code, stsErrors[code].status]
    expect(of('InvalidSignatureException')).to.deep.equal(['SignatureDoesNotMatch', 403])
    expect(of('UnrecognizedClientException')).to.deep.equal(['InvalidClientTokenId', 403])
    expect(of('ExpiredTokenException')).to.deep.equal(['ExpiredToken', 403])
    expect(of('MissingAuthenticationTokenException')).to.deep.equal(['MissingAuthenticationToken', 403])
    expect(of('IncompleteSignatureException')).to.deep.equal(['IncompleteSignature', 400])
  })

  it('that only other APIs have are a fault of ours', () => {
    for (const code of ['NotFoundException', 'InvalidCiphertextException', 'NoSuchEntityException'] as const) {
      expect(stsErrors[code]).to.deep.equal({ code: 'InternalFailure', status: 500 })
    }
  })
})
