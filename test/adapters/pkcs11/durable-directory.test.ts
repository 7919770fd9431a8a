import { readdirSync, readlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { newMaterial, refused, testRoot } from '../../contract/hsm-samples.js'
import { testToken } from '../../support/softhsm.js'
import { silentLog } from './support.js'

describe('material of a token whose files we bring to the disk', () => {
  let hsm: Hsm
  let tokens: string
  beforeEach(async () => {
    const config = await testToken()
    tokens = config.durableDirectory ?? ''
    hsm = await openHsm(config, silentLog)
  })
  afterEach(() => hsm.close())

  const objects = () => readdirSync(tokens, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.object'))

  it('is on the disk, with its directory, when it was made', async () => {
    for (const [material, count] of [[newMaterial(), 1], [testRoot('audit'), 2]] as const) {
      const before = objects()
      const synced = await syncedBy(() => hsm.createMaterial(material))
      const made = objects().filter(name => !before.includes(name)).map(name => `${tokens}/${name}`)
      expect(made).to.have.length(count)
      expect(synced).to.include.members(made)
      // The directory last, and no other object again.
      expect(synced.at(-1)).to.equal(dirname(made[0] ?? ''))
      expect(synced.filter(file => /-.*\.object$/.test(basename(file)))).to.have.members(made)
      await hsm.destroyMaterial(material)
    }
  })

  it('is gone from its directory on the disk when it was destroyed', async () => {
    const material = newMaterial()
    await hsm.createMaterial(material)
    const [object = ''] = objects()
    const synced = await syncedBy(() => hsm.destroyMaterial(material))
    expect(synced.at(-1)).to.equal(dirname(`${tokens}/${object}`))
  })

  it('is destroyed again when the disk fails', async () => {
    const material = newMaterial()
    const failing = async (): Promise<void> => { throw new Error('EIO: a disk of a test') }
    await whileSyncIs(() => failing, () => refused(hsm.createMaterial(material), 'lost'))
    expect(await hsm.find(material)).to.equal(undefined)
    await hsm.createMaterial(material)
    await hsm.destroyMaterial(material)
  })
})

/** The paths of what was given to fsync meanwhile, in order (proc(5)). */
async function syncedBy(use: () => Promise<unknown>): Promise<readonly string[]> {
  const synced: string[] = []
  await whileSyncIs(real => async function (this: FileHandle) {
    const path = readlinkSync(`/proc/self/fd/${this.fd}`)
    await real.call(this)
    synced.push(path)
  }, use)
  return synced
}

type Sync = (this: FileHandle) => Promise<void>

async function whileSyncIs(replacement: (real: Sync) => Sync, use: () => Promise<unknown>): Promise<void> {
  const handle = await open('/dev/null', 'r')
  const prototype = Object.getPrototypeOf(handle) as { sync: Sync }
  await handle.close()
  const real = prototype.sync
  prototype.sync = replacement(real)
  try {
    await use()
  } finally {
    prototype.sync = real
  }
}
