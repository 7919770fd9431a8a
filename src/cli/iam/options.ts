import { readFileSync, statSync } from 'node:fs'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { Contract, Members, Shape } from '../../api/shape.js'
import { UnusableInput } from '../../inspect.js'

/** As much as one request may have. */
const fileBytesMax = 512 * 1024
/** Of the pages of a list, which a command puts together by itself. */
const ofPages = ['Marker', 'MaxItems']
const fromFile = 'JSON, or file://path'

/** What a member is, for those whose name does not say it. */
const meanings: Readonly<Record<string, string>> = {
  AccountId: 'another account than the own; for callers of the account of the installation',
  AssumeRolePolicyDocument: `trust policy: ${fromFile}`,
  PolicyDocument: `policy: ${fromFile}`,
  MaxSessionDuration: 'seconds that a session may last',
  Path: '/, or segments between slashes: /team/blue/',
  PathPrefix: 'only what is below this path',
  PermissionsBoundary: 'ARN of the policy that limits',
  Tags: 'key=value ...',
  TagKeys: 'keys ...',
  Filter: 'kinds ...',
}

/** The options that a contract has: `--user-name` for UserName. */
export function addOptions(command: Command, { name, input }: Contract): void {
  for (const [member, shape] of Object.entries(input)) {
    if (ofPages.includes(member)) continue
    // Of an operation that makes an account it is the number that this gets.
    const meaning = name === 'CreateAccount' && member === 'AccountId' ? 'its number; a random one if left out' : meanings[member] ?? ''
    command.addOption(optionOf(member, shape, meaning))
  }
}

function optionOf(member: string, shape: Shape, meaning: string): Option {
  const option = new Option(`--${kebab(member)} ${shape.type === 'list' ? '<values...>' : '<value>'}`, meaning)
  if (shape.required) option.makeOptionMandatory()
  const values = shape.type === 'enum' ? shape.values : shape.type === 'list' && shape.of.type === 'enum' ? shape.of.values : undefined
  if (values) option.choices(values)
  if (shape.type === 'integer') option.argParser(wholeNumber)
  return option
}

function wholeNumber(text: string): number {
  if (/^-?[0-9]{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

/** The input that the options of a command stand for. Throws UnusableInput. */
export function inputOf(members: Members, options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).flatMap(([member, shape]) => {
    const given = options[attribute(member)]
    return given === undefined ? [] : [[member, valueOf(member, shape, given)]]
  }))
}

function valueOf(member: string, shape: Shape, given: unknown): unknown {
  if (shape.type === 'list') {
    const texts = given as readonly string[]
    return shape.of.type === 'structure' ? texts.map(text => tagOf(member, text)) : texts
  }
  return shape.type === 'string' ? textOf(given as string) : given
}

function tagOf(member: string, text: string): { readonly Key: string, readonly Value: string } {
  const [Key, Value] = pairOf(text, `--${kebab(member)}`)
  return { Key, Value }
}

/** `name=value`; the value may have further equals signs. */
export function pairOf(text: string, option: string): readonly [string, string] {
  const equals = text.indexOf('=')
  if (equals < 1) throw new UnusableInput(`${option} takes name=value, so not "${text}"`)
  return [text.slice(0, equals), text.slice(equals + 1)]
}

const filePrefix = 'file://'

/** The text itself, or that of the file that it names. */
export function textOf(text: string): string {
  if (!text.startsWith(filePrefix)) return text
  const file = text.slice(filePrefix.length)
  try {
    // Nothing is known of the size of a pipe.
    if (statSync(file).size > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax} bytes`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UnusableInput(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** `AssumeRolePolicyDocument` as `assume-role-policy-document`. */
export function kebab(name: string): string {
  return name.replace(/(?<=[a-z0-9])[A-Z]/g, '-$&').toLowerCase()
}

/** As commander names the value of the option. */
function attribute(member: string): string {
  return kebab(member).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
