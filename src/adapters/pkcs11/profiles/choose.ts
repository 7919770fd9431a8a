import { HsmError } from '../../../ports/hsm.js'
import type { Profile } from './profile.js'
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
  return profiles.find(({ match }) => (Object.keys(match) as (keyof TokenIdentity)[]).every(field => match[field] === identity[field]))
}

export function chooseProfile(identity: TokenIdentity, name?: string): Profile {
  const profile = matchProfile(identity, name)
  if (profile) return profile
  const known = profiles.map(each => each.name).join(', ')
  const what = name === undefined ? `a ${identity.manufacturer} ${identity.model} token` : `the name ${name}`
  throw new HsmError('configuration', `no HSM profile for ${what}; there are: ${known}`)
}
