import { expect } from 'chai'
import { isOnKey, noon, outcomes } from '../support/policies/decide-row.js'
import { accounts, arnOf, fileNames, readTable, rowRegion, vocabulary, type Row } from '../support/policies/decision-table.js'
import { isStageable, Stage } from '../support/policies/stage.js'
import { auditEvents } from './audit-records.js'
import { suite } from './suite.js'

const elsewhere = ' on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a '
  + 'resource-based policy explicitly denies access'

/** KMS behaviour as AWS has it, byte for byte; written here once more and not taken from the source. */
const tails: Readonly<Record<string, string>> = {
  'denied by the key policy': 'with an explicit deny in a resource-based policy',
  'denied by an identity policy': 'with an explicit deny in an identity-based policy',
  'denied by the boundary': 'with an explicit deny in a permissions boundary',
  'not in the key policy': 'because no resource-based policy allows the <action> action',
  'not in any identity policy': 'because no identity-based policy allows the <action> action',
  'not in the boundary': 'because no permissions boundary allows the <action> action',
}

describe('the decision tables, through HTTP', () => {
  const rows = fileNames.flatMap(readTable).filter(isStageable)
  const on = suite({ settings: { accountId: accounts.A, regions: [rowRegion] }, clock: { now: () => noon } })
  const played: { readonly row: Row, readonly requestId: string }[] = []
  let stage: Stage

  before(async () => {
    stage = new Stage(on.server)
    await stage.enter()
  })

  for (const file of fileNames) {
    const ofFile = rows.filter(row => row.file === file)
    if (ofFile.length === 0) continue
    it(`give real users on real keys what ${file} says, in ${ofFile.length} rows`, async function () {
      this.timeout(1_000 * ofFile.length)
      for (const row of ofFile) await play(row)
    })
  }

  async function play(row: Row): Promise<void> {
    const { answer, keyArn } = await stage.play(row)
    const isAllowed = outcomes[row.is]?.verdict === 'allow'
    expect(answer.status, `${row.file}: ${row.case}: ${answer.body}`).to.equal(isAllowed ? 200 : 400)
    if (!isAllowed) expect(answer.json, row.case).to.deep.equal({ __type: 'AccessDeniedException', Message: refusalOf(row, keyArn) })
    played.push({ row, requestId: String(answer.headers['x-amzn-requestid']) })
  }

  it('were at least 200 rows, with users, groups, boundaries, grants, and callers of two accounts', () => {
    expect(played.length).to.be.at.least(200)
    expect(new Set(played.map(({ row }) => row.is))).to.include.all.keys(...Object.keys(tails), 'not across accounts', 'allowed by a grant')
  })

  it('left the reason of each in the audit log', () => {
    const events = new Map(auditEvents(on.server.dataDir).map(event => [event.requestID, event]))
    for (const { row, requestId } of played) {
      const { authorization = [] } = events.get(requestId)?.additionalEventData as { authorization?: readonly object[] } | undefined ?? {}
      const { verdict, by } = outcomes[row.is] ?? {}
      expect(authorization.at(-1), `${row.file}: ${row.case}`).to.include({ verdict: verdict === 'no' ? 'not allowed' : verdict, by })
    }
  })
})

function refusalOf(row: Row, keyArn: string): string {
  const action = `kms:${row.action}`
  const start = `User: ${arnOf(row.caller)} is not authorized to perform: ${action}`
  if (isOnKey(row) && vocabulary.callers[row.caller]?.account === 'B') return start + elsewhere
  return `${start}${isOnKey(row) ? ` on resource: ${keyArn}` : ''} ${(tails[row.is] ?? '').replace('<action>', action)}`
}
