import { expect } from 'chai'
import { byTwo, decideRow, outcomes, plainQuestionOf } from '../../support/policies/decide-row.js'
import { fileNames, readTable, type Row } from '../../support/policies/decision-table.js'
import { isAllowed } from '../../support/policies/reference-evaluator.js'

describe('the decision tables', () => {
  const tables = new Map(fileNames.map(file => [file, readTable(file)]))

  for (const [file, rows] of tables) {
    describe(file, () => {
      for (const row of rows) it(`${row.case}: ${row.is}`, () => { check(row) })
    })
  }

  it('have several hundred rows, and every outcome there is', () => {
    const rows = [...tables.values()].flat()
    expect(rows.length).to.be.at.least(400)
    expect([...new Set(rows.map(({ is }) => is))].sort()).to.deep.equal(Object.keys(outcomes).sort())
  })

  it('are read by the reference in the same way', () => {
    const rows = [...tables.values()].flat()
    const understood = rows.flatMap(row => {
      const question = plainQuestionOf(row)
      return question ? [{ row, question }] : []
    })
    for (const { row, question } of understood) {
      expect(isAllowed(question), `${row.file}: ${row.case}`).to.equal(outcomes[row.is]?.verdict === 'allow')
    }
    expect(understood.length / rows.length).to.be.at.least(0.8)
  })

  it('show no two things in one sentence of a file', () => {
    for (const [file, rows] of tables) expect(new Set(rows.map(row => row.case)).size, file).to.equal(rows.length)
  })
})

function check(row: Row): void {
  const expected = outcomes[row.is]
  if (!expected) throw new Error(`there is no outcome ${row.is}`)
  const { allowed, reason } = decideRow(row)
  expect(reason).to.deep.include(expected)
  expect(allowed).to.equal(reason.verdict === 'allow')
  expect(reason.and !== undefined, 'decided by two statements').to.equal(row.is === byTwo)
  if (row.by !== undefined) expect(reason.statement).to.equal(row.by)
}
