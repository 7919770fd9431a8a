import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { MovedClock } from '../support/clock.js'
import { auditEvents, auditText } from './audit-records.js'
import { rawRequest } from './raw-request.js'
import { suite } from './suite.js'

const now = Date.UTC(2026, 4, 5, 12)

describe('the audit record of a call', () => {
  const clock = new MovedClock(now)
  const on = suite({ clock })
  const newest = () => auditEvents(on.server.dataDir).at(-1)

  it('is on disk before the answer, one for each call, with the request id of the answer', async () => {
    const { id } = await on.newKey()
    const before = auditEvents(on.server.dataDir).length
    const answers = [
      await on.call('DescribeKey', { KeyId: id }),
      await on.call('DescribeKey', { KeyId: 'alias/nobody' }),
      await on.call('DescribeKey', {}),
      await on.call('DescribeKey', '{'),
      await on.call('Sign', {}),
      await on.call('NoSuchOperation', {}),
      await rawRequest(on.server, { secretAccessKey: 'wrong' }),
      await rawRequest(on.server, { accessKeyId: 'unknown' }),
      await rawRequest(on.server, { tamper: sent => { delete sent.headers.authorization } }),
    ]
    expect(auditEvents(on.server.dataDir).slice(before).map(({ requestID, errorCode }) => [requestID, errorCode])).to.deep.equal(
      answers.map(({ headers, json }) => [headers['x-amzn-requestid'], json.__type]),
    )
  })

  it('names an operation that is not built, and never one that the API does not have', async () => {
    await on.call('CreateGrant', {})
    expect(newest()?.eventName).to.equal('CreateGrant')
    await on.call('NoSuchOperation', {})
    expect(newest()?.eventName).to.equal('Unknown')
  })

  it('says who, what, where and when, which key and which version', async () => {
    const { id, arn, materialId } = await on.newKey()
    const { accountId, region, accessKeyId } = on.server.admin
    const administrator = await on.server.services.store.identities.get(accountId, 'user', 'administrator')
    const answer = await rawRequest(on.server, {
      operation: 'GenerateDataKey', input: { KeyId: id, KeySpec: 'AES_256', EncryptionContext: { tenant: 'a' } },
      headers: { 'user-agent': 'a client/1.0' },
    })
    const { chain: _, seq: __, prev: ___, eventID, ...event }: Readonly<Record<string, unknown>> = newest() ?? {}
    expect(eventID).to.match(/^[0-9a-f-]{36}$/)
    expect(event).to.deep.equal({
      eventVersion: '1.11',
      eventTime: new Date(now).toISOString(),
      eventSource: 'kms.amazonaws.com',
      eventName: 'GenerateDataKey',
      eventType: 'AwsApiCall',
      requestID: answer.headers['x-amzn-requestid'],
      awsRegion: region,
      sourceIPAddress: '127.0.0.1',
      userAgent: 'a client/1.0',
      userIdentity: {
        type: 'IAMUser', principalId: administrator?.id, arn: `arn:aws:iam::${accountId}:user/administrator`, accountId, accessKeyId,
        userName: 'administrator',
      },
      readOnly: true,
      requestParameters: { keyId: id, keySpec: 'AES_256', encryptionContext: { tenant: 'a' } },
      responseElements: null,
      additionalEventData: {
        keyVersions: [{ keyArn: arn, keyVersion: 1, keyMaterialId: materialId }],
        authorization: [{
          action: 'kms:GenerateDataKey', resource: arn, verdict: 'allow', by: 'resource policy',
          policy: 'key policy', statement: 'statement 1 (Enable IAM User Permissions)',
          and: 'arn:aws:iam::aws:policy/AdministratorAccess: statement 1',
        }],
      },
      resources: [{ ARN: arn, type: 'AWS::KMS::Key', accountId }],
    })
  })

  it('of ReEncrypt names both keys and both versions', async () => {
    const [from, to] = [await on.newKey(), await on.newKey()]
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: from.id, Plaintext: Buffer.from('x') })
    await on.kms.reEncrypt({ CiphertextBlob, DestinationKeyId: to.id })
    const event = newest()
    expect((event?.resources as { ARN: string }[]).map(({ ARN }) => ARN)).to.deep.equal([from.arn, to.arn])
    expect(event?.additionalEventData).to.deep.include({
      keyVersions: [from, to].map(({ arn, materialId }) => ({ keyArn: arn, keyVersion: 1, keyMaterialId: materialId })),
    })
  })

  it('of CreateKey tells what was made', async () => {
    const { arn } = await on.newKey({ Description: 'told' })
    const event = newest()
    expect(event?.readOnly).to.equal(false)
    expect((event?.responseElements as { keyMetadata: { arn: string } }).keyMetadata.arn).to.equal(arn)
    expect(event?.requestParameters).to.include({ description: 'told' })
  })

  it('of a refusal has its code and text, and the caller where the signature was good', async () => {
    const { id, arn } = await on.newKey()
    await on.kms.disableKey({ KeyId: id })
    await on.call('Encrypt', { KeyId: id, Plaintext: 'eA==' })
    expect(newest()).to.include({ eventName: 'Encrypt', errorCode: 'DisabledException', errorMessage: `${arn} is disabled.` })
    expect((newest()?.userIdentity as { userName: string }).userName).to.equal('administrator')
    await rawRequest(on.server, { secretAccessKey: 'wrong' })
    expect(newest()).to.include({ errorCode: 'InvalidSignatureException' }).and.not.to.have.any.keys('userIdentity', 'resources')
  })

  it('of what the service does by itself names no caller', async () => {
    const { id, arn } = await on.newKey()
    await on.kms.scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: 7 })
    clock.advance(7 * 86_400_000)
    await on.server.jobs.deleteExpiredKeys.now()
    expect(newest()).to.include({ eventType: 'ClavigerServiceEvent', eventName: 'DeleteKey' }).and.not.to.have.any.keys('userIdentity')
    expect((newest()?.resources as { ARN: string }[])[0]?.ARN).to.equal(arn)
  })

  it('holds no plaintext, key bytes or secret, and neither does the application log', async () => {
    const { id } = await on.newKey()
    const plaintext = randomBytes(32)
    const { CiphertextBlob } = await on.kms.encrypt({ KeyId: id, Plaintext: plaintext })
    await on.kms.decrypt({ CiphertextBlob })
    const dataKey = await on.kms.generateDataKey({ KeyId: id, KeySpec: 'AES_256' })
    const random = await on.kms.generateRandom({ NumberOfBytes: 32 })
    await on.call('Encrypt', { KeyId: 1, Plaintext: plaintext.toString('base64') })
    await on.call('Encrypt', { KeyId: id, Plaintext: Buffer.concat(Array<Buffer>(200).fill(plaintext)).toString('base64') })
    const pin = readFileSync(join(on.server.dataDir, 'softhsm', 'pin'), 'utf8').trim()
    const secrets = [plaintext, dataKey.Plaintext, random.Plaintext].flatMap(bytes => {
      const buffer = Buffer.from(bytes ?? [])
      return [buffer.toString('base64').slice(0, 40), buffer.toString('hex'), [...buffer].join(',')]
    })
    const written = auditText(on.server.dataDir) + JSON.stringify(on.server.logged)
    expect(written).to.include('GenerateRandom')
    for (const secret of [...secrets, pin, on.server.admin.secretAccessKey]) {
      expect(secret).to.have.length.above(20)
      expect(written.includes(secret)).to.equal(false)
    }
  })
})

describe('health', () => {
  const clock = new MovedClock(now)
  const on = suite({ clock, settings: { audit: { segmentBytes: 65_536 } } })
  const get = async (path: string) => {
    const answer = await fetch(on.server.url + path)
    return { status: answer.status, body: await answer.json() }
  }

  it('/livez and /readyz answer without a signature, and say what was checked', async () => {
    expect(await get('/livez')).to.deep.equal({ status: 200, body: { ok: true } })
    expect(await get('/readyz')).to.deep.equal({ status: 200, body: { ok: true, checks: { hsm: 'ok', store: 'ok', audit: 'ok' } } })
  })

  it('is not audited', async () => {
    const before = auditEvents(on.server.dataDir).length
    await get('/readyz')
    expect(auditEvents(on.server.dataDir)).to.have.length(before)
  })

  it('turns red, and no call is answered any more, once the audit log cannot be written', async () => {
    const { id } = await on.newKey()
    const audit = join(on.server.dataDir, 'audit')
    rmSync(audit, { recursive: true })
    writeFileSync(audit, 'in the way')
    // The open segment still takes what fits into it; the next one cannot be begun.
    const Description = 'x'.repeat(8192)
    for (let at = 0; at < 20; at++) await on.call('UpdateKeyDescription', { KeyId: id, Description })
    const refused = await on.call('GenerateDataKey', { KeyId: id, KeySpec: 'AES_256' })
    expect([refused.status, refused.json]).to.deep.equal([500, { __type: 'KMSInternalException' }])
    await readinessForgotten()
    expect(await get('/readyz')).to.deep.equal({
      status: 503, body: { ok: false, checks: { hsm: 'ok', store: 'ok', audit: 'failed' } },
    })
    expect((await get('/livez')).status).to.equal(200)
  })
})

/** Answers of /readyz are shared for a second (http/health.ts). */
function readinessForgotten(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 1_050))
}
