import { readFile, stat } from 'node:fs/promises'
import { createLocalJWKSet, type CompactVerifyGetKey, type JSONWebKeySet } from 'jose'

/** Where the JSON Web Key Set of an issuer comes from. */
export type KeySource = { readonly file: string } | { readonly url: string }

/** Of a key set; one has some dozen keys of some hundred bytes. */
export const keySetBytesMax = 64 * 1024
const fetchMsMax = 5_000

/** Reads a key set; undefined if it is known to be what was read last. Throws when it cannot be read, or is no key set. */
export type ReadKeySet = () => Promise<CompactVerifyGetKey | undefined>

export function readerOf(source: KeySource): ReadKeySet {
  return 'file' in source ? fileReader(source.file) : async () => keySetIn(await fetched(source.url))
}

/** Throws for what is no JSON Web Key Set (RFC 7517, section 5). */
export function keySetIn(text: string): CompactVerifyGetKey {
  return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)
}

/** Looks at the file every time, which is cheap, and reads it when it is another: also when a link was turned, as Kubernetes does. */
function fileReader(file: string): ReadKeySet {
  let known: string | undefined
  return async () => {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    const version = [ino, size, mtimeNs, ctimeNs].join(' ')
    if (version === known) return undefined
    if (size > keySetBytesMax) throw tooLarge()
    const keys = keySetIn(await readFile(file, 'utf8'))
    known = version
    return keys
  }
}

/** A redirection is an error: it would let whoever answers name another place to ask. */
async function fetched(url: string): Promise<string> {
  const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(fetchMsMax), headers: { accept: 'application/json' } })
  if (answer.status !== 200) {
    await answer.body?.cancel()
    throw new Error(`it answered with status ${answer.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    // Leaving the loop ends the answer.
    if (bytes > keySetBytesMax) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function tooLarge(): Error {
  return new Error(`it is larger than ${keySetBytesMax} bytes`)
}
