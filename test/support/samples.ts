import type { Members, Shape } from '../../src/api/shape.js'

/** Inputs that are right by their shapes, as they stand on the wire. */

/** Texts of which one fits every pattern of the API. */
const texts = [
  'a', 'A', '1', 'alias/sample', 'https://sample.example', '/kms/xks/v1', 'com.amazonaws.vpce.us-east-1.vpce-svc-0123456789',
  'cluster-2222222222a', 'arn:aws:iam::111122223333:root', 'service.example.com', 'us-east-1', '/',
  'kms:ListKeys',
]
/** What the shape alone does not tell. */
const members: Readonly<Record<string, unknown>> = {
  KeyId: '1234abcd-12ab-44cd-96ef-1234567890ab', TargetKeyId: '1234abcd-12ab-44cd-96ef-1234567890ab', AliasName: 'alias/sample',
  SourceKeyId: '1234abcd-12ab-44cd-96ef-1234567890ab', DestinationKeyId: '1234abcd-12ab-44cd-96ef-1234567890ab',
}
const policy = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::111122223333:root' }, Action: 'kms:*', Resource: '*' }],
}
/** Beside the required members: what an operation needs to get past the rules between its members. */
const more: Readonly<Record<string, object>> = {
  GenerateDataKey: { KeySpec: 'AES_256' }, GenerateDataKeyWithoutPlaintext: { KeySpec: 'AES_256' }, GenerateRandom: { NumberOfBytes: 16 },
  Decrypt: { CiphertextBlob: 'AQID', KeyId: members.KeyId }, ReEncrypt: { CiphertextBlob: 'AQID', SourceKeyId: members.KeyId },
  ImportKeyMaterial: { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' },
  CreateGrant: { GranteePrincipal: 'arn:aws:iam::111122223333:root', Operations: ['Decrypt'] },
  RetireGrant: { KeyId: `arn:aws:kms:us-east-1:111122223333:key/${String(members.KeyId)}`, GrantId: 'a'.repeat(64) },
  PutKeyPolicy: { Policy: JSON.stringify(policy) },
  RevokeGrant: { GrantId: 'a'.repeat(64) }, ListRetirableGrants: { RetiringPrincipal: 'arn:aws:iam::111122223333:root' },
}

export function sampleInput(operation: string, input: Members): Readonly<Record<string, unknown>> {
  return { ...requiredOf(input), ...more[operation] }
}

function requiredOf(input: Members): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([, { required }]) => required)
    .map(([name, shape]) => [name, members[name] ?? sampleOf(shape)]))
}

/** The plainest value that a shape allows. */
export function sampleOf(shape: Shape): unknown {
  switch (shape.type) {
    case 'string': return textFor(shape)
    case 'enum': return shape.values[0]
    case 'integer': return shape.min ?? 0
    case 'boolean': return false
    case 'blob': return Buffer.alloc(shape.min ?? 0, 1).toString('base64')
    case 'timestamp': return 1_767_225_600
    case 'list': return Array.from({ length: Math.max(1, shape.min ?? 0) }, () => sampleOf(shape.of))
    case 'map': return { sample: 'value' }
    case 'structure': return requiredOf(shape.members)
  }
}

function textFor({ min = 0, max = Infinity, pattern }: Shape & { type: 'string' }): string {
  const whole = new RegExp(`^(?:${pattern ?? '[^]*'})$`, 'u')
  const text = texts.flatMap(one => [one, one.padEnd(min, one.at(-1))])
    .find(one => one.length >= min && one.length <= max && whole.test(one))
  if (text === undefined) throw new Error(`no sample fits ${pattern ?? ''} of ${min} to ${max}`)
  return text
}
