import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Which calls a rule meets; every process counts its own, from when it read the rule. */
interface When {
  /** A function of PKCS#11, or every one. */
  readonly on: `C_${string}` | '*'
  /** From this call on, counted from 1. */
  readonly nth?: number
  /** Each so many calls. */
  readonly every?: number
  /** At most so often in each process; a process that takes the place of another begins anew. */
  readonly times?: number
  /** At most so often in all processes together. */
  readonly total?: number
  /** Only in this process. */
  readonly pid?: number
}

/**
 * What is done to a call. `-after`: once the library behind has done its work, so that only the answer is lost.
 * `rv` answers a CKR; `delay` waits; `hang` waits until the rule is taken away, or for ever; `flip` inverts one bit of the output,
 * by chance if no bit is given; `short` reports one byte less of it; `logout` and `drop-sessions` make the token forget before the call;
 * `removed` answers CKR_DEVICE_REMOVED to everything from then on, in this process; the rest ends the process.
 */
type Action =
  | { readonly action: 'rv' | 'rv-after', readonly code: number }
  | { readonly action: 'delay' | 'delay-after', readonly ms: number }
  | { readonly action: 'hang' | 'hang-after', readonly forEver?: boolean }
  | { readonly action: 'flip', readonly bit?: number }
  | { readonly action: 'short' | 'logout' | 'drop-sessions' | 'removed' }
  | { readonly action: 'exit' | 'exit-after' | 'abort' | 'abort-after' | 'kill' | 'kill-after' }

export type FaultRule = When & Action

/**
 * Ways of a vendor, as long as the rule stands. `iv-…`: who chooses the IV of AES-GCM and where it comes back. `tag-mismatch`: what
 * C_Decrypt answers to bytes that do not verify. `objects`: what fits into a YubiHSM, its authentication key included (256).
 */
export type Imitation =
  | { readonly imitate: 'iv-writeback-init' | 'iv-writeback-encrypt' | 'iv-prefix' | 'cloudhsm' | 'nshield', readonly tagMismatch?: number }
  | { readonly imitate: 'iv-suffix' | 'luna', readonly ivBytes?: number, readonly tagMismatch?: number }
  | { readonly imitate: 'yubihsm', readonly objects?: number, readonly tagMismatch?: number }
  | { readonly imitate: 'tag-mismatch', readonly tagMismatch: number }

/** One call in a trace file. */
export interface TracedCall {
  readonly pid: number
  readonly function: string
  readonly returnValue: number
}

const counters = ['nth', 'every', 'times', 'total', 'pid'] as const
let serial = 0

/** The control file of fault modules, in whatever process they are: they look at it before every call. */
export class FaultControl {
  readonly file: string

  constructor(file: string) {
    this.file = file
    this.clear()
  }

  /** From now on these rules and no others; all counting begins anew. */
  set(...rules: readonly (FaultRule | Imitation)[]): void {
    serial += 1
    // Rules set in one tick of the file system's clock may differ in nothing but the length of the file.
    const text = `${rules.map(line).join('\n')}\n${'#'.repeat(serial % 64)}\n`
    const beside = `${this.file}.${process.pid}-${serial}`
    writeFileSync(beside, text)
    renameSync(beside, this.file)
    this.removeClaims()
  }

  /** The device works, and what hangs goes on. */
  clear(): void {
    this.set()
  }

  /** The control file and what stands beside it. */
  remove(): void {
    rmSync(this.file, { force: true })
    this.removeClaims()
  }

  // By which processes settle among themselves whose turn it was.
  private removeClaims(): void {
    const folder = dirname(this.file)
    const claims = readdirSync(folder).filter(name => name.startsWith(`${basename(this.file)}.claim.`))
    for (const name of claims) rmSync(join(folder, name), { force: true })
  }
}

/** The calls in a file that FAULT_TRACE named, oldest first. */
export function readTrace(file: string): readonly TracedCall[] {
  return readFileSync(file, 'utf8').split('\n').filter(text => text !== '').map(text => {
    const [pid, name = '', returnValue] = text.split(' ')
    return { pid: Number(pid), function: name, returnValue: Number(returnValue) }
  })
}

/** An imitation as the control file and FAULT_IMITATE have it. */
export function imitationText(imitation: Imitation): string {
  return [
    imitation.imitate,
    ...'objects' in imitation ? [`objects=${imitation.objects}`] : [],
    ...'ivBytes' in imitation ? [`iv-bytes=${imitation.ivBytes}`] : [],
    ...imitation.tagMismatch === undefined ? [] : [`tag-mismatch=0x${imitation.tagMismatch.toString(16)}`],
  ].join(' ')
}

function line(rule: FaultRule | Imitation): string {
  if ('imitate' in rule) return `imitate ${imitationText(rule)}`
  const counts = counters.flatMap(name => rule[name] === undefined ? [] : [`${name}=${rule[name]}`])
  return [rule.on, rule.action, ...argument(rule), ...counts].join(' ')
}

function argument(rule: FaultRule): readonly string[] {
  if ('code' in rule) return [`0x${rule.code.toString(16)}`]
  if ('ms' in rule) return [String(rule.ms)]
  if ('forEver' in rule) return rule.forEver ? ['for-ever'] : []
  return 'bit' in rule ? [String(rule.bit)] : []
}
