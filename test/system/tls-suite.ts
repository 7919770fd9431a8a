import { Agent } from 'node:https'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KMS, type KMSClientConfig } from '@aws-sdk/client-kms'
import { arnOfEntity, type Role } from '../../src/domain/identity.js'
import { kmsClient } from '../support/clients.js'
import { sampleUser } from '../support/callers.js'
import { TestCa, type Pair } from '../support/pki.js'
import { removeDirectory, startServer, temporaryDirectory, type TestServer } from '../support/server.js'

/** A server over TLS that knows clients by their certificates, for the tests of one `describe`. */
export interface TlsSuite {
  readonly server: TestServer
  /** Of server and clients. */
  readonly ca: TestCa
  /** Signs as the administrator. */
  readonly kms: KMS
  /** Where the files of TLS are: `server.pem`, `server.key`, `clients.pem`, `clients.crl`. */
  readonly directory: string
  /** An SDK that does not sign, with this certificate. */
  readonly by: (own: Pair | undefined, more?: UnsignedOptions) => KMS
  write(file: string, text: string): void
}

interface UnsignedOptions { readonly headers?: Readonly<Record<string, string>>, readonly url?: string, readonly ca?: string }

/** The account is the one that rules must name. */
export const accountId = '111122223333'
export const arnOf = (kind: 'user' | 'role', name: string) => `arn:aws:iam::${accountId}:${kind}/${name}`

/** `principals` and the rest of `tls`, but for the files. */
export function tlsSuite(tls: object, settings: object = {}): TlsSuite {
  let parts: { readonly server: TestServer, readonly ca: TestCa, readonly kms: KMS, readonly directory: string } | undefined
  const clients: { readonly kms: KMS, readonly agent: Agent }[] = []
  const there = () => {
    if (!parts) throw new Error('there is a server only while tests run')
    return parts
  }

  before(async () => {
    const directory = temporaryDirectory()
    const ca = new TestCa('a CA')
    const { certificate, key } = serverPair(ca)
    const files = { 'server.pem': certificate, 'server.key': key, 'clients.pem': ca.certificate, 'clients.crl': ca.crl() }
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text)
    const at = (file: string) => join(directory, file)
    const server = await startServer({
      settings: {
        accountId, ...settings,
        tls: {
          certificate: at('server.pem'), key: at('server.key'), clientCa: [at('clients.pem')], clientCrl: [at('clients.crl')], ...tls,
        },
      },
    })
    const agent = new Agent({ ca: ca.certificate, keepAlive: true })
    const kms = kmsClient(server, { maxAttempts: 1, requestHandler: { httpsAgent: agent } })
    clients.push({ kms, agent })
    parts = { server, ca, kms, directory }
  })
  after(async () => {
    for (const { kms, agent } of clients) {
      kms.destroy()
      agent.destroy()
    }
    await parts?.server.close()
    if (parts) removeDirectory(parts.directory)
  })

  return {
    get server() { return there().server },
    get ca() { return there().ca },
    get kms() { return there().kms },
    get directory() { return there().directory },
    by(own, { headers = {}, url = there().server.url, ca = there().ca.certificate } = {}) {
      const agent = new Agent({ ca, keepAlive: true, ...own && { cert: own.certificate, key: own.key } })
      // A connection may be ended when a request is on its way already, which SDKs then send again.
      const kms = new KMS({ ...unsigned(headers), endpoint: url, maxAttempts: 2, requestHandler: { httpsAgent: agent } })
      clients.push({ kms, agent })
      return kms
    },
    write: (file, text) => writeFileSync(join(there().directory, file), text),
  }
}

/** For an address of this machine. */
export function serverPair(ca: TestCa, subject = '/CN=server'): Pair {
  return ca.issue({ subject, names: ['DNS:localhost', 'IP:127.0.0.1'] })
}

/** An SDK with a signer that does nothing but add these headers. */
export function unsigned(headers: Readonly<Record<string, string>> = {}): KMSClientConfig {
  return {
    region: 'us-east-1',
    credentials: { accessKeyId: 'unused', secretAccessKey: 'unused' },
    signer: {
      sign: async request => {
        Object.assign(request.headers, headers)
        return request
      },
    },
  }
}

/** A user with these inline policies, if any. */
export async function userWith({ services }: TestServer, name: string, ...policies: readonly object[]): Promise<string> {
  const user = sampleUser(name, { accountId, inlinePolicies: named(policies) })
  await services.store.identities.insert(user)
  services.identities.forget()
  return arnOfEntity(user)
}

export async function roleWith({ services }: TestServer, name: string, ...policies: readonly object[]): Promise<string> {
  const role: Role = {
    kind: 'role', accountId, name, path: '/', id: `AROA${name.toUpperCase()}`, createdAt: 0, revision: 1, description: '', tags: [],
    attachedPolicies: [], inlinePolicies: named(policies), trustPolicy: '{}', trustBindings: {}, maxSessionSeconds: 3_600,
  }
  await services.store.identities.insert(role)
  services.identities.forget()
  return arnOfEntity(role)
}

function named(policies: readonly object[]): Readonly<Record<string, string>> {
  return Object.fromEntries(policies.map((policy, at) => [`policy-${at}`, JSON.stringify(policy)]))
}
