import { expect } from 'chai'
import type { AuditEvent } from '../../src/domain/audit-chain.js'
import { eventFor } from '../../src/domain/audit-view.js'
import { accessDenied, ciphertextDenied, foreignDenied } from '../../src/domain/policy/denial.js'

const [ours, theirs, third, operator] = ['111122223333', '444455556666', '777788889999', '000000000000']
const keyOf = (accountId: string, id = 'a') => `arn:aws:kms:eu-central-1:${accountId}:key/${id}`
const resourceOf = (accountId: string, id?: string) => ({ ARN: keyOf(accountId, id), type: 'AWS::KMS::Key', accountId })
const userOf = (accountId: string) => ({
  type: 'IAMUser', principalId: 'AIDAX', arn: `arn:aws:iam::${accountId}:user/x`, accountId, accessKeyId: 'CVAKX', userName: 'x',
})
const decisionOn = (accountId: string, of: object = {}) => ({
  action: 'kms:Decrypt', resource: keyOf(accountId), verdict: 'allow', by: 'resource policy',
  policy: 'key policy', statement: 'statement 1', and: 'an identity policy: statement 2', ...of,
})
const usedOf = (accountId: string) => ({ keyArn: keyOf(accountId), keyVersion: 3, keyMaterialId: 'b'.repeat(64) })

function event(of: Partial<AuditEvent> = {}): AuditEvent {
  return {
    eventVersion: '1.11', eventTime: '2026-01-31T12:00:00.000Z', eventSource: 'kms.amazonaws.com', eventName: 'Decrypt',
    eventType: 'AwsApiCall', eventID: 'e', requestID: 'r', sourceIPAddress: '192.0.2.1', userAgent: 'u', userIdentity: userOf(ours),
    readOnly: true, requestParameters: { keyId: keyOf(ours), encryptionContext: { a: 'b' } }, responseElements: null,
    resources: [resourceOf(ours)],
    additionalEventData: { keyVersions: [usedOf(ours)], authorization: [decisionOn(ours)], recipient: { module: 'm' } },
    ...of,
  }
}

const asSeenBy = (accountId: string, of: AuditEvent) => eventFor(of, { accountId, isOperator: accountId === operator })
/** As JSON has it: what is undefined is not there. */
const plain = (of: AuditEvent | undefined) => of && JSON.parse(JSON.stringify(of)) as unknown

describe('an event of the audit log', () => {
  it('is seen whole by the account of the installation, whoever it is about', () => {
    for (const each of [event(), event({ userIdentity: userOf(theirs) }), event({ userIdentity: undefined, resources: undefined })]) {
      expect(asSeenBy(operator, each)).to.equal(each)
    }
  })

  it('is seen whole by an account whose caller and whose key it is about', () => {
    expect(plain(asSeenBy(ours, event()))).to.deep.equal(plain(event()))
    const failed = event({ errorCode: 'AccessDeniedException', errorMessage: 'User: x', additionalEventData: { authorization: [
      decisionOn(ours, { verdict: 'not allowed', by: 'identity policy' }),
    ] } })
    expect(plain(asSeenBy(ours, failed))).to.deep.equal(plain(failed))
    const keyless = event({ resources: undefined, additionalEventData: { authorization: [{ action: 'kms:CreateKey', verdict: 'allow' }] } })
    expect(plain(asSeenBy(ours, keyless))).to.deep.equal(plain(keyless))
  })

  it('is not seen by an account that had no part in it', () => {
    for (const each of [
      event(), event({ resources: [resourceOf(theirs)] }), event({ userIdentity: undefined, resources: undefined }),
      event({ userIdentity: undefined }),
    ]) expect(asSeenBy(third, each)).to.equal(undefined)
  })

  describe('about a key of another account, to the caller', () => {
    const used = event({
      requestParameters: { keyId: keyOf(theirs) }, resources: [resourceOf(theirs)],
      additionalEventData: { keyVersions: [usedOf(theirs)], authorization: [decisionOn(theirs)], recipient: { module: 'm' } },
    })

    it('names the key, but neither its policies nor its versions', () => {
      expect(plain(asSeenBy(ours, used))).to.deep.equal(plain({ ...used, additionalEventData: { recipient: { module: 'm' } } }))
    })

    it('names the key where the answer did, and else not', () => {
      const disabled = { ...used, errorCode: 'DisabledException', errorMessage: `${keyOf(theirs)} is disabled.` }
      expect(asSeenBy(ours, disabled)?.resources).to.deep.equal([resourceOf(theirs)])
      const internal = { ...used, errorCode: 'KMSInternalException', errorMessage: undefined }
      expect(asSeenBy(ours, internal)?.resources).to.equal(undefined)
    })

    for (const [what, denial, parameters] of [
      ['by its ARN', foreignDenied, { keyId: keyOf(theirs) }], ['by a ciphertext', ciphertextDenied, null],
    ] as const) {
      it(`does not tell whether a key exists that was named ${what} and not allowed`, () => {
        const refused = {
          requestParameters: parameters, errorCode: 'AccessDeniedException', errorMessage: denial(userOf(ours), 'kms:Decrypt').message,
        }
        const there = event({ ...refused, resources: [resourceOf(theirs)], additionalEventData: {
          authorization: [decisionOn(theirs, { verdict: 'deny' })],
        } })
        const missing = event({ ...refused, resources: undefined, additionalEventData: {
          authorization: [{ action: 'kms:Decrypt', verdict: 'not allowed', by: 'resource policy' }],
        } })
        expect(plain(asSeenBy(ours, there))).to.deep.equal(plain(asSeenBy(ours, missing)))
        expect(JSON.stringify(asSeenBy(ours, there)).includes('deny"')).to.equal(false)
      })
    }

    it('tells no more of a second key that may not exist', () => {
      const refused = {
        eventName: 'ReEncrypt', requestParameters: { destinationKeyId: keyOf(theirs) }, errorCode: 'AccessDeniedException',
        errorMessage: foreignDenied(userOf(ours), 'kms:ReEncryptTo').message,
      }
      const there = event({ ...refused, resources: [resourceOf(ours), resourceOf(theirs)], additionalEventData: {
        authorization: [decisionOn(ours), decisionOn(theirs, { verdict: 'deny' })],
      } })
      const missing = event({ ...refused, resources: [resourceOf(ours)], additionalEventData: {
        authorization: [{ action: 'kms:ReEncryptTo', verdict: 'not allowed', by: 'resource policy' }],
      } })
      expect(plain(asSeenBy(ours, there))).to.deep.equal(plain(asSeenBy(ours, missing)))
    })

    it('has what decided about the caller\'s own key', () => {
      const both = event({ resources: [resourceOf(ours), resourceOf(theirs)], additionalEventData: {
        keyVersions: [usedOf(ours), usedOf(theirs)], authorization: [decisionOn(ours), decisionOn(theirs)],
      } })
      expect(asSeenBy(ours, both)?.additionalEventData).to.deep.equal({ keyVersions: [usedOf(ours)], authorization: [decisionOn(ours)] })
    })
  })

  describe('about a caller of another account, to the owner of the key', () => {
    const used = event({ userIdentity: userOf(theirs) })

    it('names the account and not the user, and what decided in the key\'s own policies', () => {
      const { and: _, ...decision } = decisionOn(ours)
      expect(plain(asSeenBy(ours, used))).to.deep.equal(plain({
        ...used,
        userIdentity: { type: 'AWSAccount', principalId: 'AIDAX', accountId: theirs },
        additionalEventData: { keyVersions: [usedOf(ours)], authorization: [decision] },
      }))
    })

    it('does not tell by which of the caller\'s policies it was refused, nor the text that names the caller', () => {
      const decision = decisionOn(ours, { verdict: 'deny', by: 'identity policy', policy: 'theirs', and: undefined })
      const refused = event({
        userIdentity: userOf(theirs), additionalEventData: { authorization: [decision] },
        errorCode: 'AccessDeniedException', errorMessage: foreignDenied(userOf(theirs), 'kms:Decrypt').message,
      })
      const seen = asSeenBy(ours, refused)
      expect(seen).to.include({ errorCode: 'AccessDeniedException', errorMessage: undefined })
      const told = { action: 'kms:Decrypt', resource: keyOf(ours), verdict: 'not allowed' }
      expect(seen?.additionalEventData).to.deep.equal({ authorization: [told] })
      expect(JSON.stringify(seen)).to.not.match(/user\/x|theirs|CVAKX/)
    })

    it('tells which grant allowed it', () => {
      const granted = event({ userIdentity: userOf(theirs), additionalEventData: { authorization: [
        { action: 'kms:Decrypt', resource: keyOf(ours), verdict: 'allow', by: 'grant', policy: 'a-grant' },
      ] } })
      expect(asSeenBy(ours, granted)?.additionalEventData).to.deep.equal(granted.additionalEventData)
    })

    it('keeps to itself what the call had to do with a third account', () => {
      const parameters = {
        sourceKeyId: keyOf(third), destinationKeyId: keyOf(ours), sourceEncryptionContext: { s: '1' },
        destinationEncryptionContext: { d: '1' }, sourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT', dryRun: false,
      }
      const reEncrypted = event({
        userIdentity: userOf(theirs), eventName: 'ReEncrypt', requestParameters: parameters,
        resources: [resourceOf(third), resourceOf(ours)],
        additionalEventData: { keyVersions: [usedOf(third), usedOf(ours)], authorization: [decisionOn(third), decisionOn(ours)] },
      })
      const seen = asSeenBy(ours, reEncrypted)
      expect(seen?.resources).to.deep.equal([resourceOf(ours)])
      expect(seen?.requestParameters).to.deep.equal({
        destinationKeyId: keyOf(ours), destinationEncryptionContext: { d: '1' }, dryRun: false,
      })
      expect(JSON.stringify(seen)).to.not.include(third)
      const { sourceKeyId: _, ...unnamed } = parameters
      const other = asSeenBy(third, { ...reEncrypted, requestParameters: unnamed })
      expect(other?.requestParameters).to.deep.equal({
        sourceEncryptionContext: { s: '1' }, sourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT', dryRun: false,
      })
      expect(JSON.stringify(other)).to.not.include(ours)
    })

    it('does not repeat names that only the caller\'s account knows', () => {
      const named = event({ userIdentity: userOf(theirs), requestParameters: { keyId: 'alias/secret-project' } })
      expect(JSON.stringify(asSeenBy(ours, named))).to.not.include('secret-project')
      const byId = event({ userIdentity: userOf(theirs), requestParameters: { keyId: 'a' } })
      expect(asSeenBy(ours, byId)?.requestParameters).to.deep.equal({ keyId: 'a' })
    })

    it('is seen of a service by its name', () => {
      const service = event({ userIdentity: { type: 'AWSService', principalId: 's3.example.com', invokedBy: 's3.example.com' } })
      expect(asSeenBy(ours, service)?.userIdentity).to.deep.equal(service.userIdentity)
    })
  })

  describe('that no caller had part in', () => {
    const rotated = event({ userIdentity: undefined, eventType: 'ClavigerServiceEvent', additionalEventData: { cause: 'schedule' } })

    it('is seen by the owner of its key', () => {
      expect(asSeenBy(ours, rotated)).to.equal(rotated)
      expect(asSeenBy(theirs, rotated)).to.equal(undefined)
    })

    it('is seen by the account that it says it is about, and by no other', () => {
      const expired = { ...rotated, additionalEventData: { accountId: theirs, requestedBy: userOf(theirs).arn } }
      expect(asSeenBy(theirs, expired)).to.equal(expired)
      expect(asSeenBy(ours, expired)).to.equal(undefined)
    })
  })

  it('says in its own account why it was refused', () => {
    const { message } = accessDenied(userOf(ours), 'kms:Decrypt', keyOf(ours), { verdict: 'no', by: 'identity policy' })
    const refused = event({ errorCode: 'AccessDeniedException', errorMessage: message })
    expect(asSeenBy(ours, refused)?.additionalEventData).to.have.property('authorization')
  })
})
