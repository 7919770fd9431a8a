import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { findSoftHsm, makeSoftHsmToken } from '../../../src/adapters/pkcs11/token/softhsm-token.js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { newMaterial, refused } from '../../contract/hsm-samples.js'
import { newTokenDirectory, testToken } from '../../support/softhsm.js'
import { silentLog } from './support.js'

const label = 'claviger-test'
const child = fileURLToPath(new URL('make-token-child.js', import.meta.url))

const make = (directory: string): Promise<Pkcs11Config> => makeSoftHsmToken({ directory, label, module: findSoftHsm() })

async function works(config: Pkcs11Config): Promise<void> {
  const hsm = await openHsm(config, silentLog)
  try {
    const material = newMaterial()
    await hsm.createMaterial(material)
    const sealed = await hsm.seal(material, Buffer.from('x'), Buffer.alloc(32))
    expect(await hsm.open(material, sealed, Buffer.alloc(32))).to.have.length(1)
    await hsm.destroyMaterial(material)
  } finally {
    await hsm.close()
  }
}

/** Runs the maker in a process of its own; answers the signal it died by. */
async function makeInChild(directory: string, fatal?: string): Promise<string | null> {
  const maker = spawn(process.execPath, [child, directory, ...fatal ? [fatal] : []], { stdio: 'inherit' })
  const [, signal] = await once(maker, 'exit') as [number | null, string | null]
  return signal
}

function siblings(directory: string): readonly string[] {
  return readdirSync(dirname(directory)).filter(name => name !== basename(directory) && name.startsWith(basename(directory)))
}

describe('makeSoftHsmToken', () => {
  it('makes a token that works, with two different PINs', async () => {
    const directory = newTokenDirectory()
    await works(await make(directory))
    const [pin, soPin] = ['pin', 'so-pin'].map(name => readFileSync(join(directory, name), 'utf8'))
    expect(pin).to.match(/^[\w-]{32}$/)
    expect(soPin).to.match(/^[\w-]{32}$/)
    expect(pin).not.to.equal(soPin)
  })

  it('lets only the owner read', async () => {
    const directory = newTokenDirectory()
    await make(directory)
    const mode = (...names: string[]) => (statSync(join(directory, ...names)).mode & 0o777).toString(8)
    expect([mode(), mode('tokens')]).to.deep.equal(['700', '700'])
    expect([mode('pin'), mode('so-pin'), mode('softhsm2.conf')]).to.deep.equal(['600', '600', '600'])
  })

  it('leaves nothing beside it', async () => {
    const directory = newTokenDirectory()
    await make(directory)
    expect(siblings(directory)).to.be.empty
    expect(readdirSync(directory).sort()).to.deep.equal(['pin', 'so-pin', 'softhsm2.conf', 'tokens'])
  })

  it('uses a finished token as it is', async () => {
    const directory = newTokenDirectory()
    const first = await make(directory)
    const pin = readFileSync(join(directory, 'pin'), 'utf8')
    expect(await make(directory)).to.deep.equal(first)
    expect(readFileSync(join(directory, 'pin'), 'utf8')).to.equal(pin)
  })

  it('finds its token again after the directory was moved', async () => {
    const [here, there] = [newTokenDirectory(), newTokenDirectory()]
    await make(here)
    renameSync(here, there)
    const config = await make(there)
    expect(config.environment?.SOFTHSM2_CONF).to.equal(join(there, 'softhsm2.conf'))
    await works(config)
  })

  for (const fatal of ['C_Initialize', 'C_InitToken', 'C_OpenSession', 'C_InitPIN', 'C_Logout', 'C_Finalize']) {
    it(`makes a good token after one that was killed before ${fatal}`, async () => {
      const directory = newTokenDirectory()
      expect(await makeInChild(directory, fatal)).to.equal('SIGKILL')
      expect(siblings(directory)).to.have.length(1)
      await works(await make(directory))
      expect(siblings(directory)).to.be.empty
    })
  }

  it('gives the same token to processes that start together', async () => {
    const directory = newTokenDirectory()
    expect(await Promise.all([makeInChild(directory), makeInChild(directory), makeInChild(directory)])).to.deep.equal([null, null, null])
    await works(await make(directory))
    expect(siblings(directory)).to.be.empty
  })

  it('takes an empty directory, and refuses one with other things in it', async () => {
    const [empty, used] = [newTokenDirectory(), newTokenDirectory()]
    mkdirSync(empty)
    mkdirSync(used)
    writeFileSync(join(used, 'letters.txt'), 'mine')
    await make(empty)
    await refused(make(used), 'configuration')
    expect(readdirSync(used)).to.deep.equal(['letters.txt'])
  })

  it('refuses names that SoftHSM cannot keep', async () => {
    await refused(make(`${newTokenDirectory()}#1`), 'configuration')
    await refused(makeSoftHsmToken({ directory: newTokenDirectory(), label: 'x'.repeat(33), module: findSoftHsm() }), 'configuration')
  })

  it('does not disturb a token that is open', async () => {
    const hsm = await openHsm(await testToken(), silentLog)
    try {
      await refused(make(newTokenDirectory()), 'configuration')
      await hsm.probe()
    } finally {
      await hsm.close()
    }
  })
})
