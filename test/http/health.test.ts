import { expect } from 'chai'
import { livez, readyz } from '../../src/http/health.js'

describe('livez', () => {
  it('is always 200', () => expect(livez()).to.include({ status: 200, body: '{"ok":true}' }))
})

describe('readyz', () => {
  it('is 200 with every check when ready', async () => {
    const answer = await readyz(async () => ({ ok: true, checks: { hsm: 'ok' } }))()
    expect(answer).to.include({ status: 200, body: '{"ok":true,"checks":{"hsm":"ok"}}' })
    expect(answer.headers).to.include('no-store')
  })

  it('is 503 when a check failed', async () => {
    expect(await readyz(async () => ({ ok: false, checks: { hsm: 'failed' } }))())
      .to.include({ status: 503, body: '{"ok":false,"checks":{"hsm":"failed"}}' })
  })

  it('is 503, without the reason, when the check itself throws', async () => {
    const answer = await readyz(async () => { throw new Error('something private') })()
    expect(answer).to.include({ status: 503, body: '{"ok":false,"checks":{"readiness":"failed"}}' })
  })

  it('is checked once for all who ask together', async () => {
    let checks = 0
    const ask = readyz(async () => { checks++; return { ok: true, checks: {} } })
    await Promise.all(Array.from({ length: 50 }, ask))
    await ask()
    expect(checks).to.equal(1)
  })
})
