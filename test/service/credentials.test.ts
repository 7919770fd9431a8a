import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import type { AccessKey } from '../../src/ports/credentials.js'
import { HsmError } from '../../src/ports/hsm.js'
import type { Store } from '../../src/ports/store.js'
import { AccessKeys, newAccessKey } from '../../src/service/credentials.js'
import { IdentityDirectory } from '../../src/service/identities/directory.js'
import { sampleUser } from '../support/callers.js'
import { MovedClock } from '../support/clock.js'
import { onEveryCall, replacing } from '../support/interruption.js'
import { rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId } from '../support/services.js'

const user = sampleUser('anne')

describe('access keys', () => {
  const on = serviceSuite()

  const make = () => newAccessKey(on.hsm, new MovedClock(), 1, user)
  const accessKeys = (hsm = on.hsm, store: Store = on.store) => new AccessKeys(store, hsm, new IdentityDirectory(store))

  async function stored(of: Partial<AccessKey> = {}): Promise<{ accessKey: AccessKey, secret: string }> {
    const made = await make()
    const accessKey = { ...made.accessKey, ...of }
    await on.store.credentials.put(accessKey)
    return { accessKey, secret: made.secret }
  }

  it('are looked up with their caller and their secret', async () => {
    const { accessKey: { accessKeyId }, secret } = await stored()
    const credential = await accessKeys().lookup(accessKeyId)
    const arn = `arn:aws:iam::${accountId}:user/anne`
    expect(credential?.caller).to.deep.equal({
      type: 'User', arn, principalArn: arn, accountId, accessKeyId, uniqueId: user.id, userId: user.id, userName: 'anne',
      tags: [], policies: [],
    })
    expect(Buffer.from(credential?.secret ?? []).toString()).to.equal(secret)
  })

  it('are made of 20 and 40 characters that AWS tools take, never the same twice', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => make()))
    for (const { accessKey, secret } of made) {
      expect(accessKey.accessKeyId).to.match(/^CVAK[A-Z2-7]{16}$/)
      expect(secret).to.match(/^[A-Za-z0-9+/]{40}$/)
    }
    expect(new Set(made.map(({ accessKey }) => accessKey.accessKeyId)).size).to.equal(50)
    expect(new Set(made.map(({ secret }) => secret)).size).to.equal(50)
  })

  it('are stored without their secret', async () => {
    const { accessKey, secret } = await make()
    const { iv, ciphertext } = accessKey.secret
    expect(Buffer.concat([iv, ciphertext]).includes(secret)).to.equal(false)
    expect(JSON.stringify({ ...accessKey, secret: undefined })).to.not.contain(secret)
  })

  it('that are unknown or not active are not there', async () => {
    const { accessKey } = await stored({ active: false })
    const keys = accessKeys()
    expect(await keys.lookup(accessKey.accessKeyId)).to.equal(undefined)
    expect(await keys.lookup('CVAKUNKNOWN')).to.equal(undefined)
    expect(await keys.lookup('')).to.equal(undefined)
  })

  it('do not open when their secret was moved to another row', async () => {
    const [one, other] = [await stored(), await stored()]
    // By somebody who can write genuine rows.
    await on.store.credentials.put({ ...one.accessKey, secret: other.accessKey.secret })
    const { kind } = await rejected(accessKeys().lookup(one.accessKey.accessKeyId), HsmError)
    expect(kind).to.equal('ciphertext-invalid')
  })

  it('do not open when they were given to another principal', async () => {
    const { accessKey } = await stored()
    await on.store.credentials.put({ ...accessKey, principalArn: `arn:aws:iam::${accountId}:user/bob`, principalId: sampleUser('bob').id })
    expect((await rejected(accessKeys().lookup(accessKey.accessKeyId), HsmError)).kind).to.equal('ciphertext-invalid')
  })

  it('are not there when their user is gone, or made anew under the same name', async () => {
    const { accessKey } = await stored()
    const keys = accessKeys()
    expect(await keys.lookup(accessKey.accessKeyId)).to.not.equal(undefined)
    const other = await on.second()
    await other.identities.remove(user)
    await nextTurn()
    expect(await keys.lookup(accessKey.accessKeyId)).to.equal(undefined)
    await other.identities.insert({ ...user, id: 'AIDAANOTHER' })
    await nextTurn()
    expect(await keys.lookup(accessKey.accessKeyId)).to.equal(undefined)
  })

  it('are the same object as long as nothing changed, and opened once', async () => {
    const { accessKey: { accessKeyId } } = await stored()
    const calls: string[] = []
    const keys = accessKeys(onEveryCall(on.hsm, method => void calls.push(method)))
    const first = await keys.lookup(accessKeyId)
    expect(await keys.lookup(accessKeyId)).to.equal(first)
    expect(calls.filter(call => call !== 'find')).to.deep.equal(['open'])
  })

  it('look for their root once', async () => {
    const accessKeyIds = [(await stored()).accessKey.accessKeyId, (await stored()).accessKey.accessKeyId]
    const calls: string[] = []
    const keys = accessKeys(onEveryCall(on.hsm, method => void calls.push(method)))
    await keys.lookup(accessKeyIds[0] ?? '')
    calls.length = 0
    await keys.lookup(accessKeyIds[1] ?? '')
    expect(calls).to.deep.equal(['open'])
  })

  it('are gone when another process has made them inactive', async () => {
    const { accessKey } = await stored()
    const keys = accessKeys()
    expect(await keys.lookup(accessKey.accessKeyId)).to.not.equal(undefined)
    await (await on.second()).credentials.put({ ...accessKey, active: false })
    await nextTurn()
    expect(await keys.lookup(accessKey.accessKeyId)).to.equal(undefined)
  })

  it('are not remembered when they were read before another process changed them', async () => {
    const { accessKey } = await stored()
    let release = () => {}
    const released = new Promise<void>(resolve => { release = resolve })
    let first = true
    const credentials = replacing(on.store.credentials, {
      async get(accessKeyId) {
        const held = first
        first = false
        const found = await on.store.credentials.get(accessKeyId)
        if (held) await released
        return found
      },
    })
    const keys = accessKeys(on.hsm, { ...on.store, credentials })
    const early = keys.lookup(accessKey.accessKeyId)
    // The first read has its answer before the change is written.
    await keys.lookup('CVAKUNKNOWN')
    await (await on.second()).credentials.put({ ...accessKey, active: false })
    await nextTurn()
    expect(await keys.lookup(accessKey.accessKeyId)).to.equal(undefined)
    release()
    await early
    expect(await keys.lookup(accessKey.accessKeyId)).to.equal(undefined)
  })
})
