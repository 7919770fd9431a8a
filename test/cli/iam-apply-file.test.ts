import { expect } from 'chai'
import { readIdentities } from '../../src/cli/iam/apply/file.js'
import { UnusableInput } from '../../src/inspect.js'
import { accountId } from '../support/callers.js'

const allow = '{Version: 2012-10-17, Statement: {Effect: Allow, Action: "kms:*", Resource: "*"}}'
const trust = `{Statement: {Effect: Allow, Principal: {AWS: "${accountId}"}, Action: "sts:AssumeRole"}}`

/** The faults that are told of a file with these lines below its one account. */
function faultsOf(lines: string, head = `accounts: {'${accountId}': `, tail = '}'): readonly string[] {
  try {
    readIdentities(`${head}${lines}${tail}`)
  } catch (error) {
    if (!(error instanceof UnusableInput)) throw error
    return error.message.split('\n').slice(1).map(line => line.replace('  - ', '').replace(`accounts.${accountId}.`, ''))
  }
  return []
}

describe('a file of identities', () => {
  it('is read with all that it can have', () => {
    const wanted = readIdentities(`
accounts:
  '${accountId}':
    policies:
      use: { path: /app/, description: for the app, document: ${allow} }
    groups:
      team: { policies: [use], inline: { own: ${allow} } }
    users:
      anne: { path: /dev/, groups: [team], boundary: use, tags: { team: blue } }
      bob:
    roles:
      deploy: { trust: ${trust}, description: deploys, maxSessionDuration: 7200, policies: ['arn:aws:iam::aws:policy/ClavigerKeyUser'] }
  '444455556666': { users: {} }
`)
    expect([...wanted.keys()]).to.deep.equal([accountId, '444455556666'])
    const account = wanted.get(accountId)
    const document = JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'kms:*', Resource: '*' } })
    expect(account?.policies?.get('use')).to.deep.equal({ path: '/app/', description: 'for the app', document })
    expect(account?.groups?.get('team')).to.deep.equal({ path: '/', policies: ['use'], inline: new Map([['own', document]]) })
    expect(account?.users?.get('anne')).to.deep.equal({
      path: '/dev/', policies: [], inline: new Map(), groups: ['team'], boundary: 'use', tags: new Map([['team', 'blue']]),
    })
    expect(account?.users?.get('bob')).to.deep.include({ path: '/', groups: [], boundary: undefined })
    expect(account?.roles?.get('deploy')).to.deep.include({ description: 'deploys', maxSessionDuration: 7200, path: '/' })
    expect(wanted.get('444455556666')).to.deep.equal({ policies: undefined, groups: undefined, users: new Map(), roles: undefined })
  })

  it('may have names like properties of every object', () => {
    const wanted = readIdentities(`accounts: {'${accountId}': {users: {__proto__: {tags: {__proto__: x, constructor: y}}, toString: }}}`)
    const users = wanted.get(accountId)?.users
    expect([...users?.keys() ?? []]).to.deep.equal(['__proto__', 'toString'])
    expect([...users?.get('__proto__')?.tags ?? []]).to.deep.equal([['__proto__', 'x'], ['constructor', 'y']])
    expect(({} as Record<string, unknown>).tags).to.equal(undefined)
  })

  it('takes documents as texts of JSON, too', () => {
    const text = '{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}'
    const wanted = readIdentities(`accounts: {'${accountId}': {policies: {use: {document: '${text}'}}}}`)
    expect(wanted.get(accountId)?.policies?.get('use')?.document).to.equal(text)
  })

  const rows: readonly (readonly [what: string, lines: string, faults: readonly (string | RegExp)[]])[] = [
    ['unknown sections and members', '{people: {}, users: {anne: {color: red, policy: x}}, groups: {a: {tags: {}}}}', [
      'people is not known here; there are policies, groups, users, roles',
      'groups.a.tags is not known here; there are path, policies, inline',
      'users.anne.color is not known here; there are path, policies, inline, groups, boundary, tags',
      'users.anne.policy is not known here; there are path, policies, inline, groups, boundary, tags',
    ]],
    ['names that are none', `{users: {"a b": , "${'a'.repeat(65)}": , "": , "é": },
      groups: {"${'a'.repeat(128)}": , "${'a'.repeat(129)}": }}`, [
      /^groups\.a{129} is no name/, /^users\.a b is no name/, /^users\.a{65} is no name/, /^users\. is no name/, /^users\.é is no name/,
    ]],
    ['names that differ in case only', '{users: {anne: , Anne: , ANNE: }}', [
      'users.Anne is the name of anne but for its case', 'users.ANNE is the name of Anne but for its case',
    ]],
    ['paths that are none', '{users: {a: {path: dev}, b: {path: /dev}, c: {path: //}, d: {path: 1}}}', [
      'users.a.path must be / or segments between slashes', 'users.b.path must be / or segments between slashes',
      'users.c.path must be / or segments between slashes', /^users\.d\.path must be a text/,
    ]],
    ['policies that are none, wherever they stand', `{
      policies: {a: , b: {document: {Statement: []}}, c: {document: "{"}},
      users: {anne: {inline: {own: {Statement: {Sid: S, Effect: allow, Action: "*", Resource: "*"}}}}},
      roles: {r: {trust: ${allow}}, s: }}`, [
      'policies.a.document is missing', 'policies.b.document The policy has no statement',
      'policies.c.document The policy is not valid JSON',
      'users.anne.inline.own In statement 1 (S): Effect must be Allow or Deny',
      'roles.r.trust In statement 1: A statement needs exactly one of Principal and NotPrincipal', 'roles.s.trust is missing',
    ]],
    ['policies that are too long', `{users: {anne: {inline: {a: ${allow.replace('kms:*', `kms:${'A'.repeat(1_200)}`)},
      b: ${allow.replace('kms:*', `kms:${'B'.repeat(1_200)}`)}}}}}`, [
      /^users\.anne\.inline has 25\d\d characters beside white space; at most 2048 are allowed$/,
    ]],
    ['lists that are none', '{users: {a: {groups: x}, b: {groups: [1]}, c: {groups: [x, X]}, d: {policies: {x: y}}}}', [
      'users.a.groups must be a list of texts', 'users.b.groups must be a list of texts', 'users.c.groups has something twice',
      'users.d.policies must be a list of texts',
    ]],
    ['what is more than there can be', `{users: {a: {groups: [${Array.from({ length: 11 }, (_, at) => `g${at}`).join()}],
      policies: [${Array.from({ length: 21 }, (_, at) => `p${at}`).join()}],
      tags: {${Array.from({ length: 51 }, (_, at) => `t${at}: v`).join()}}}}}`, [
      'users.a.groups are more than 10', 'users.a.policies are more than 20', 'users.a.tags are more than 50',
    ]],
    ['tags that nobody can have', `{users: {a: {tags: {Team: a, team: b, "aws:x": c, n: 1, "": x, long: ${'v'.repeat(257)}}}}}`, [
      /^users\.a\.tags\.n must be a text/, 'users.a.tags.team is there twice but for its case',
      'users.a.tags.aws:x begins with aws:, which is reserved', /^users\.a\.tags\. is no tag/, /^users\.a\.tags\.long is no tag/,
    ]],
    ['names of policies that are none', '{users: {a: {policies: ["a b", "arn:aws:iam::1:policy/x"], boundary: "arn:aws:s3:::x"}}}', [
      'users.a.policies[0] is neither the name nor the ARN of a policy', 'users.a.policies[1] is neither the name nor the ARN of a policy',
      'users.a.boundary is neither the name nor the ARN of a policy',
    ]],
    ['durations that there are not', `{roles: {a: {trust: ${trust}, maxSessionDuration: 60},
      b: {trust: ${trust}, maxSessionDuration: 1h}}}`, [
      'roles.a.maxSessionDuration must be a whole number from 3600 to 43200',
      'roles.b.maxSessionDuration must be a whole number from 3600 to 43200',
    ]],
    ['maps that are none', '{users: [anne], roles: text}', ['users must be a map', 'roles must be a map']],
  ]
  for (const [what, lines, faults] of rows) {
    it(`is refused for ${what}, each with its place`, () => {
      const told = faultsOf(lines)
      expect(told, told.join('\n')).to.have.length(faults.length)
      for (const [at, fault] of faults.entries()) {
        if (typeof fault === 'string') expect(told[at]).to.equal(fault)
        else expect(told[at]).to.match(fault)
      }
    })
  }

  it('is refused when it is no such file at all', () => {
    expect(faultsOf('', 'users: {}', '')).to.deep.equal(['users is not known here; there are accounts', 'accounts is missing'])
    expect(faultsOf('', '- a', '')).to.deep.equal(['the file must be a map', 'accounts is missing'])
    expect(faultsOf('', '{', '')[0]).to.match(/^Flow map in block collection|^Expected|^Flow map/)
    expect(faultsOf('{users: {anne: , anne: }}')[0]).to.match(/^Map keys must be unique/)
    expect(faultsOf('', 'accounts: {1234: {}}', '')[0]).to.match(/^accounts\.1234 is not the number of an account/)
  })

  it('does not grow without bound by aliases of YAML', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]', ...'bcdefghi'.split('').map((name, at) =>
      `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefgh'[at]}`).join()}]`)].join('\n')
    expect(faultsOf('', bomb, '')[0]).to.match(/alias/i)
  })
})
