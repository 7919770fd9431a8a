import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { kmsClient } from '../support/clients.js'
import { removeDirectory, spawnProgram, spawnServer, temporaryDirectory } from '../support/server.js'

/** Copies the database as a backup would, and back. */
function copyDatabase(from: string, to: string): void {
  for (const name of readdirSync(to).filter(file => file.startsWith('claviger.db'))) rmSync(join(to, name))
  for (const name of readdirSync(from).filter(file => file.startsWith('claviger.db'))) copyFileSync(join(from, name), join(to, name))
}

describe('a database that was put back to an earlier state', () => {
  const dataDir = temporaryDirectory()
  const backup = join(dataDir, 'backup')
  after(() => removeDirectory(dataDir))

  it('is refused, and once accepted deletes nothing', async () => {
    const first = await spawnServer({ dataDir })
    const { KeyMetadata } = await kmsClient(first).createKey({})
    const KeyId = KeyMetadata?.KeyId
    await kmsClient(first).scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 })
    await first.kill('SIGTERM')
    mkdirSync(backup)
    copyDatabase(dataDir, backup)

    const second = await spawnServer({ dataDir })
    await kmsClient(second).cancelKeyDeletion({ KeyId })
    await second.kill('SIGTERM')
    copyDatabase(backup, dataDir)
    expect(existsSync(join(dataDir, 'claviger.db'))).to.equal(true)

    const refused = await spawnProgram(['server', '--unsupervised'], { dataDir }).exited
    expect([refused.code, refused.stderr]).to.deep.include(1)
    expect(refused.stderr).to.contain('CLAVIGER_ACCEPT_ROLLBACK')

    const accepted = await spawnServer({ dataDir, environment: { CLAVIGER_ACCEPT_ROLLBACK: 'yes' } })
    expect((await kmsClient(accepted).describeKey({ KeyId })).KeyMetadata?.KeyState).to.equal('Disabled')
    await accepted.kill('SIGTERM')
    const again = await spawnServer({ dataDir })
    await again.kill('SIGTERM')
  })
})
