import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditLogOptions, openAuditLog } from '../../../src/adapters/audit-files/audit-log.js'
import { systemClock } from '../../../src/adapters/system-clock.js'
import type { AuditEvent, Checkpoint } from '../../../src/domain/audit-chain.js'
import type { AuditLog, Checkpoints } from '../../../src/ports/audit-log.js'
import type { Log, LogFields } from '../../../src/ports/log.js'

/** Stands for `root/audit` in an HSM: signs digests, as CKM_ECDSA does. */
export interface Signer {
  readonly publicKey: Uint8Array
  readonly privateKey: KeyObject
  readonly sign: (digest: Uint8Array) => Promise<Uint8Array>
}

export function newSigner(): Signer {
  return signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
}

export function signerOfPem(pem: string): Signer {
  return signerOf(createPrivateKey(pem))
}

function signerOf(privateKey: KeyObject): Signer {
  const { d } = privateKey.export({ format: 'jwk' })
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const secret = BigInt(`0x${Buffer.from(d ?? '', 'base64url').toString('hex')}`)
  return { publicKey, privateKey, sign: async digest => signDigest(secret, digest) }
}

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** ECDSA over P-256 (FIPS 186-5, 6.4.1). node:crypto can only sign what it has hashed itself. */
function signDigest(secret: bigint, digest: Uint8Array): Uint8Array {
  const nonce = createECDH('prime256v1')
  const point = nonce.generateKeys()
  const r = BigInt(`0x${point.subarray(1, 33).toString('hex')}`) % order
  const z = BigInt(`0x${Buffer.from(digest).toString('hex')}`)
  const s = inverse(BigInt(`0x${nonce.getPrivateKey('hex')}`)) * (z + r * secret) % order
  return Buffer.from([r, s].map(number => number.toString(16).padStart(64, '0')).join(''), 'hex')
}

function inverse(value: bigint): bigint {
  let [r0, r1, s0, s1] = [order, value % order, 0n, 1n]
  while (r1 > 0n) {
    const quotient = r0 / r1;
    [r0, r1, s0, s1] = [r1, r0 - quotient * r1, s1, s0 - quotient * s1]
  }
  return (s0 + order) % order
}

export class MemoryCheckpoints implements Checkpoints {
  readonly all = new Map<string, Checkpoint>()

  async put(checkpoint: Checkpoint): Promise<void> {
    this.all.set(checkpoint.chain, checkpoint)
  }

  async newest(): Promise<readonly Checkpoint[]> {
    return [...this.all.values()]
  }
}

/** Keeps what it is told. */
export class MemoryLog implements Log {
  readonly entries: { level: string, message: string, fields: LogFields | undefined }[] = []

  debug(message: string, fields?: LogFields): void { this.entries.push({ level: 'debug', message, fields }) }
  info(message: string, fields?: LogFields): void { this.entries.push({ level: 'info', message, fields }) }
  warn(message: string, fields?: LogFields): void { this.entries.push({ level: 'warn', message, fields }) }
  error(message: string, fields?: LogFields): void { this.entries.push({ level: 'error', message, fields }) }

  messages(level: string): readonly string[] {
    return this.entries.filter(entry => entry.level === level).map(({ message }) => message)
  }
}

/** Without checkpoints by time, unless a test asks for them. */
export function openLog(directory: string, signer: Signer, options: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
  return openAuditLog({
    directory,
    sign: signer.sign,
    rootVersion: 1,
    publicKey: signer.publicKey,
    checkpoints: new MemoryCheckpoints(),
    clock: systemClock,
    log: new MemoryLog(),
    instance: 'test',
    ...options,
    limits: { checkpointMs: 2 ** 30, ...options.limits },
  })
}

export function event(eventID: string, more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    eventVersion: '1.11',
    eventTime: '2026-01-31T12:00:00.000Z',
    eventSource: 'kms.amazonaws.com',
    eventName: 'GenerateDataKey',
    eventType: 'AwsApiCall',
    eventID,
    sourceIPAddress: '127.0.0.1',
    userIdentity: { type: 'IAMUser', arn: 'arn:aws:iam::123456789012:user/jürgen' },
    readOnly: true,
    requestParameters: { keySpec: 'AES_256', encryptionContext: { purpose: 'test' } },
    ...more,
  }
}

export async function appendMany(log: AuditLog, count: number, prefix = 'event'): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, at) => log.append(event(`${prefix}-${at}`))))
}

export async function segmentsOf(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).filter(name => name.endsWith('.jsonl')).sort()
}

export interface Line extends Record<string, unknown> {
  readonly chain: string
  readonly seq: number
  readonly prev: string
  readonly start?: { readonly previous: readonly Record<string, unknown>[] }
  readonly checkpoint?: Checkpoint
}

/** All complete lines of all segments, in the order of their names. */
export async function textLines(directory: string): Promise<readonly string[]> {
  const texts = await Promise.all((await segmentsOf(directory)).map(file => readFile(join(directory, file), 'utf8')))
  return texts.flatMap(text => text.split('\n').slice(0, -1))
}

export async function records(directory: string): Promise<readonly Line[]> {
  return (await textLines(directory)).map(line => JSON.parse(line) as Line)
}

/** A directory for each test, removed behind it. */
export function temporaryDirectories(): () => Promise<string> {
  const made: string[] = []
  after(() => Promise.all(made.map(directory => rm(directory, { recursive: true, force: true }))))
  return async () => {
    const directory = await mkdtemp(join(tmpdir(), 'claviger-audit-'))
    made.push(directory)
    return directory
  }
}
