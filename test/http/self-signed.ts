import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate for `localhost` that is good today, and its key: enough of X.509 (RFC 5280) for a test of TLS. */
export function selfSigned(): { readonly certificate: string, readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(der(6, Buffer.from('2a8648ce3d040302', 'hex')))
  const commonName = sequence(der(0x31, sequence(der(6, Buffer.from('550403', 'hex')), der(12, Buffer.from('localhost')))))
  const day = 86_400_000
  const validity = sequence(utcTime(Date.now() - day), utcTime(Date.now() + day))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const content = sequence(der(2, Buffer.from([1])), ecdsaWithSha256, commonName, validity, commonName, spki)
  const signature = der(3, Buffer.concat([Buffer.from([0]), sign('sha256', content, privateKey)]))
  const certificate = sequence(content, ecdsaWithSha256, signature).toString('base64')
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function utcTime(time: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(time).toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
