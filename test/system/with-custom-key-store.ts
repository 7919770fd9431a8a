import { setTimeout as pause } from 'node:timers/promises'
import { freshToken, pinFileOf } from '../support/softhsm.js'
import { selfSigned } from '../http/self-signed.js'
import type { Suite } from './suite.js'

/** Longer than a connection takes on a busy machine; its end ends the wait. */
const waitMsMax = 60_000
const pauseMs = 50
const clusterId = 'cluster-abcdefghijk'

/** A custom key store over a SoftHSM token of its own, for the tests of one `describe`. To be called before `suite`. */
export interface WithCustomKeyStore {
  /** For the server; complete when its `before` runs. */
  readonly settings: object
  readonly id: string
  create(on: Suite): Promise<void>
  connect(): Promise<void>
  disconnect(): Promise<void>
}

export function inCustomKeyStore(): WithCustomKeyStore {
  const settings: { regions: readonly string[], keyStores?: object } = { regions: ['us-east-1', 'eu-west-3'] }
  let store: { readonly id: string, readonly on: Suite } | undefined
  before(async () => {
    const token = await freshToken()
    // Another configuration of SoftHSM than that of the embedded token: in a process of its own.
    settings.keyStores = {
      custom: {
        module: token.module, tokenLabel: token.tokenLabel, pinFile: pinFileOf(token), profile: 'softhsm', host: 'process',
        lanes: { count: 1 }, environment: token.environment, clusterId,
      },
    }
  })
  const made = () => {
    if (!store) throw new Error('the custom key store was not made yet')
    return store
  }
  async function until(state: string): Promise<void> {
    const { on, id } = made()
    for (const since = Date.now(); ;) {
      const { CustomKeyStores: [found] = [] } = await on.kms.describeCustomKeyStores({ CustomKeyStoreId: id })
      if (found?.ConnectionState === state) return
      if (Date.now() - since > waitMsMax) throw new Error(`the custom key store is ${found?.ConnectionState}, not ${state}`)
      await pause(pauseMs)
    }
  }
  return {
    settings,
    get id() { return made().id },
    async create(on) {
      const { certificate } = selfSigned()
      const { CustomKeyStoreId: id = '' } = await on.kms.createCustomKeyStore({
        CustomKeyStoreName: 'custom', CloudHsmClusterId: clusterId, TrustAnchorCertificate: certificate, KeyStorePassword: 'not-the-pin',
      })
      store = { id, on }
    },
    async connect() {
      await made().on.kms.connectCustomKeyStore({ CustomKeyStoreId: made().id }).catch((error: Error) => {
        // Connected already.
        if (error.name !== 'CustomKeyStoreInvalidStateException') throw error
      })
      await until('CONNECTED')
    },
    async disconnect() {
      await made().on.kms.disconnectCustomKeyStore({ CustomKeyStoreId: made().id })
      await until('DISCONNECTED')
    },
  }
}
