import { expect } from 'chai'
import { newRole } from '../support/roles.js'
import { newAccount, newAdministrator, newTenant, type Tenant } from '../support/tenants.js'
import { ask, attempted, codesOf, reasonsOf, refusedAt } from './attacks-suite.js'
import { suite, type NewKey } from './suite.js'

const accountId = '111122223333'
const otherAccountId = '444455556666'
const denied = 'AccessDeniedException'
const malformed = 'MalformedPolicyDocumentException'
const Plaintext = Buffer.from('x').toString('base64')

type Context = Readonly<Record<string, string>> | string
interface Attempt { readonly context?: Context, readonly headers?: Readonly<Record<string, string>> }
interface Attack {
  readonly what: string
  readonly condition: object
  readonly attempts: readonly Attempt[]
  /** What the condition was written for. */
  readonly genuine?: Attempt
}

const context = (of: Context): Attempt => ({ context: of })
const header = (name: string, value: string): Attempt => ({ headers: { [name]: value } })

const attacks: readonly Attack[] = [
  {
    what: 'a wildcard in what a policy variable stands for',
    condition: { StringLike: { 'kms:EncryptionContext:path': '${kms:EncryptionContext:of}/x' } },
    attempts: [
      { of: '*', path: 'acme/x' }, { of: 'acm?', path: 'acme/x' }, { of: '${*}', path: 'acme/x' }, { of: '${aws:username}', path: 'eve/x' },
      { of: '', path: 'acme/x' }, { path: '/x' },
    ].map(pairs => context(pairs as Context)),
    genuine: context({ of: '*', path: '*/x' }),
  },
  {
    what: 'a variable in what only the request says',
    condition: { StringEquals: { 'kms:EncryptionContext:user': '${aws:username}' } },
    attempts: ['${aws:username}', '*', '???', 'Eve', 'eve\0', 'e\u0432e', 'eve ', ''].map(user => context({ user })),
    genuine: context({ user: 'eve' }),
  },
  {
    what: 'names that look like the one that is asked for',
    condition: { StringEquals: { 'kms:EncryptionContext:key': 'yes' } },
    attempts: ['\u212aey', 'k\u0435y', 'key ', 'key\0', 'k\u200dey', '\ufeffkey', ''].map(name => context({ [name]: 'yes' })),
    genuine: context({ Key: 'yes' }),
  },
  {
    what: 'two names that differ in case only, of which one is right',
    condition: { StringEquals: { 'kms:EncryptionContext:key': 'yes' } },
    attempts: [{ key: 'yes', Key: 'no' }, { KEY: 'no', key: 'yes' }].map(context),
  },
  {
    what: 'what every object has by itself, in place of a pair',
    condition: { Null: { 'kms:EncryptionContext:constructor': 'false' } },
    attempts: [{}, { other: 'x' }, '{"__proto__":"x"}', '{"__proto__":"constructor"}'].map(context),
    genuine: context({ constructor: 'x' }),
  },
  {
    what: 'another pair in place of one called __proto__',
    condition: { StringEquals: { 'kms:EncryptionContext:__proto__': 'yes' } },
    attempts: [{}, { constructor: 'yes' }, '{"__proto__":"no"}', '{"prototype":"yes"}', '{"__proto__ ":"yes"}'].map(context),
    genuine: context('{"__proto__":"yes"}'),
  },
  {
    what: 'a source that only a service can say',
    condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::bucket' } },
    attempts: [
      header('x-amz-source-arn', 'arn:aws:s3:::bucket'), header('aws-source-arn', 'arn:aws:s3:::bucket'),
      context({ 'aws:SourceArn': 'arn:aws:s3:::bucket' }),
    ],
  },
  {
    what: 'an account that only a service can say',
    condition: { StringEquals: { 'aws:SourceAccount': otherAccountId } },
    attempts: [header('x-amz-source-account', otherAccountId)],
  },
  {
    what: 'that it comes from a service',
    condition: { Bool: { 'aws:PrincipalIsAWSService': 'true' } },
    attempts: [
      header('x-amz-source-arn', 'arn:aws:s3:::bucket'), header('x-amz-principal-is-aws-service', 'true'),
      header('via', 's3.amazonaws.com'),
    ],
  },
  {
    what: 'that a service calls for it',
    condition: { StringLike: { 'kms:ViaService': '*' } },
    attempts: [header('x-amz-via-service', 's3.us-east-1.amazonaws.com'), context({ 'kms:ViaService': 's3.us-east-1.amazonaws.com' })],
  },
  {
    what: 'an address of its own choice',
    condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
    attempts: ['x-forwarded-for', 'forwarded', 'x-real-ip', 'true-client-ip', 'x-client-ip', 'x-amz-source-ip', 'cf-connecting-ip']
      .map(name => header(name, name === 'forwarded' ? 'for=10.0.0.1' : '10.0.0.1')),
  },
  {
    what: 'TLS that there was not',
    condition: { Bool: { 'aws:SecureTransport': 'true' } },
    attempts: [['x-forwarded-proto', 'https'], ['x-forwarded-ssl', 'on'], ['forwarded', 'proto=https'], ['front-end-https', 'on']]
      .map(([name = '', value = '']) => header(name, value)),
  },
  {
    what: 'MFA that there was not',
    condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } },
    attempts: [header('x-amz-mfa', 'GAHT12345678 123456')],
  },
  {
    what: 'tags of its own choice',
    condition: { StringEquals: { 'aws:PrincipalTag/team': 'red' } },
    attempts: [header('x-amz-tagging', 'team=red'), context({ 'aws:PrincipalTag/team': 'red' }), context({ team: 'red' })],
  },
  {
    what: 'a condition key that nobody knows',
    condition: { StringEquals: { 'kms:__proto__': 'x' } },
    attempts: [{}, context({ 'kms:__proto__': 'x' }), header('kms-__proto__', 'x')],
  },
]

describe('an attack on a key policy', function suiteOfPolicies() {
  this.timeout(30_000)
  const on = suite({ settings: { accountId } })
  let eve: Tenant
  let neighbour: Tenant
  let key: NewKey
  let neighbourKey: string

  before(async () => {
    eve = await newTenant(on.server, 'eve')
    await newRole(on.server.services, 'worker', { accountId })
    await newAccount(on.server, otherAccountId)
    neighbour = await newAdministrator(on.server, 'administrator', otherAccountId)
    key = await on.newKey()
    const made = await ask(neighbour, 'kms', 'CreateKey')
    neighbourKey = /"KeyId":"([^"]+)"/.exec(made.body)?.[1] ?? ''
  })

  const owner = () => ({ Sid: 'owner', Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*' })
  const forEve = (more: object) => ({ Effect: 'Allow', Principal: { AWS: eve.arn }, Action: 'kms:Encrypt', Resource: '*', ...more })
  const policyWith = (...statements: readonly object[]) => JSON.stringify({ Version: '2012-10-17', Statement: [owner(), ...statements] })
  const put = (Policy: string) => ask(on.server, 'kms', 'PutKeyPolicy', { KeyId: key.id, PolicyName: 'default', Policy })
  const policyNow = async () => (await on.kms.getKeyPolicy({ KeyId: key.id })).Policy

  /** Its context may be a text: how JSON is written matters to some. */
  function encrypt({ context: pairs = {}, headers = {} }: Attempt) {
    const text = typeof pairs === 'string' ? pairs : JSON.stringify(pairs)
    const input = `{"KeyId":"${key.id}","Plaintext":"${Plaintext}","EncryptionContext":${text}}`
    return ask(eve, 'kms', 'Encrypt', {}, { input, headers })
  }

  for (const { what, condition, attempts, genuine } of attacks) {
    it(`with ${what} is refused`, async () => {
      expect(await put(policyWith(forEve({ Condition: condition })))).to.include({ status: 200 })
      for (const attempt of attempts) {
        const { answer, records } = await attempted(on, () => encrypt(attempt))
        expect(answer, JSON.stringify(attempt)).to.include(refusedAt('kms', denied))
        expect(codesOf(records)).to.deep.equal([denied])
        // The account of the key is let decide, and does not let it either.
        const reason = { action: 'kms:Encrypt', resource: key.arn, verdict: 'not allowed', by: 'identity policy' }
        expect(records.flatMap(reasonsOf)).to.deep.equal([reason])
        expect(answer.body).to.not.contain('CiphertextBlob')
      }
      if (genuine) expect(await encrypt(genuine)).to.include({ status: 200 })
    })
  }

  describe('by its text', () => {
    const statement = (more: string) => `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"${more}}`
    const around = (text: string) => `{"Version":"2012-10-17","Statement":[${JSON.stringify(owner())},${text}]}`
    const principal = (of: unknown) => around(JSON.stringify({ Effect: 'Allow', Principal: of, Action: 'kms:*', Resource: '*' }))
    const named = (arn: string) => [`the principal ${JSON.stringify(arn)}`, () => principal({ AWS: arn })] as const

    const texts: readonly (readonly [what: string, text: () => string, code?: string])[] = [
      ['__proto__ for an element of the document', () => `{"__proto__":{"Statement":[]},"Statement":[${statement('')}]}`],
      ['constructor for an element of a statement', () => around(statement(',"constructor":{}'))],
      ['__proto__ for a type of principals', () => principal(JSON.parse('{"__proto__":"*"}'))],
      ['__proto__ for an operator', () => around(statement(',"Condition":{"__proto__":{"aws:username":"eve"}}'))],
      ['toString for an operator', () => around(statement(',"Condition":{"toString":{"aws:username":"eve"}}'))],
      ['__proto__ for a condition key', () => around(statement(',"Condition":{"StringEquals":{"__proto__":"eve"}}'))],
      ['an effect twice', () => around('{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Effect":"Allow"}')],
      ['an effect twice, once in other letters', () => around(statement(',"effect":"Deny"'))],
      ['an effect twice, once escaped', () => around(statement(',"\\u0045ffect":"Deny"'))],
      ['an object for a list', () => principal({ AWS: { 0: '*', length: 1 } })],
      ['a list of statements in a list', () => around(`[${statement('')}]`)],
      ['thousands of brackets', () => around('['.repeat(10_000) + ']'.repeat(10_000))],
      ['brackets without end', () => '{"Statement":'.repeat(2_000)],
      ['an effect in small letters', () => around(statement('').replace('Allow', 'allow'))],
      ['an effect that looks right', () => around(statement('').replace('Allow', 'Al\u217cow')), 'ValidationException'],
      ['an action that looks right', () => around(statement('').replace('kms:*', 'kms:D\u0435crypt')), 'ValidationException'],
      ['an action that is none', () => around(statement('').replace('kms:*', 'kms:Decrypt\u00e9'))],
      ['an action with an end of line', () => around(statement('').replace('kms:*', 'kms:*\\n'))],
      ['two policies', () => `${policyWith()}${policyWith()}`],
      ['a comment', () => `${policyWith()}//`],
      ['ForAllValues of a context that may be absent', () =>
        around(statement(',"Condition":{"ForAllValues:StringEquals":{"KMS:encryptioncontext:a":"x"}}'))],
      ['more than 32 KB', () => around(statement(`,"Sid":"${'x'.repeat(32_768)}"`)), 'LimitExceededException'],
      ...[
        '0111122223333', '11122223333', ' 111122223333', '111122223333\n', '999999999999', '**', '*eve', '', 'arn:aws:iam::*:root',
        'arn:aws:iam::0111122223333:root', 'arn:aws:iam::111122223333:ROOT', 'ARN:AWS:IAM::111122223333:ROOT',
        'arn:aws-cn:iam::111122223333:root',
        'arn:aws:iam:us-east-1:111122223333:root', 'arn:aws:iam::111122223333:user/*', 'arn:aws:iam::111122223333:user/',
        'arn:aws:iam::111122223333:user/../root',
        'arn:aws:sts::111122223333:assumed-role/worker/*', 'arn:aws:iam::111122223333:group/g', 'arn:aws:kms::111122223333:root',
      ].map(named),
    ]
    for (const [what, text, code = malformed] of texts) {
      it(`with ${what} is refused, and the policy stays what it was`, async () => {
        const [before, body] = [await policyNow(), text()]
        const { answer, records } = await attempted(on, () => put(body))
        expect(answer).to.include(refusedAt('kms', code))
        expect(codesOf(records)).to.deep.equal([code])
        expect(await policyNow()).to.equal(before)
      })
    }

    it('with names of users and roles in other letters or places is refused: there are none such', async () => {
      for (const arn of [
        'user/Eve', 'user/EVE', 'user//eve', 'user/x/eve', 'user/eve/', 'user/eve ', 'role/eve', 'user/worker', 'role/Worker',
        'user/ev\u00e9',
      ]) {
        const { answer, records } = await attempted(on, () => put(principal({ AWS: `arn:aws:iam::${accountId}:${arn}` })))
        expect(answer, arn).to.include(refusedAt('kms', malformed))
        expect(codesOf(records)).to.deep.equal([malformed])
      }
    })
  })

  describe('that shall take as long as it can', () => {
    const long = (text: string, count: number) => text.repeat(count)
    const like = (...values: readonly string[]) => ({ StringLike: { 'kms:EncryptionContext:a': values } })
    const worst: readonly (readonly [what: string, conditions: () => readonly object[]])[] = [
      ['a pattern that goes back at every character', () => Array.from({ length: 8 }, (_, at) =>
        like(`*${long('a', 3_000)}b${at}`))],
      ['hundreds of patterns', () => [like(...Array.from({ length: 900 }, (_, at) => `*${long('a', 20)}b${at}`))]],
      ['variables that are long', () => [like(long('${kms:EncryptionContext:a}', 500))]],
      ['ARNs in many parts', () => [{
        ArnLike: { 'kms:EncryptionContext:a': Array.from({ length: 300 }, (_, at) => `*${long('a', 40)}b:*:*:*:*:${at}`) },
      }]],
    ]
    for (const [what, conditions] of worst) {
      it(`with ${what} is refused when that was enough, and its neighbour is served meanwhile`, async () => {
        const statements = conditions().map(Condition => forEve({ Condition }))
        expect(await put(policyWith(...statements))).to.include({ status: 200 })
        const attempt = context({ a: `${long('a', 6_000)}:a:a:a:a:${long('a', 1_000)}` })
        const { answer, records } = await attempted(on, async () => {
          const attacking = Array.from({ length: 20 }, () => encrypt(attempt))
          const served = await ask(neighbour, 'kms', 'Encrypt', { KeyId: neighbourKey, Plaintext })
          return { served, refused: await Promise.all(attacking) }
        })
        expect(answer.served).to.include({ status: 200 })
        for (const one of answer.refused) expect(one).to.include(refusedAt('kms', denied))
        const refusals = records.filter(({ errorCode }) => errorCode !== undefined)
        expect(new Set(codesOf(refusals))).to.deep.equal(new Set([denied]))
        expect(refusals).to.have.length(20)
        expect(refusals.flatMap(reasonsOf).map(({ by }) => by)).to.deep.equal(Array(20).fill('service'))
      })
    }
  })
})
