import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateKeyCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { readCredentialsFile } from '../../src/adapters/credentials-file.js'
import { findSoftHsm } from '../../src/adapters/pkcs11/token/softhsm-token.js'
import type { BaselinePorts } from './baseline-servers.js'
import { ask, endChildren, here, kept, program } from './children.js'
import { decisions } from './decisions/decisions.js'
import type { LoadOrder, LoadResult } from './load.js'
import type { RawResult } from './raw-seal.js'
import { report, reportSlowDevice, type Figures, type SlowServerResult } from './report.js'
import { faultToken } from '../support/fault-module/token.js'
import { slowCallMs, slowDevice, slowLanes } from './slow-device.js'
import { signedRequest, type Signing } from './sign.js'

/**
 * `requests`, which it is unless another is named, measures one server process side by side with what it stands on: bare node:http,
 * Express, and raw PKCS#11; `decisions` measures what it costs to decide. In one run, the rounds interleaved, medians reported.
 * BENCH_ROUNDS and BENCH_SECONDS (per measurement) change its length, BENCH_CONNECTIONS its load.
 */
const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const durationMs = Number(process.env.BENCH_SECONDS ?? 2) * 1000
const connections = Number(process.env.BENCH_CONNECTIONS ?? 64)
const signedRequestsEach = 500
/** A prober that asks without a pause would be a load of its own. */
const probePauseMs = 10
const context = { purpose: 'bench', tenant: 'a-tenant-of-ordinary-length' }
const dataDir = mkdtempSync(join(tmpdir(), 'claviger-bench-'))

const benchmarks: ReadonlyMap<string, () => Promise<void>> = new Map([
  ['requests', requests], ['decisions', () => decisions({ rounds, durationMs, connections })],
])

console.log(`${rounds} rounds of ${durationMs / 1000} s per measurement, ${connections} connections, after one round to warm up; `
  + 'change them with BENCH_ROUNDS, BENCH_SECONDS, BENCH_CONNECTIONS')
try {
  const wanted = process.argv[2] ?? 'requests'
  const benchmark = benchmarks.get(wanted)
  if (!benchmark) throw new Error(`there is no benchmark ${wanted}, only ${[...benchmarks.keys()].join(', ')}`)
  await benchmark()
} finally {
  endChildren()
  rmSync(dataDir, { recursive: true, force: true })
}

async function requests(): Promise<void> {
  const loader = program('load.js')
  const ports = await baselinePorts()
  const verifying = await operationsOf(await startServer('verifying', { hsm: { verifySeals: true } }))
  const trusting = await operationsOf(await startServer('trusting', { hsm: { verifySeals: false, verifyOpens: false } }))
  const softhsm = join(dataDir, 'verifying', 'softhsm')
  const raw = kept(fork(join(here, 'raw-seal.js'), [findSoftHsm(), 'claviger', join(softhsm, 'pin')], {
    env: { ...process.env, SOFTHSM2_CONF: join(softhsm, 'softhsm2.conf') },
  }))
  await once(raw, 'message')

  const figures: Figures[] = []
  const load = (port: number, requests: readonly string[], ms = durationMs) =>
    ask<LoadResult>(loader, { port, requests, connections, durationMs: ms } satisfies LoadOrder)
  for (let round = 0; round <= rounds; round++) {
    // The first round warms everything up and is not counted.
    const ms = round === 0 ? Math.min(durationMs, 1000) : durationMs
    const signed = verifying.signed('GenerateDataKey')
    const service = ({ port, signed }: Operations, operation: OperationName) => load(port, signed(operation), ms)
    const measured: Figures = {
      bareHttp: await load(ports.bareHttp, signed, ms),
      plainExpress: await load(ports.plainExpress, signed, ms),
      sharedExpress: await load(ports.sharedExpress, signed, ms),
      ownHttp: await load(ports.ownHttp, signed, ms),
      raw: await ask<RawResult>(raw, { durationMs: ms }),
      generateDataKey: await service(verifying, 'GenerateDataKey'),
      encrypt: await service(verifying, 'Encrypt'),
      decrypt: await service(verifying, 'Decrypt'),
      generateDataKeyTrusting: await service(trusting, 'GenerateDataKey'),
      encryptTrusting: await service(trusting, 'Encrypt'),
    }
    if (round > 0) figures.push(measured)
  }
  report(figures, { rounds, durationMs, connections })
  // What is not measured any more shall take no time.
  endChildren()
  reportSlowDevice(await slowDevice(durationMs), await slowServer())
}

/** A whole server on the same slow device: what clients get, and how long `/livez` takes meanwhile. */
async function slowServer(): Promise<SlowServerResult> {
  const { config: { module, tokenLabel, pin, environment }, control } = await faultToken()
  control.set({ on: 'C_Encrypt', action: 'delay', ms: slowCallMs })
  const pinFile = pin && 'file' in pin ? pin.file : ''
  const store = {
    module, tokenLabel, pinFile, environment, profile: 'softhsm', host: 'process', verifySeals: false, lanes: { count: slowLanes },
  }
  const { port, signed } = await operationsOf(await startServer('slow', { hsm: store }))
  const [loader, prober] = [program('load.js'), program('load.js')]
  const requests = signed('Encrypt')
  // Lanes start one after the other, and each compiles its own code.
  await ask<LoadResult>(loader, { port, requests, connections, durationMs: 2 * durationMs } satisfies LoadOrder)
  const livez = ['GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n']
  const [encrypt, alive] = await Promise.all([
    ask<LoadResult>(loader, { port, requests, connections, durationMs } satisfies LoadOrder),
    ask<LoadResult>(prober, { port, requests: livez, connections: 1, durationMs, pauseMs: probePauseMs } satisfies LoadOrder),
  ])
  return { encrypt, livez: alive }
}

async function baselinePorts(): Promise<BaselinePorts> {
  const child = program('baseline-servers.js')
  const [ports] = await once(child, 'message') as [BaselinePorts]
  return ports
}

/** The real program on an embedded token of its own, signatures and audit on, as a user would run it. */
async function startServer(name: string, settings: object): Promise<Signing> {
  const directory = join(dataDir, name)
  mkdirSync(directory)
  const config = join(dataDir, `${name}.yaml`)
  // JSON is YAML, too.
  writeFileSync(config, JSON.stringify(settings))
  const child = kept(spawn(process.execPath, [join(here, '../../src/cli/main.js'), 'server', '--unsupervised'], {
    env: { ...process.env, CLAVIGER_DATA_DIR: directory, CLAVIGER_LISTEN: '127.0.0.1:0', CLAVIGER_CONFIG: config },
    stdio: ['ignore', 'pipe', 'pipe'],
  }))
  await new Promise<void>((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('listening')) resolve()
    })
    child.stderr.on('data', (chunk: Buffer) => text += chunk.toString())
    child.once('exit', () => reject(new Error(`the server did not start: ${text}`)))
  })
  const file = join(directory, 'admin.env')
  const admin = existsSync(file) ? readCredentialsFile(file) : undefined
  return {
    host: new URL(admin?.AWS_ENDPOINT_URL_KMS ?? '').host,
    region: admin?.AWS_REGION ?? '',
    accessKeyId: admin?.AWS_ACCESS_KEY_ID ?? '',
    secret: admin?.AWS_SECRET_ACCESS_KEY ?? '',
  }
}

type OperationName = 'GenerateDataKey' | 'Encrypt' | 'Decrypt'

interface Operations {
  readonly port: number
  /** Made anew for every round: a signature is good for five minutes. */
  readonly signed: (operation: OperationName) => readonly string[]
}

async function operationsOf(signing: Signing): Promise<Operations> {
  const { host, region, accessKeyId, secret } = signing
  const client = new KMSClient({ endpoint: `http://${host}`, region, credentials: { accessKeyId, secretAccessKey: secret } })
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId
  const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.alloc(32, 1), EncryptionContext: context }))
  client.destroy()
  const inputs: Readonly<Record<OperationName, object>> = {
    GenerateDataKey: { KeyId, KeySpec: 'AES_256', EncryptionContext: context },
    Encrypt: { KeyId, Plaintext: Buffer.alloc(32, 1).toString('base64'), EncryptionContext: context },
    Decrypt: { CiphertextBlob: Buffer.from(CiphertextBlob ?? []).toString('base64'), EncryptionContext: context },
  }
  return {
    port: Number(host.split(':')[1]),
    signed: operation => Array.from({ length: signedRequestsEach }, () => signedRequest(operation, inputs[operation], signing)),
  }
}
