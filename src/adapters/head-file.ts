import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { HeadWitness } from '../ports/store.js'

const ownerOnlyFile = 0o600
const ownerOnlyDirectory = 0o700

/** The head of the store as a number in a file, replaced as a whole. Stands beside the audit log, which is not restored with the store. */
export function headFile(file: string): HeadWitness {
  return {
    read() {
      if (!existsSync(file)) return 0
      const text = readFileSync(file, 'utf8').trim()
      if (!/^[0-9]{1,15}$/.test(text)) throw new Error(`${file} does not hold a number`)
      return Number(text)
    },
    write(head) {
      mkdirSync(dirname(file), { recursive: true, mode: ownerOnlyDirectory })
      const descriptor = openSync(`${file}.new`, 'w', ownerOnlyFile)
      try {
        writeSync(descriptor, `${head}\n`)
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      renameSync(`${file}.new`, file)
    },
  }
}
