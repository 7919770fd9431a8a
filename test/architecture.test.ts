import { readFileSync, readdirSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, normalize, dirname, sep } from 'node:path'
import { expect } from 'chai'

/**
 * Which way imports point. `folders` besides the own one; `types` are folders of which only types may be had; `node` lists the
 * built-in modules allowed (all, if absent); `packages` says whether npm packages may be used.
 */
interface Rule {
  readonly folders: readonly string[]
  readonly types?: readonly string[]
  readonly node?: readonly string[]
  readonly packages: boolean
}

const rules: Readonly<Record<string, Rule>> = {
  domain: { folders: [], node: ['node:crypto'], packages: false },
  api: { folders: [], node: [], packages: false },
  ports: { folders: [], types: ['domain'], node: [], packages: false },
  service: { folders: ['api', 'domain', 'ports'], packages: false },
  jobs: { folders: ['service', 'domain', 'ports'], packages: false },
  adapters: { folders: ['domain', 'ports'], packages: true },
  http: { folders: ['service', 'api', 'domain'], types: ['ports'], packages: true },
  cli: {
    // The contracts, as a client of the API that they describe.
    folders: ['main.ts', 'compose.ts', 'inspect.ts', 'config.ts', 'service', 'domain', 'api'], types: ['ports'], packages: true,
  },
}
/** The composition root may import everything; only the folders above that name these files may import them. */
const roots = ['main.ts', 'supervisor.ts', 'compose.ts', 'compose', 'inspect.ts', 'config.ts', 'config']

const linesMax = 300
/** Longer than that because each is one table. */
const tables: readonly string[] = []

interface Import { readonly of: string, readonly typeOnly: boolean }

const importForm = /^\s*(?:import|export)\s+(type\s)?(?:[^'"();]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).sort()
const textOf = (file: string) => readFileSync(join('src', file), 'utf8')
const importsOf = (file: string): readonly Import[] =>
  [...textOf(file).matchAll(importForm)].map(([, type, named, dynamic]) => ({ of: named ?? dynamic ?? '', typeOnly: type !== undefined }))

/** The folder that a rule speaks of; each adapter (a folder or a single file) stands alone. */
function areaOf(file: string): string {
  const [top = '', second = ''] = file.split(sep)
  return top === 'adapters' ? `adapters/${second}` : top
}

function isAllowed(file: string, { of, typeOnly }: Import): boolean {
  const rule = rules[areaOf(file).split('/')[0] ?? '']
  if (!rule) return roots.includes(areaOf(file))
  if (!of.startsWith('.')) {
    if (!of.startsWith('node:')) return rule.packages && !builtinModules.includes(of)
    return rule.node?.includes(of) ?? true
  }
  const target = areaOf(normalize(join(dirname(file), of.replace(/\.js$/, '.ts'))))
  return target === areaOf(file) || rule.folders.includes(target) || (typeOnly && (rule.types?.includes(target) ?? false))
}

describe('the source tree', () => {
  it('has imports that point one way', () => {
    const wrong = files.flatMap(file => importsOf(file).filter(of => !isAllowed(file, of)).map(({ of }) => `${file} imports ${of}`))
    expect(wrong).to.deep.equal([])
  })

  it('sees the imports that it judges', () => {
    expect(importsOf('ports/hsm.ts').map(({ of }) => of)).to.include('../domain/material.js')
    expect(isAllowed('domain/key.ts', { of: '../ports/hsm.js', typeOnly: true })).to.equal(false)
    expect(isAllowed('domain/key.ts', { of: 'node:fs', typeOnly: false })).to.equal(false)
    expect(isAllowed('service/keys.ts', { of: 'express', typeOnly: true })).to.equal(false)
    expect(isAllowed('adapters/sql/keys.ts', { of: '../pkcs11/hsm.js', typeOnly: false })).to.equal(false)
    expect(isAllowed('http/server.ts', { of: '../ports/log.js', typeOnly: false })).to.equal(false)
    expect(isAllowed('http/server.ts', { of: '../compose.js', typeOnly: true })).to.equal(false)
  })

  it(`has no file over ${linesMax} lines, tables excepted`, () => {
    const long = files.filter(file => textOf(file).split('\n').length - 1 > linesMax && !tables.includes(file))
    expect(long).to.deep.equal([])
  })
})
