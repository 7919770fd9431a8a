import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as sdk from '@aws-sdk/client-kms'
import * as stsSdk from '@aws-sdk/client-sts'
import { expect } from 'chai'
import * as enums from '../../src/api/enums.js'
import { contracts } from '../../src/api/operations.js'
import type { Members, Shape } from '../../src/api/shape.js'
import { stsContracts } from '../../src/api/sts.js'

/**
 * The contracts against two things that AWS publishes with its SDK: the schemas it serialises by (types, required, sensitive) and
 * its type declarations (which enumeration a member is of, which errors an operation throws).
 */
const types = dirname(createRequire(import.meta.url).resolve('@aws-sdk/client-kms/package.json'))
const declarations = join(types, 'dist-types')

/** One member as both sides describe it. */
interface Described {
  readonly type: string
  readonly required: boolean
  readonly sensitive: boolean
  readonly of?: Described
  readonly key?: Described
  readonly members?: Record<string, Described>
}

/** A schema of the SDK: a number for simple types, a function for a reference, else an array whose first entry says what it is. */
type Schema = number | string | (() => Schema) | readonly [number, string, string, unknown, ...unknown[]]
const simple: Readonly<Record<number, string>> = { 0: 'string', 1: 'integer', 2: 'boolean', 4: 'timestamp', 21: 'blob' }
const [listOf, mapOf] = [64, 128]
const [kindSimple, kindList, kindMap, kindStructure] = [0, 1, 2, 3]
/** The bit of a trait mask that stands for `@sensitive`. */
const sensitiveTrait = 8

function ofSdk(schema: Schema, required = false, sensitive = false): Described {
  if (typeof schema === 'function') return ofSdk(schema(), required, sensitive)
  if (typeof schema === 'number') return { ...ofNumber(schema), required, sensitive }
  if (typeof schema === 'string') throw new Error(`unknown schema ${schema}`)
  // A member may carry traits of its own: [schema, traits].
  const parts: readonly unknown[] = schema
  if (parts.length === 2) return ofSdk(parts[0] as Schema, required, isSensitive(parts[1]))
  const [kind, , , traits, first, second, requiredCount] = schema
  const hidden = sensitive || isSensitive(traits)
  switch (kind) {
    case kindSimple: return ofSdk(first as Schema, required, hidden)
    case kindList: return { type: 'list', required, sensitive: hidden, of: ofSdk(first as Schema) }
    case kindMap: return { type: 'map', required, sensitive: hidden, key: ofSdk(first as Schema), of: ofSdk(second as Schema) }
    case kindStructure:
      return { type: 'structure', required, sensitive: hidden, members: ofStructure(schema, requiredCount as number | undefined) }
    default: throw new Error(`unknown kind of schema ${kind}`)
  }
}

function ofNumber(schema: number): Omit<Described, 'required' | 'sensitive'> {
  if (schema >= mapOf) return { type: 'map', key: ofSdk(0), of: ofSdk(schema - mapOf) }
  if (schema >= listOf) return { type: 'list', of: ofSdk(schema - listOf) }
  return { type: simple[schema] ?? `unknown ${schema}` }
}

function isSensitive(traits: unknown): boolean {
  return typeof traits === 'number' ? (traits & sensitiveTrait) !== 0 : Boolean((traits as { sensitive?: unknown } | null)?.sensitive)
}

/** Required members come first; their number is the last entry, if there are any. */
function ofStructure(schema: readonly unknown[], requiredCount = 0): Record<string, Described> {
  const [names, schemas] = [schema[4] as readonly string[], schema[5] as readonly Schema[]]
  return Object.fromEntries(names.map((name, at) => [name, ofSdk(schemas[at] as Schema, at < requiredCount)]))
}

function ours(shape: Shape): Described {
  const common = { required: shape.required ?? false, sensitive: 'sensitive' in shape && shape.sensitive === true }
  switch (shape.type) {
    case 'enum': return { ...common, type: 'string' }
    case 'list': return { ...common, type: 'list', of: ours(shape.of) }
    case 'map': return { ...common, type: 'map', key: ours(shape.key), of: ours(shape.value) }
    case 'structure': return { ...common, type: 'structure', members: oursOf(shape.members) }
    case 'string': case 'integer': case 'boolean': case 'blob': case 'timestamp': return { ...common, type: shape.type }
  }
}

function oursOf(members: Members): Record<string, Described> {
  return Object.fromEntries(Object.entries(members).map(([name, shape]) => [name, ours(shape)]))
}

const exported = sdk as unknown as Readonly<Record<string, Schema>>
const operationNames = Object.keys(exported).flatMap(name => /^([A-Z]\w*)Command$/.exec(name)?.[1] ?? []).sort()

function schemasOf(operation: string, of = exported): { input: Schema, output: Schema } {
  const [input, output] = (of[`${operation}$`] as readonly unknown[]).slice(4) as [() => Schema, () => Schema]
  return { input: input(), output: output() }
}

/** What the SDK calls a structure; not always after its operation. */
function nameIn(schema: Schema): string {
  return Array.isArray(schema) ? String((schema as readonly unknown[])[2]) : ''
}

/** The members of every declared structure, by structure, with their declared types. */
const declared = declaredMembers(readFileSync(join(declarations, 'models', 'models_0.d.ts'), 'utf8'))
const enumNames = Object.keys(exported).filter(name => /^[A-Z]\w+$/.test(name) && typeof exported[name] === 'object')

function declaredMembers(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  return new Map([...text.matchAll(/^export interface (\w+) \{\n([^]*?)^\}/gm)].map(([, name = '', body = '']) => {
    const members = [...body.matchAll(/^ {4}(\w+)\??: ([^;]+?)(?: \| undefined)?;$/gm)]
    return [name, new Map(members.map(([, member = '', type = '']) => [member, type]))]
  }))
}

/** `path: Enumeration` for every enumerated member of a declared structure, and of those inside it. */
function declaredEnums(structure: string, path: string): readonly string[] {
  return [...declared.get(structure) ?? []].flatMap(([member, type]) => {
    const name = type.replace('[]', '')
    return enumNames.includes(name) ? [`${path}.${member}: ${name}`] : declared.has(name) ? declaredEnums(name, `${path}.${member}`) : []
  })
}

function ourEnums(members: Members, path: string): readonly string[] {
  return Object.entries(members).flatMap(([member, shape]) => {
    const inner = shape.type === 'list' ? shape.of : shape
    if (inner.type === 'structure') return ourEnums(inner.members, `${path}.${member}`)
    return inner.type === 'enum' ? [`${path}.${member}: ${nameOf(inner.values)}`] : []
  })
}

function nameOf(values: readonly string[]): string {
  const [name = 'not in api/enums.ts'] = Object.entries(enums).find(([, of]) => of === values) ?? []
  return name.charAt(0).toUpperCase() + name.slice(1)
}

describe('the contracts', () => {
  it('are those of the SDK, no more and no fewer', () => {
    expect(operationNames).to.have.length(56)
    expect([...contracts.keys()].sort()).to.deep.equal(operationNames)
  })

  for (const operation of operationNames) {
    const contract = contracts.get(operation)

    it(`${operation} takes what the SDK sends`, () => {
      expect(oursOf(contract?.input ?? {})).to.deep.equal(ofSdk(schemasOf(operation).input).members)
    })

    it(`${operation} answers what the SDK reads`, () => {
      const { output } = schemasOf(operation)
      if (output === 'unit') expect(contract?.output).to.equal(null)
      else expect(oursOf(contract?.output ?? {})).to.deep.equal(ofSdk(output).members)
    })

    it(`${operation} uses the enumerations that are declared`, () => {
      const { input, output } = schemasOf(operation)
      expect(ourEnums(contract?.input ?? {}, 'input')).to.have.members(declaredEnums(nameIn(input), 'input'))
      expect(ourEnums(contract?.output ?? {}, 'output')).to.have.members(declaredEnums(nameIn(output), 'output'))
    })

    it(`${operation} lists the errors that are declared`, () => {
      const text = readFileSync(join(declarations, 'commands', `${operation}Command.d.ts`), 'utf8')
      const thrown = [...text.matchAll(/@throws \{@link (\w+)\} \((?:client|server) fault\)/g)].map(([, name]) => name)
      expect(thrown).not.to.be.empty
      expect(contract?.errors).to.have.members(thrown)
    })
  }
})

describe('the contracts of STS', () => {
  const exportedSts = stsSdk as unknown as Readonly<Record<string, Schema>>
  const inDeclarations = join(dirname(createRequire(import.meta.url).resolve('@aws-sdk/client-sts/package.json')), 'dist-types', 'commands')

  type MembersOf = Record<string, Described> | undefined
  /** `Tags.Key string` for every member, however deep. */
  const flat = (members: MembersOf, keep: (one: Described) => boolean, at = ''): readonly string[] =>
    Object.entries(members ?? {}).flatMap(([name, one]) => {
      const inner = flat(one.members ?? one.of?.members, keep, `${at}${name}.`)
      return [...keep(one) ? [`${at}${name} ${one.type}`] : [], ...inner]
    })

  for (const [operation, { input, output, errors }] of stsContracts) {
    const { input: theirInput, output: theirOutput } = schemasOf(operation, exportedSts)
    const pairs = {
      takes: [oursOf(input), ofSdk(theirInput).members], answers: [oursOf(output ?? {}), ofSdk(theirOutput).members],
    } as const

    for (const [verb, [ours, theirs]] of Object.entries(pairs)) {
      it(`${operation} ${verb} what the SDK knows`, () => {
        expect(flat(ours, () => true)).to.have.members([...flat(theirs, () => true)])
        if (verb === 'takes') expect(flat(ours, one => one.required)).to.have.members([...flat(theirs, one => one.required)])
        // More is kept out of logs here than the SDK keeps out of its own.
        expect(flat(ours, one => one.sensitive)).to.include.members([...flat(theirs, one => one.sensitive)])
      })
    }

    it(`${operation} lists the errors that are declared`, () => {
      const text = readFileSync(join(inDeclarations, `${operation}Command.d.ts`), 'utf8')
      const thrown = [...text.matchAll(/@throws \{@link (\w+)\} \((?:client|server) fault\)/g)].map(([, name]) => name)
      expect(errors).to.have.members(thrown)
    })
  }

  it('hide secrets and tokens, which the SDK does not all call sensitive', () => {
    const credentials = stsContracts.get('AssumeRole')?.output?.Credentials
    expect(credentials).to.have.nested.property('members.SecretAccessKey.sensitive', true)
    expect(credentials).to.have.nested.property('members.SessionToken.sensitive', true)
    expect(stsContracts.get('AssumeRoleWithWebIdentity')?.input.WebIdentityToken).to.have.property('sensitive', true)
  })
})

describe('the enumerations', () => {
  it('are those of the SDK', () => {
    expect(Object.keys(enums).map(name => name.charAt(0).toUpperCase() + name.slice(1))).to.have.members(enumNames)
  })

  for (const [name, values] of Object.entries(enums)) {
    it(`${name} has the values of the SDK`, () => {
      expect(values).to.have.members(Object.values(exported[name.charAt(0).toUpperCase() + name.slice(1)] ?? {}))
    })
  }
})

describe('what this test reads', () => {
  it('is really there: a few facts that AWS documents', () => {
    const { members } = ofSdk(schemasOf('Encrypt').input)
    expect(members?.Plaintext).to.deep.equal({ type: 'blob', required: true, sensitive: true })
    expect(members?.EncryptionContext?.key?.type).to.equal('string')
    expect(declaredEnums('CreateKeyResponse', 'output')).to.include('output.KeyMetadata.KeyState: KeyState')
    expect(readdirSync(join(declarations, 'commands')).filter(name => name.endsWith('Command.d.ts'))).to.have.length(56)
  })
})
