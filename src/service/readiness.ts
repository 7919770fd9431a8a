import { rootMaterial } from '../domain/material.js'
import type { Hsm } from '../ports/hsm.js'
import { firstRoots } from './roots.js'
import type { Services } from './services.js'

export interface Readiness { readonly ok: boolean, readonly checks: Readonly<Record<string, string>> }

/** A store that hangs must not keep the answer for the others. */
const otherStoreMsMax = 2_000

/**
 * Whether calls can be served: HSM login alive, store writable, audit log writable. The HSM is that of the roots: without another key store
 * its keys cannot be used, but all others can, so it is named and no more. Says `ok`, `nearly full` or `failed`, for which the
 * log has the reason, or `disconnected` of a custom key store that is meant to be so.
 */
export async function readiness(services: Services): Promise<Readiness> {
  const { hsm, keyStores, customKeyStores, store, audit, log, capacity } = services
  async function check(name: string, probe: () => Promise<void>, keyStore?: string): Promise<[string, string]> {
    try {
      await probe()
      return [name, keyStore !== undefined && capacity.isNearlyFull(keyStore) ? 'nearly full' : 'ok']
    } catch (error) {
      log.warn('not ready', { check: name, error })
      return [name, 'failed']
    }
  }
  async function checkOther(name: string): Promise<[string, string]> {
    if (!customKeyStores.isWanted(name)) return [`keyStore:${name}`, 'disconnected']
    return check(`keyStore:${name}`, () => probeInTime(keyStores.get(name)), name)
  }
  const [roots = '', ...others] = keyStores.names
  const [needed, rest] = await Promise.all([
    Promise.all([
      check('hsm', async () => {
        await hsm.probe()
        // A login alone is not enough: the objects that everything leans on must be there.
        await hsm.mac(rootMaterial('mac', firstRoots.mac), new Uint8Array(1))
      }, roots),
      check('store', () => store.probe()),
      check('audit', async () => {
        if (!audit.healthy()) throw new Error('the audit log cannot be written')
      }),
    ]),
    Promise.all(others.map(name => checkOther(name))),
  ])
  return { ok: needed.every(([, result]) => result !== 'failed'), checks: Object.fromEntries([...needed, ...rest]) }
}

async function probeInTime(hsm: Hsm): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${otherStoreMsMax} ms`)), otherStoreMsMax)
  })
  try {
    await Promise.race([hsm.probe(), late])
  } finally {
    clearTimeout(timer)
  }
}
