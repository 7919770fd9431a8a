import { expect } from 'chai'
import { authenticate } from '../../src/http/authenticate.js'
import { signedHeaders, type SigningCredentials } from '../../src/http/sign.js'
import { accessKeyId, caller, credentials, refusalOf, secret } from './fixtures.js'

const now = Date.UTC(2026, 0, 1, 0, 15)
const deps = { credentials, regions: new Set(['us-east-1']), clock: { now: () => now } }

function requestSigned(of: Partial<SigningCredentials> = {}) {
  const body = Buffer.from('{"a":"ü"}')
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'ClavigerAdministration.Any' }
  const signed = signedHeaders({ host: 'localhost:8080', region: 'us-east-1', service: 'iam', headers, body, now },
    { accessKeyId, secretAccessKey: secret, ...of })
  return {
    requestId: '', sourceIp: '', secure: false, method: 'POST', target: '/', body,
    headers: new Map(Object.entries({ ...signed, 'host': 'localhost:8080', 'user-agent': 'node' })),
  }
}

describe('a request that our own commands sign', () => {
  it('is taken for what it is', async () => {
    expect(await authenticate(requestSigned(), 'iam', deps)).to.deep.equal({ caller, region: 'us-east-1' })
  })

  it('is refused when anything of it is another', async () => {
    const request = requestSigned()
    const others = [
      { ...request, body: Buffer.from('{}') }, { ...request, headers: new Map([...request.headers, ['x-amz-target', 'other']]) },
      { ...request, headers: new Map([...request.headers, ['host', 'other']]) },
    ]
    for (const other of others) expect((await refusalOf(() => authenticate(other, 'iam', deps)))[0]).to.equal('InvalidSignatureException')
    expect((await refusalOf(() => authenticate(requestSigned({ secretAccessKey: 'other' }), 'iam', deps)))[0])
      .to.equal('InvalidSignatureException')
  })

  it('has the token of a session, signed', () => {
    const { headers } = requestSigned({ sessionToken: 'token' })
    expect(headers.get('x-amz-security-token')).to.equal('token')
    expect(headers.get('authorization')).to.match(/SignedHeaders=[a-z0-9;-]*x-amz-security-token/)
  })
})
