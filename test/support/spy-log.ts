import { existsSync, readFileSync } from 'node:fs'

/** Where the package opensc-pkcs11 puts it (Debian), by architecture. */
const spyFiles = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map(directory => `/usr/lib/${directory}/pkcs11-spy.so`)

/** OpenSC's pkcs11-spy: a library that stands between a program and its PKCS#11 module and writes down every call. */
export function findSpy(): string {
  const file = spyFiles.find(each => existsSync(each))
  if (!file) throw new Error('pkcs11-spy.so is not installed (on Debian: apt-get install opensc-pkcs11)')
  return file
}

/**
 * How often C_EncryptInit was called with the object of each label, by the log of one run of one process: object handles mean nothing
 * in another run.
 */
export function encryptionsByLabel(file: string): ReadonlyMap<string, number> {
  const labels = new Map<string, string>()
  const encryptions = new Map<string, number>()
  let searched: string | undefined
  for (const { name, text } of calls(file)) {
    if (name === 'C_FindObjectsInit') searched = labelIn(text)
    if (name === 'C_FindObjects' && searched !== undefined) {
      for (const [, handle = ''] of text.matchAll(/^Object 0x(\w+) matches$/gm)) labels.set(handle, searched)
    }
    const made = name === 'C_GenerateKey' && /^\[out\] hKey = 0x(\w+)$/m.exec(text)?.[1]
    if (made) labels.set(made, labelIn(text) ?? '')
    if (name !== 'C_EncryptInit') continue
    const label = labels.get(/^\[in\] hKey = 0x(\w+)$/m.exec(text)?.[1] ?? '')
    if (label === undefined) throw new Error(`an encryption with an object that was neither made nor looked up:\n${text}`)
    encryptions.set(label, (encryptions.get(label) ?? 0) + 1)
  }
  return encryptions
}

/** A call is written when it returns, so a killed process leaves out at most the one it died in. */
function calls(file: string): readonly { readonly name: string, readonly text: string }[] {
  const texts = readFileSync(file, 'latin1').split(/^(?=\d+: C_\w+\n)/m).slice(1)
  return texts.map(text => ({ text, name: /C_\w+/.exec(text)?.[0] ?? '' }))
}

/**
 * CKA_LABEL in a template. It is shown in rows of 32 bytes, each as hexadecimal digits in groups of four bytes and below them as
 * characters; but the digits of a second row begin where the characters of the first end, in the same line.
 */
function labelIn(text: string): string | undefined {
  const [, length = '', digits = '', next = ''] = /^ +CKA_LABEL +\w+ \/ (\d+)\n +([0-9A-F ]+)\n(.*)$/m.exec(text) ?? []
  const missing = Number(length) - 32
  const rest = missing > 0 ? next.slice(-(2 * missing + Math.floor((missing - 1) / 4))) : ''
  return length === '' ? undefined : Buffer.from(`${digits}${rest}`.replaceAll(' ', ''), 'hex').toString()
}
