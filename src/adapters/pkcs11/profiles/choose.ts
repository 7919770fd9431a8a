import { HsmError } from '../../../ports/hsm.js'
import { cloudhsm } from './cloudhsm.js'
import { generic } from './generic.js'
import { luna } from './luna.js'
import { nshield } from './nshield.js'
import { nss } from './nss.js'
import { opencryptoki } from './opencryptoki.js'
import { p11kit } from './p11kit.js'
import type { Profile, TokenMatch } from './profile.js'
import { softhsm } from './softhsm.js'
import { yubihsm } from './yubihsm.js'

export const profiles: readonly Profile[] = [softhsm, cloudhsm, yubihsm, luna, nshield, opencryptoki, nss, p11kit, generic]

/** What library and token say of themselves, without padding. */
export interface TokenIdentity {
  readonly manufacturer: string
  readonly model: string
  readonly libraryDescription: string
}

/** The one whose match says most about this token; undefined when none does. */
export function matchProfile(identity: TokenIdentity): Profile | undefined {
  const fitting = profiles.flatMap(profile => profile.match.filter(each => fits(each, identity)).map(each => ({ profile,
  weight: weightOf(each) })))
  return fitting.reduce<(typeof fitting)[number] | undefined>((best, each) => best && best.weight >= each.weight ? best : each,
  undefined)?.profile
}

/** The profile named by configuration, else the one that matches, else `generic`. Throws as `requireProfile` does. */
export function chooseProfile(identity: TokenIdentity, name?: string): Profile {
  return name === undefined ? matchProfile(identity) ?? generic : requireProfile(name)
}

/** Throws kind `configuration` for a name that no profile has. */
export function requireProfile(name: string): Profile {
  const profile = profiles.find(each => each.name === name)
  if (profile) return profile
  throw new HsmError('configuration', `there is no HSM profile named ${name}; there are: ${profiles.map(each => each.name).join(', ')}`)
}

function fits(match: TokenMatch, identity: TokenIdentity): boolean {
  return fieldsOf(match).every(field => {
    const [wanted, told] = [match[field] ?? '', identity[field]]
    const bare = wanted.replaceAll('*', '')
    if (wanted.startsWith('*')) return told.includes(bare)
    return wanted.endsWith('*') ? told.startsWith(bare) : told === bare
  })
}

/** How much a match says: first by the number of its fields, then by what of them is exact. */
function weightOf(match: TokenMatch): number {
  const fields = fieldsOf(match)
  return fields.length * 10 + fields.filter(field => !(match[field] ?? '').includes('*')).length
}

function fieldsOf(match: TokenMatch): readonly (keyof TokenMatch)[] {
  return Object.keys(match) as (keyof TokenMatch)[]
}
