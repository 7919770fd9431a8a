import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { newTenant } from '../support/tenants.js'
import { rawRequest } from './raw-request.js'
import { suite } from './suite.js'

/** How often each is tried: a request that came a moment too early would be let through now and then. */
const rounds = 20

describe('what another process takes away', () => {
  const on = suite()

  /** On a connection of its own, and written when it returns. */
  function takeAway(column: string, value: string, ...tables: readonly string[]): void {
    const database = new BetterSqlite3(join(on.server.dataDir, 'claviger.db'))
    database.transaction(() => {
      for (const table of tables) expect(database.prepare(`delete from ${table} where ${column} = ?`).run(value).changes).to.equal(1)
    })()
    database.close()
  }

  it('is gone for the next request: an access key', async () => {
    for (let round = 0; round < rounds; round++) {
      const user = await newTenant(on.server, `user-${round}`)
      const codes = async () => (await rawRequest(user, { operation: 'ListKeys' })).json.__type
      expect([await codes(), await codes()]).to.deep.equal(['AccessDeniedException', 'AccessDeniedException'])
      takeAway('access_key_id', user.admin.accessKeyId, 'access_keys')
      expect(await codes()).to.equal('UnrecognizedClientException')
    }
  })

  it('is gone for the next request: a grant', async () => {
    const user = await newTenant(on.server, 'grantee')
    const { KeyMetadata: { KeyId } } = (await on.call('CreateKey', {})).json as { KeyMetadata: { KeyId: string } }
    for (let round = 0; round < rounds; round++) {
      const grant = await on.call('CreateGrant', { KeyId, GranteePrincipal: user.arn, Operations: ['Encrypt'] })
      const code = async () => (await rawRequest(user, { operation: 'Encrypt', input: { KeyId, Plaintext: 'eA==' } })).json.__type
      expect(grant.status, JSON.stringify(grant.json)).to.equal(200)
      expect([await code(), await code()]).to.deep.equal([undefined, undefined])
      takeAway('grant_id', String(grant.json.GrantId), 'grant_slots', 'grants')
      expect(await code()).to.equal('AccessDeniedException')
    }
  })
})
