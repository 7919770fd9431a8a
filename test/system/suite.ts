import type { CreateKeyCommandInput, KMS } from '@aws-sdk/client-kms'
import type { Clock } from '../../src/ports/clock.js'
import { arnOfEntity } from '../../src/domain/identity.js'
import { sampleUser } from '../support/callers.js'
import { kmsClient } from '../support/clients.js'
import { startServer, type ServerOptions, type TestServer } from '../support/server.js'
import { rawRequest, type RawAnswer } from './raw-request.js'

/** A server for the tests of one `describe`, up before the first and gone after the last. */
export interface Suite {
  readonly server: TestServer
  /** The SDK's client, which here does not repeat what was refused. */
  readonly kms: KMS
  newKey(input?: CreateKeyCommandInput): Promise<NewKey>
  /** An operation by its name, and its input as it stands on the wire. */
  call(operation: string, input: unknown): Promise<RawAnswer>
}

export interface NewKey { readonly id: string, readonly arn: string, readonly materialId: string }

export function suite(options: ServerOptions & { readonly clock?: Clock } = {}): Suite {
  let server: TestServer | undefined
  let kms: KMS | undefined
  before(async () => {
    server = await startServer(options)
    kms = kmsClient(server, { maxAttempts: 1 })
  })
  after(async () => {
    kms?.destroy()
    await server?.close()
  })
  const running = () => {
    if (!server || !kms) throw new Error('there is a server only while tests run')
    return { server, kms }
  }
  return {
    get server() { return running().server },
    get kms() { return running().kms },
    newKey: input => newKey(running().kms, input),
    call: (operation, input) => rawRequest(running().server, { operation, input }),
  }
}

export async function newKey(kms: KMS, input: CreateKeyCommandInput = {}): Promise<NewKey> {
  const { KeyMetadata: key } = await kms.createKey(input)
  return { id: key?.KeyId ?? '', arn: key?.Arn ?? '', materialId: key?.CurrentKeyMaterialId ?? '' }
}

/** A user whom no policy lets do anything, in the account of the server. Answers the ARN. */
export async function newUser({ services: { store, accountId, identities } }: TestServer, name: string): Promise<string> {
  const user = sampleUser(name, { accountId, id: `AIDA${name.toUpperCase()}` })
  await store.identities.insert(user)
  identities.forget()
  return arnOfEntity(user)
}

/** A key id that no key has. */
export const missingKeyId = '1234abcd-12ab-44cd-96ef-1234567890ab'
export const dayMs = 86_400_000
