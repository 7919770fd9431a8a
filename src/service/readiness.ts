import { rootMaterial } from '../domain/material.js'
import { firstRoots } from './roots.js'
import type { Services } from './services.js'

export interface Readiness { readonly ok: boolean, readonly checks: Readonly<Record<string, string>> }

/** Whether calls can be served: HSM login alive, store writable, audit log writable. Says only `ok` or `failed`; the log has the reason. */
export async function readiness({ hsm, store, audit, log }: Services): Promise<Readiness> {
  async function check(name: string, probe: () => Promise<void>): Promise<[string, string]> {
    try {
      await probe()
      return [name, 'ok']
    } catch (error) {
      log.warn('not ready', { check: name, error })
      return [name, 'failed']
    }
  }
  const checks = await Promise.all([
    check('hsm', async () => {
      await hsm.probe()
      // A login alone is not enough: the objects that everything leans on must be there.
      await hsm.mac(rootMaterial('mac', firstRoots.mac), new Uint8Array(1))
    }),
    check('store', () => store.probe()),
    check('audit', async () => {
      if (!audit.healthy()) throw new Error('the audit log cannot be written')
    }),
  ])
  return { ok: checks.every(([, result]) => result === 'ok'), checks: Object.fromEntries(checks) }
}
