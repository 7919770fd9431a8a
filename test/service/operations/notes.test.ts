import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { profiles } from '../../../src/adapters/pkcs11/profiles/choose.js'
import { contracts } from '../../../src/api/operations.js'
import { keySpecs } from '../../../src/domain/key-spec.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { importWays, keySpecNotes, operationNotes } from '../../../src/service/operations/notes.js'
import { keySpecRows, operationRows, operationTables, withTables } from '../../../src/service/operations/tables.js'
import { operations } from '../../../src/service/operations.js'
import { openTestHsm } from '../../support/services.js'

describe('the notes on operations', () => {
  it('are of every operation and of nothing else', () => {
    expect(Object.keys(operationNotes)).to.have.members([...contracts.keys()])
    expect(operationRows().map(({ operation }) => operation)).to.deep.equal([...contracts.keys()])
  })

  it('call that built which is called by its name', () => {
    const built = operationRows().filter(row => row.built).map(({ operation }) => operation)
    expect(built).to.have.members([...operations.keys()])
  })

  it('fit into a table', () => {
    for (const { operation, needs, softhsm, differences } of operationRows()) {
      expect(needs, operation).to.match(/^[^|\n]+$/)
      expect(softhsm, operation).to.match(/^(yes|(part|no): [^|\n]+)$/)
      expect(differences, operation).to.match(/^[^|\n]*$/)
    }
  })
})

describe('the notes on key specs', () => {
  let hsm: Hsm
  before(async () => { hsm = await openTestHsm() })
  after(() => hsm.close())

  it('are of every key spec and of nothing else', () => {
    expect(Object.keys(keySpecNotes)).to.have.members([...keySpecs.keys()])
    expect(new Set(keySpecRows().map(({ spec }) => spec))).to.deep.equal(new Set(keySpecs.keys()))
  })

  for (const { spec, usages } of keySpecs.values()) {
    it(`say of ${spec} what SoftHSM says itself`, () => {
      const materials = usages.map(({ material }) => material ?? hsm.suite)
      const offered = materials.length > 0 && materials.every(material => hsm.kinds.has(material))
      expect(keySpecNotes[spec].softhsm.startsWith('no: ')).to.equal(!offered)
    })
  }
})

describe('the ways of import', () => {
  const names: Readonly<Record<Profile['import'], string>> = {
    'hsm': 'inside the HSM', 'hsm-secrets': 'inside the HSM, secret keys only', 'process': 'in the server, bytes overwritten at once',
    'refuse': 'refused',
  }
  it('are those of the profiles', () => {
    expect(Object.keys(importWays)).to.have.members(Object.values(names))
    for (const way of Object.values(names)) {
      const of = profiles.filter(profile => names[profile.import] === way).map(({ name }) => name)
      expect(importWays[way], way).to.have.members(of)
    }
  })
})

describe('the table of operations in README.md', () => {
  it('is what `claviger operations` prints', () => {
    const text = readFileSync('README.md', 'utf8')
    expect(text).to.equal(withTables(text))
  })

  it('has a row for every operation and every key spec', () => {
    const rows = operationTables().filter(line => /^\| [A-Z]/.test(line))
    expect(rows).to.have.length(56 + 20)
  })

  it('goes nowhere without its markers', () => {
    for (const text of ['', '<!-- operations -->', '<!-- /operations --><!-- operations -->']) expect(withTables(text)).to.equal(undefined)
  })
})
