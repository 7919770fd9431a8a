import pkcs11, { type Handle } from 'pkcs11js'
import { attributeNames, shown, template, type AttributeName, type AttributeValues } from '../../driver/attributes.js'
import { objectPlans, readAttribute, type ObjectPlan } from '../../driver/evidence.js'
import { fixedTemplate } from '../parts.js'
import { suiteOf, type ObjectRole, type Profile, type TemplateFacts } from '../profile.js'
import { ask, type Answer, type Trial } from './trial.js'

/** How the token lets itself be told what a key is, and what it says of it afterwards. */
export interface ObjectObservation {
  readonly template: Readonly<Partial<Record<ObjectRole, TemplateFacts>>>
  readonly allowedMechanisms: boolean
  readonly unreadable: readonly AttributeName[]
  /** What no key of ours may say of itself, in words; such a token cannot be used. */
  readonly faults: readonly string[]
}

/** Without these a key is not the key it should be. */
const core: Readonly<Record<ObjectRole, readonly AttributeName[]>> = {
  secret: ['class', 'key_type', 'value_len', 'token', 'label', 'encrypt', 'decrypt', 'extractable'],
  mac: ['class', 'key_type', 'token', 'label', 'sign', 'verify', 'extractable'],
  private: ['class', 'key_type', 'token', 'label', 'sign', 'extractable'],
  public: ['class', 'key_type', 'token', 'label', 'ec_params', 'verify'],
}
/** Read otherwise than asked these say nothing of a key's safety on a token that says so of every key. */
const harmless: readonly AttributeName[] = ['local', 'key_gen_mechanism', 'value_len']

/** What is made by one call: both halves of a pair are. */
export type TrialRole = 'secret' | 'mac' | 'pair'

export interface Made {
  readonly profile: Profile
  /** In the order of the plans. */
  readonly objects: readonly Handle[]
}

/** What the driver would make by this profile, under the trial's label and without an id. */
export function plansOf(trial: Trial, role: TrialRole, profile: Profile): readonly ObjectPlan[] {
  const kinds = { secret: suiteOf(profile), mac: 'hmac-sha-256', pair: 'ecdsa-p256' } as const
  const plans = objectPlans({ name: trial.label, macName: trial.label, id: new Uint8Array(), kind: kinds[role] }, profile)
  return role === 'pair' ? plans : plans.filter(plan => plan.role === role)
}

/** Makes the objects of one or two plans, as the driver does. */
export function make(trial: Trial, plans: readonly ObjectPlan[]): readonly Handle[] {
  const [first, second] = plans
  if (!first) return []
  if (!second) return [trial.key(first.generate, first.wanted)]
  const [open, secret] = first.role === 'public' ? [first, second] : [second, first]
  const pair = trial.pair(first.generate, template(trial.here(open.wanted)), template(trial.here(secret.wanted)))
  return plans.map(({ role }) => role === 'public' ? pair.publicKey : pair.privateKey)
}

/** The first of the profiles by which the objects can be made, or why the last one could not. */
export function firstMade(trial: Trial, role: TrialRole, profiles: readonly Profile[]): Answer<Made> {
  let answer: Answer<Made> = { ok: false, returnValue: undefined, text: 'nothing was tried' }
  for (const profile of profiles) {
    answer = ask(() => ({ profile, objects: make(trial, plansOf(trial, role, profile)) }))
    if (answer.ok) return answer
  }
  return answer
}

export function observeObjects(trial: Trial, base: Profile): ObjectObservation {
  const everything: Profile = { ...base, template: fixedTemplate, allowedMechanisms: true, idBytesMax: 0, unreadable: [] }
  const seen = (['secret', 'mac', 'pair'] as const).map(role => observeRole(trial, role, everything)).filter(each => each !== undefined)
  return {
    template: Object.assign({}, ...seen.map(({ template: facts }) => facts)) as ObjectObservation['template'],
    allowedMechanisms: seen.length > 0 && seen.every(({ allowedMechanisms }) => allowedMechanisms),
    unreadable: [...new Set(seen.flatMap(({ unreadable }) => unreadable))],
    faults: seen.flatMap(({ faults }) => faults),
  }
}

/** undefined where the token makes no such objects at all. */
function observeRole(trial: Trial, role: TrialRole, everything: Profile): ObjectObservation | undefined {
  const accepted = firstMade(trial, role, [everything, { ...everything, allowedMechanisms: false }])
  if (accepted.ok) return readBack(trial, role, accepted.value.profile, accepted.value.objects)
  const found = addOneByOne(trial, role, everything)
  return found && readBack(trial, role, found.profile, found.objects)
}

/** From the fewest attributes up: each one stays if the token still makes the key. */
function addOneByOne(trial: Trial, role: TrialRole, everything: Profile): Made | undefined {
  const roles: readonly ObjectRole[] = role === 'pair' ? ['private', 'public'] : [role]
  const start = firstMade(trial, role, barest(trial, role, everything))
  if (!start.ok) return undefined
  let { profile, objects } = start.value
  const tryOn = (next: Profile): void => {
    const answer = firstMade(trial, role, [next])
    if (!answer.ok) return
    trial.discard(...objects);
    ({ profile, objects } = answer.value)
  }
  for (const each of roles) {
    for (const name of profile.template[each].omit) {
      tryOn(withFacts(profile, each, facts => ({ ...facts, omit: facts.omit.filter(one => one !== name) })))
    }
    for (const [name, value] of Object.entries(fixedTemplate[each].set)) {
      tryOn(withFacts(profile, each, facts => ({ ...facts, set: { ...facts.set, [name]: value as boolean } })))
    }
  }
  tryOn({ ...profile, allowedMechanisms: true })
  return { profile, objects }
}

/** HMAC keys are generic secrets with a length, or without one, or have a type of their own. */
function barest(trial: Trial, role: TrialRole, everything: Profile): readonly Profile[] {
  const roles: readonly ObjectRole[] = role === 'pair' ? ['private', 'public'] : [role]
  const bare = { ...everything, allowedMechanisms: false, template: { ...everything.template } }
  for (const each of roles) {
    const wanted = plansOf(trial, role, everything).find(plan => plan.role === each)?.wanted ?? {}
    const kept: readonly string[] = [...core[each], ...attributeNames(fixedTemplate[each].set), 'allowed_mechanisms']
    const omit = attributeNames(wanted).filter(name => !kept.includes(name))
    bare.template = { ...bare.template, [each]: { set: {}, omit } }
  }
  if (role !== 'mac') return [bare]
  const withLength = withFacts(bare, 'mac', ({ omit }) => ({ set: {}, omit: omit.filter(name => name !== 'value_len') }))
  const set = { key_type: pkcs11.CKK_SHA256_HMAC }
  const ownType = (profile: Profile): Profile => withFacts(profile, 'mac', ({ omit }) => ({ set, omit }))
  return [withLength, bare, ownType(bare), ownType(withLength)]
}

function withFacts(profile: Profile, role: ObjectRole, change: (facts: TemplateFacts) => TemplateFacts): Profile {
  return { ...profile, template: { ...profile.template, [role]: change(profile.template[role]) } }
}

/** What the new objects say of themselves, against what they should. They are destroyed afterwards. */
function readBack(trial: Trial, role: TrialRole, profile: Profile, objects: readonly Handle[]): ObjectObservation {
  const plans = plansOf(trial, role, profile)
  const templates: Partial<Record<ObjectRole, TemplateFacts>> = {}
  const [unreadable, faults] = [new Set<AttributeName>(), new Set<string>()]
  let { allowedMechanisms } = profile
  plans.forEach((plan, at) => {
    const told = readAll(trial, objects[at] as Handle, plan)
    const open = plan.role === 'public' ? ['private'] : []
    const wrong = attributeNames(told.values).filter(name => ![...harmless, ...open].includes(name))
    const dropped = wrong.filter(name => name in profile.template[plan.role].set && name !== 'key_type')
    for (const name of told.missing) unreadable.add(name)
    if (told.missing.includes('allowed_mechanisms') || wrong.includes('allowed_mechanisms')) allowedMechanisms = false
    for (const name of wrong.filter(each => !dropped.includes(each) && each !== 'allowed_mechanisms')) {
      faults.add(`${name} of a new ${plan.role} key is ${String(told.values[name])}`)
    }
    const set = without(profile.template[plan.role].set, [...dropped, ...told.missing])
    const reads = without(told.values, wrong)
    templates[plan.role] = { set, omit: profile.template[plan.role].omit, ...(attributeNames(reads).length > 0 ? { reads } : {}) }
  })
  trial.discard(...objects)
  unreadable.delete('allowed_mechanisms')
  for (const name of attributeNames(fixedTemplate.secret.set)) unreadable.delete(name)
  return { template: templates, allowedMechanisms, unreadable: [...unreadable], faults: [...faults] }
}

function readAll(trial: Trial, object: Handle, plan: ObjectPlan): { missing: readonly AttributeName[], values: AttributeValues } {
  const missing: AttributeName[] = []
  const values: Record<string, boolean | number | string> = {}
  for (const name of attributeNames(plan.expected)) {
    if (name === 'token') continue
    const value = trial.reading(session => readAttribute(trial.lib, session, object, name))
    const expected = plan.expected[name]
    if (value === undefined) missing.push(name)
    else if (expected === undefined || value !== shown(expected)) values[name] = value
  }
  return { missing, values }
}

function without(values: AttributeValues, names: readonly AttributeName[]): AttributeValues {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name as AttributeName)))
}
