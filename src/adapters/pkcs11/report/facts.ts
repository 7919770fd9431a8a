import { attributeNames } from '../driver/attributes.js'
import { returnValueName } from '../driver/errors.js'
import type { FactName, Profile, SealFacts, Source, TemplateFacts, TokenMatch } from '../profiles/profile.js'
import { mechanismName } from './offers.js'

/** One statement of a profile, for a reader. */
export interface FactReport {
  readonly fact: FactName
  readonly value: string
  readonly source: Source
}

type Text = (profile: Profile) => string

const texts: Readonly<Record<FactName, Text>> = {
  match: ({ match }) => match.map(matchText).join(', or ') || 'nothing',
  host: ({ host }) => host,
  pin: ({ pin }) => pin,
  seal: ({ seal }) => sealText(seal),
  oaep: ({ oaep }) => oaep,
  import: profile => profile.import,
  edwards: ({ edwards }) => `curve by its ${edwards.parameters}, ${edwards.prehash ? 'with' : 'without'} Ed25519ph`,
  lacks: ({ lacks }) => lacks.join(', ') || 'nothing',
  macBytesMax: ({ macBytesMax }) => bytes(macBytesMax),
  randomChunkBytes: ({ randomChunkBytes }) => bytes(randomChunkBytes),
  labelBytesMax: ({ labelBytesMax }) => bytes(labelBytesMax),
  idBytesMax: ({ idBytesMax }) => idBytesMax === 0 ? 'none is given' : bytes(idBytesMax),
  helperObjects: ({ helperObjects }) => yes(helperObjects),
  objectsMax: ({ objectsMax }) => objectsMax === null ? 'not known' : String(objectsMax),
  pairIsOneObject: ({ pairIsOneObject }) => yes(pairIsOneObject),
  template: ({ template }) => Object.entries(template).map(([role, facts]) => `${role} ${templateText(facts)}`).join('; '),
  allowedMechanisms: ({ allowedMechanisms }) => yes(allowedMechanisms),
  checkValue: ({ checkValue }) => yes(checkValue),
  sessionKeys: ({ sessionKeys }) => yes(sessionKeys),
  unreadable: ({ unreadable }) => unreadable.join(', ') || 'nothing',
  leavesUnfinished: ({ leavesUnfinished }) => yes(leavesUnfinished),
  returnValues: ({ returnValues }) => Object.entries(returnValues).filter(([, codes]: [string, readonly number[]]) => codes.length > 0)
    .map(([name, codes]: [string, readonly number[]]) => `${name} ${codes.map(returnValueName).join(', ')}`).join('; '),
  recover: ({ recover }) => recover.join(', '),
  lanes: ({ lanes }) => Object.entries(lanes).map(([name, value]: [string, unknown]) => `${name} ${String(value)}`).join(', '),
}

export const factNames = Object.keys(texts) as readonly FactName[]

/** What a profile says, and where each statement comes from. */
export function factsOf(profile: Profile): readonly FactReport[] {
  return factNames.map(fact => ({ fact, value: texts[fact](profile), source: profile.sources[fact] ?? 'documentation' }))
}

function matchText(match: TokenMatch): string {
  return Object.entries(match).map(([name, value]: [string, string]) => `${name} "${value}"`).join(' and ')
}

function sealText({ mode, gcmMechanism, ivBytes, ivBits, plaintextBytesMax, emptyPlaintext }: SealFacts): string {
  const mechanism = mechanismName(gcmMechanism) ?? `0x${gcmMechanism.toString(16)}`
  const how = mode === 'cbc-hmac' ? mode : `${mode} by ${mechanism}, IV of ${ivBytes} bytes, ulIvBits ${ivBits}`
  return `${how}, plaintext up to ${plaintextBytesMax} bytes${emptyPlaintext ? '' : ', never empty'}`
}

function templateText({ set, omit, reads = {} }: TemplateFacts): string {
  const parts = [
    ...attributeNames(set).map(name => `${name} ${String(set[name])}`), ...omit.map(name => `without ${name}`),
    ...attributeNames(reads).map(name => `reads ${name} ${String(reads[name])}`),
  ]
  return parts.join(', ') || 'as every vendor takes it'
}

function yes(value: boolean): string {
  return value ? 'yes' : 'no'
}

function bytes(count: number): string {
  return `${count} bytes`
}
