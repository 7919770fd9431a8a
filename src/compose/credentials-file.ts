import { readCredentialsFile, writeCredentialsFile } from '../adapters/credentials-file.js'
import type { Config } from '../config.js'
import type { Administrator } from '../service/first-start.js'

type Variables = Readonly<Record<string, string>>

/** What the administrator's credentials file holds. */
export function credentialsOf({ accessKeyId, secret, accountId }: Administrator, config: Config): Variables {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secret,
    ...placeOf(urlOf(config, config.listen.port), config.regions[0] ?? ''),
    CLAVIGER_ACCOUNT_ID: accountId,
  }
}

/** Port and home region may be others at every start. A file that the operator has taken away is not made again. */
export function updateEndpoint(file: string, url: string, region: string): void {
  const credentials = readCredentialsFile(file)
  if (!credentials) return
  const place = placeOf(url, region)
  if (Object.entries(place).every(([name, value]) => credentials[name] === value)) return
  writeCredentialsFile(file, { ...credentials, ...place })
}

/** The SDKs and the CLI from 2.13 on find both services there by themselves. */
function placeOf(url: string, region: string): Variables {
  return { AWS_REGION: region, AWS_ENDPOINT_URL_KMS: url, AWS_ENDPOINT_URL_STS: url }
}

export function urlOf({ listen: { host }, tls }: Config, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `${tls ? 'https' : 'http'}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}
