import { HsmError } from '../../../ports/hsm.js'
import type { Profile, TokenMatch } from './profile.js'
import { softhsm } from './softhsm.js'

const profiles: readonly Profile[] = [softhsm]

/** What library and token say of themselves, without padding. */
export interface TokenIdentity {
  readonly manufacturer: string
  readonly model: string
  readonly libraryDescription: string
}

/** The profile named by configuration, else the one that matches; undefined when none does. */
export function matchProfile(identity: TokenIdentity, name?: string): Profile | undefined {
  if (name !== undefined) return profiles.find(profile => profile.name === name)
  return profiles.find(({ match }) => match.some(each => fits(each, identity)))
}

function fits(match: TokenMatch, identity: TokenIdentity): boolean {
  return (Object.keys(match) as (keyof TokenMatch)[]).every(field => {
    const wanted = match[field] ?? ''
    return wanted.endsWith('*') ? identity[field].startsWith(wanted.slice(0, -1)) : identity[field] === wanted
  })
}

export function chooseProfile(identity: TokenIdentity, name?: string): Profile {
  const profile = matchProfile(identity, name)
  if (profile) return profile
  const known = profiles.map(each => each.name).join(', ')
  const what = name === undefined ? `a ${identity.manufacturer} ${identity.model} token` : `the name ${name}`
  throw new HsmError('configuration', `no HSM profile for ${what}; there are: ${known}`)
}
